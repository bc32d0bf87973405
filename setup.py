"""Maps the folders of the repository to the namespace `simgan`; CMake builds the native core."""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
FOLDERS = ("cli", "engine", "kernels")


def packages() -> list[str]:
    """Every folder with an `__init__.py` below the three roots, as `simgan.<path>`."""
    found = []
    for folder in FOLDERS:
        for init in sorted((ROOT / folder).rglob("__init__.py")):
            found.append("simgan." + ".".join(init.parent.relative_to(ROOT).parts))
    return found


setup(
    packages=packages(),
    package_dir={f"simgan.{folder}": folder for folder in FOLDERS},
)
