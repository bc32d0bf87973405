"""The compiled module of csrc/, if this install has a working one, and the reason if it has not."""

import functools
import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

# What the wrappers here expect of csrc/launchers.h (kInterface): a module built from other sources
# would read wrong arguments, so it counts as broken.
INTERFACE = 8

_MODULE = "simgan.kernels._native"
_REASON_FILE = Path(__file__).parent / "_native_missing.txt"


@dataclass(frozen=True)
class Native:
    """State of the native module: it works (`problem` is empty), was never built, or is broken."""

    module: ModuleType | None
    problem: str
    broken: bool = False

    @property
    def info(self) -> dict[str, Any]:
        """What is built: {"interface", "compiler", "cpu": bool, "cuda": ["sm_80", ...]}."""
        if self.module is None:
            return {"interface": INTERFACE, "compiler": "", "cpu": False, "cuda": []}
        info: dict[str, Any] = self.module.native_info()
        return info


@functools.cache
def native() -> Native:
    """The native module of this install, imported on first use; never raises."""
    try:
        module = importlib.import_module(_MODULE)
    except ModuleNotFoundError as error:
        if error.name != _MODULE:
            return Native(None, f"broken: {error}", broken=True)
        return Native(None, f"not built: {_reason()}")
    except ImportError as error:
        return Native(None, f"broken: {error}", broken=True)
    interface = module.native_info()["interface"]
    if interface != INTERFACE:
        return Native(
            None,
            f"broken: it was built for interface {interface}, this code needs {INTERFACE}; "
            "install simgan-engine again",
            broken=True,
        )
    return Native(module, "")


def launchers() -> ModuleType:
    """The native module; the caller has made sure that it works."""
    module = native().module
    assert module is not None, native().problem
    return module


def _reason() -> str:
    if _REASON_FILE.exists():
        return _REASON_FILE.read_text().strip()
    return "this install was made without it"
