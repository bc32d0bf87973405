"""One function that recognises every input."""

from dataclasses import replace
from pathlib import Path

from simgan.engine.config import DataPolicy
from simgan.engine.data.arrays import NpyFile, NpzFile
from simgan.engine.data.hdf5 import Hdf5File
from simgan.engine.data.image_folder import ImageFolder
from simgan.engine.data.mpiigaze import MpiiGaze
from simgan.engine.data.nyu_crops import NyuCrops
from simgan.engine.data.nyu_hand import NyuHand
from simgan.engine.data.problems import BadImage, Problem
from simgan.engine.data.source import Source
from simgan.engine.data.unityeyes import UnityEyes
from simgan.engine.errors import DataError

__all__ = ["FORMATS", "BadImage", "Problem", "Source", "open_source"]

# The first format that recognises a path reads it: special folders before plain ones.
FORMATS = (
    NpyFile,
    NpzFile,
    Hdf5File,
    MpiiGaze,
    NyuHand,
    UnityEyes,
    ImageFolder,
)
UNSAFE = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


def open_source(path: str | Path, policy: DataPolicy | None = None) -> Source:
    """Open a set of images, whatever its format.

    Args:
        path: a folder, a file, `FILE#KEY` for one image array of an .npz or HDF5 file (as
            `data.key`, which it overrides), or `procedural:synthetic?count=2000&seed=0`
            (eyes), or `procedural:hand-synthetic?count=2000&seed=0` (hands).
        policy: what may be done to images and labels; nothing beyond it ever is.
    Raises:
        DataError: nothing is there, the format is unknown, or its labels do not fit.
    """
    policy = policy or DataPolicy()
    location = str(path)
    source = _procedural(location, policy) if location.startswith("procedural:") else None
    if source is None:
        place, policy = _place(location, policy)
        if not place.exists():
            raise DataError(f"{location} does not exist")
        kind = next((kind for kind in FORMATS if kind.matches(place)), None)
        if kind is None:
            raise _unknown(place, location)
        source = kind(location, place, policy)
        if policy.crop is not None and isinstance(source, NyuHand):
            source = NyuCrops(source)
    if policy.limit is not None and policy.limit < len(source):
        source.select(range(policy.limit))
    return source


def _place(location: str, policy: DataPolicy) -> tuple[Path, DataPolicy]:
    """The file or folder of a location, and the policy with the key that FILE#KEY names."""
    whole = Path(location).expanduser()
    file, _, key = location.rpartition("#")
    if file and key and not whole.exists() and Path(file).expanduser().is_file():
        return Path(file).expanduser(), replace(policy, key=key)
    return whole, policy


def _unknown(place: Path, location: str) -> DataError:
    if place.suffix.lower() in UNSAFE:
        return DataError(
            f"refusing {location}: pickle files can run code",
            fix="Save the images as .npy or .npz.",
        )
    return DataError(
        f"{location} is not a data set of a known format",
        fix="A folder of images, or an .npy, .npz or .h5 file is expected.",
    )


def _procedural(location: str, policy: DataPolicy) -> Source:
    from simgan.engine.data import procedural_eyes, procedural_hands

    if location.startswith(procedural_hands.PREFIX):
        return procedural_hands.parse_location(location, policy)
    return procedural_eyes.parse_location(location, policy)
