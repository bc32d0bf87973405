"""One forking process for all tests of reliability, and folders where syncing costs nothing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import Zygote


@pytest.fixture(scope="session")
def quick_root() -> Iterator[Path]:
    """In memory where the system allows it: a killed process needs no disk to be killed."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def quick_folder(quick_root: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=quick_root))


@pytest.fixture(scope="session")
def zygote(quick_root: Path) -> Iterator[Zygote]:
    folder = quick_root / "zygote"
    folder.mkdir()
    zygote = Zygote(folder)
    yield zygote
    zygote.close()
