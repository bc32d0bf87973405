"""Image sets on disk in every format that is timed, all with the same procedural eyes."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.image_encoding import encode_image
from simgan.engine.data.procedural_eyes import ProceduralEyes

Pixels = NDArray[np.uint8]
DRAWN = 256  # different eyes; larger sets repeat them


@dataclass(frozen=True)
class SetFormat:
    """One way to store a set.

    Attributes:
        name: in the table.
        place: of the set, in a folder of its own.
        needs: package without which it is not timed, None for nothing.
        extra: of this package that brings it.
        write: stores images uint8 [N, H, W, 1] at a path.
    """

    name: str
    place: str
    needs: str | None
    extra: str
    write: Callable[[Pixels, Path], None]

    @property
    def problem(self) -> str | None:
        """Why it cannot be timed here; None if it can."""
        if self.needs is None or importlib.util.find_spec(self.needs) is not None:
            return None
        return f"{self.needs} is not installed: pip install 'simgan-engine[{self.extra}]'"


def draw_eyes(count: int, size: tuple[int, int]) -> Pixels:
    """Synthetic eyes, uint8 [count, H, W, 1]."""
    source = ProceduralEyes("synthetic", min(count, DRAWN), height=size[0], width=size[1])
    eyes = np.stack([source.read(index) for index in range(len(source))])
    return eyes[np.arange(count) % len(eyes)]


def _write_png(images: Pixels, place: Path) -> None:
    _write_files(images, place, "PNG", ".png")


def _write_jpeg(images: Pixels, place: Path) -> None:
    _write_files(images, place, "JPEG", ".jpg")


def _write_files(images: Pixels, place: Path, kind: str, suffix: str) -> None:
    place.mkdir()
    for index, image in enumerate(images):
        (place / f"{index:06d}{suffix}").write_bytes(encode_image(image, kind))


def _write_npz(images: Pixels, place: Path) -> None:
    np.savez(place, images=images)


def _write_hdf5(images: Pixels, place: Path) -> None:
    import h5py

    with h5py.File(place, "w") as file:
        file["images"] = images


FORMATS = (
    SetFormat("image folder, PNG", "png", None, "", _write_png),
    # Pillow reads and writes JPEG, too, but several times slower: not the engine's speed.
    SetFormat("image folder, JPEG", "jpeg", "simplejpeg", "jpeg", _write_jpeg),
    SetFormat("npz", "eyes.npz", None, "", _write_npz),
    SetFormat("HDF5", "eyes.h5", "h5py", "hdf5", _write_hdf5),
)
