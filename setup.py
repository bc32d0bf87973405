"""Maps the folders of the repository to the namespace `simgan`; CMake builds the native core."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
FOLDERS = ("cli", "engine", "kernels")
MODES = ("auto", "cpu", "cuda", "off")
# Read by kernels/native.py: why this install has no native module.
REASON_FILE = "_native_missing.txt"
# Of CMakeLists.txt: the one failure that needs no look into the log.
REFUSAL = "nvcc was not found"


def packages() -> list[str]:
    """Every folder with an `__init__.py` below the three roots, as `simgan.<path>`."""
    found = []
    for folder in FOLDERS:
        for init in sorted((ROOT / folder).rglob("__init__.py")):
            found.append("simgan." + ".".join(init.parent.relative_to(ROOT).parts))
    return found


def native_mode() -> str:
    """SIMGAN_NATIVE, checked: auto (default), cpu, cuda or off."""
    mode = os.environ.get("SIMGAN_NATIVE", "auto")
    if mode not in MODES:
        raise SystemExit(f"SIMGAN_NATIVE must be one of {', '.join(MODES)}, got {mode!r}")
    return mode


class NativeError(Exception):
    """The native module could not be built; the message is one line."""


def _program(name: str, folder: str) -> str:
    """cmake or ninja: of the Python package of that name, else the one on PATH."""
    try:
        return str(Path(getattr(importlib.import_module(name), folder)) / name)
    except ModuleNotFoundError as error:
        found = shutil.which(name)
        if found is None:
            raise NativeError(f"the build requirement {name} was missing at install") from error
        return found


def _run_cmake(mode: str, tree: Path) -> None:
    """Configure and build in `tree`, which keeps its objects from one install to the next."""
    compilers = [os.environ.get("CXX", "").split(" ")[0], "c++", "g++", "clang++"]
    if not any(name and shutil.which(name) for name in compilers):
        raise NativeError("no C++ compiler found at install")
    try:
        import pybind11
    except ModuleNotFoundError as error:
        raise NativeError("the build requirement pybind11 was missing at install") from error
    program, ninja = _program("cmake", "CMAKE_BIN_DIR"), _program("ninja", "BIN_DIR")
    configure = [
        program,
        *("-S", str(ROOT), "-B", str(tree), "-G", "Ninja"),
        f"-DSIMGAN_NATIVE={mode}",
        # An isolated build has new paths every time; the cached ones must give way.
        f"-DCMAKE_MAKE_PROGRAM={ninja}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    tree.mkdir(parents=True, exist_ok=True)
    log_path = tree / "build.log"
    with log_path.open("w") as log:
        for step in (configure, [program, "--build", str(tree)]):
            if subprocess.run(step, stdout=log, stderr=subprocess.STDOUT, check=False).returncode:
                refusals = [line for line in log_path.read_text().splitlines() if REFUSAL in line]
                failed = f"the native build failed at install, see {log_path}"
                raise NativeError(refusals[0].strip() if refusals else failed)


def _build(mode: str, tree: Path) -> Path:
    """Path of the built module; `auto` without a working CUDA build settles for the CPU part."""
    suffix = f"*{'.pyd' if sys.platform == 'win32' else '.so'}"
    try:
        _run_cmake(mode, tree)
    except NativeError as error:
        if mode != "auto" or "no C++" in str(error) or "requirement" in str(error):
            raise
        print(f"simgan-engine: {error}; trying again without CUDA")
        _run_cmake("cpu", tree)
    return next(tree.glob(f"_native.{suffix}"))


class BuildNative(build_ext):
    """Copies the module that CMake built to where setuptools expects it, or writes down why not."""

    def run(self) -> None:
        super().run()
        if self.inplace or self.editable_mode:
            folder = ROOT / "kernels"
            if self.reason:
                # A module of an earlier install would be imported although it is not wanted.
                for stale in folder.glob("_native.*.so"):
                    stale.unlink()
        else:
            folder = Path(self.build_lib, "simgan", "kernels")
        note = folder / REASON_FILE
        note.unlink(missing_ok=True)
        if self.reason:
            folder.mkdir(parents=True, exist_ok=True)
            note.write_text(self.reason + "\n")

    def build_extension(self, ext: Extension) -> None:
        mode = native_mode()
        target = Path(self.get_ext_fullpath(ext.name))
        # What an earlier build left must not get into this install.
        target.unlink(missing_ok=True)
        self.reason = "SIMGAN_NATIVE=off at install" if mode == "off" else ""
        if mode == "off":
            return
        tree = ROOT / "build" / f"native-{sys.implementation.cache_tag}"
        try:
            built = _build(mode, tree)
        except NativeError as error:
            if mode != "auto":
                raise SystemExit(f"SIMGAN_NATIVE={mode}: {error}") from error
            self.reason = str(error)
            print(f"simgan-engine: without native kernels: {error}")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(built, target)


setup(
    packages=packages(),
    package_dir={f"simgan.{folder}": folder for folder in FOLDERS},
    package_data={
        "simgan.engine.reporting": ["templates/*"],
        "simgan.cli.web": ["page/*"],
    },
    # Sources and flags are CMake's; `optional` lets an install go on without the module.
    ext_modules=[Extension("simgan.kernels._native", sources=[], optional=True)],
    cmdclass={"build_ext": BuildNative},
)
