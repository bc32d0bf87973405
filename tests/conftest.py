"""What every test lives under: few threads, its own cache folder, and no network."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise RuntimeError(f"a test tried to connect to {address}")


sys.addaudithook(_refuse_network)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny work on two threads of a busy machine mostly waits."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packed images of one test are never seen by another."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SIMGAN_CACHE", str(cache))
    for name in ("SIMGAN_BACKEND", "SIMGAN_FAILPOINT", "SIMGAN_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return cache


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test's own folder as the working directory."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
