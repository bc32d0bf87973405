"""Imports flow one way, cli -> engine -> kernels -> csrc; light modules load without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BELOW = {
    "cli": {"cli", "engine", "kernels"},
    "engine": {"engine", "kernels"},
    "kernels": {"kernels"},
}


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("layer", BELOW)
def test_a_layer_imports_only_itself_and_what_lies_below(layer: str) -> None:
    for path in (ROOT / layer).rglob("*.py"):
        for name in imported_modules(path):
            parts = name.split(".")
            if parts[0] == "simgan":
                assert parts[1] in BELOW[layer], f"{path.relative_to(ROOT)} imports {name}"


def test_the_native_core_knows_neither_torch_nor_python() -> None:
    for path in (ROOT / "csrc").rglob("*.*"):
        text = path.read_text(encoding="utf-8")
        assert "torch/" not in text and "ATen/" not in text
        assert path.name.startswith("bindings") or "pybind11" not in text


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_and_the_settings_load_without_torch() -> None:
    files = [path for path in (ROOT / "cli").rglob("*.py") if path.stem != "__init__"]
    modules = [".".join(("simgan", *f.relative_to(ROOT).with_suffix("").parts)) for f in files]
    names = ", ".join(["simgan.engine.config", "simgan.engine.errors", *modules])
    assert "torch" not in loaded_after(f"import {names}")


def test_the_kernels_load_without_triton() -> None:
    assert "triton" not in loaded_after("import simgan.kernels")
