"""The native module: built, not built and broken are three things, each told apart."""

import importlib.machinery
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from simgan.kernels import dispatch, self_regularization
from simgan.kernels import native as home
from simgan.kernels.native import INTERFACE, native

MODULE = "simgan.kernels._native"


@pytest.fixture
def hidden_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An install without the compiled module, as SIMGAN_NATIVE=off leaves it."""

    class Hide:
        def find_spec(
            self, name: str, path: object = None, target: object = None
        ) -> importlib.machinery.ModuleSpec | None:
            if name == MODULE:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return None

    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Hide(), *sys.meta_path])
    for cache in (native, dispatch._cached_choice):
        cache.cache_clear()
    yield
    for cache in (native, dispatch._cached_choice):
        cache.cache_clear()


@pytest.mark.usefixtures("hidden_module")
def test_without_the_module_the_ops_run_on_their_reference() -> None:
    assert native().module is None
    assert not native().broken
    assert native().info["cpu"] is False
    assert self_regularization(torch.ones(2, 3), torch.zeros(2, 3)).item() == 3.0


@pytest.mark.usefixtures("hidden_module")
def test_the_reason_noted_at_install_is_told_at_run_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "note"
    note.write_text("no C++ compiler found at install\n")
    monkeypatch.setattr(home, "_REASON_FILE", note)
    assert native().problem == "not built: no C++ compiler found at install"


@pytest.mark.usefixtures("hidden_module")
def test_a_module_of_another_interface_is_broken_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType(MODULE)
    old.native_info = lambda: {"interface": INTERFACE - 1}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, old)
    assert native().broken
    assert "install simgan-engine again" in native().problem


@pytest.mark.usefixtures("hidden_module")
def test_a_module_that_does_not_load_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise ImportError("undefined symbol: launch")

    monkeypatch.setattr("importlib.import_module", fail)
    assert native().broken
    assert native().problem == "broken: undefined symbol: launch"


@pytest.mark.skipif(native().module is None, reason=f"native module {native().problem}")
def test_the_module_says_what_is_built() -> None:
    info = native().info
    assert info["interface"] == INTERFACE
    assert info["cpu"] is True
    assert info["cuda"] in ([], ["sm_80", "sm_90a"])
    assert info["compiler"]
