"""Makes build/typing/simgan/{cli,engine,kernels}: links that show static tools the namespace."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    folder = ROOT / "build" / "typing" / "simgan"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cli", "engine", "kernels"):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name, target_is_directory=True)


if __name__ == "__main__":
    main()
