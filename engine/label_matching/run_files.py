"""label-match.json, .npz and .png in the folder of a run."""

import hashlib
import importlib.util
import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from simgan.engine.durable import replace_file
from simgan.engine.errors import CheckpointError
from simgan.engine.label_matching.distribution import Values
from simgan.engine.label_matching.found import LabelMatch
from simgan.engine.label_matching.weights_file import WEIGHTS

_UNREADABLE = (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile, zlib.error)
JSON_FILE, ARRAYS_FILE, PLOT_FILE = "label-match.json", "label-match.npz", "label-match.png"


def write_match(folder: Path, found: LabelMatch) -> None:
    """Write what label matching found; a resumed run takes its weights from there.

    The weights come last: where they are, all is.

    Raises:
        DiskError: it cannot be written.
    """
    arrays = {WEIGHTS: found.weights, "values": found.values}
    if found.target is not None:
        arrays["target"] = found.target
    packed = io.BytesIO()
    np.savez_compressed(packed, names=np.array(found.names, str), **arrays)  # type: ignore[arg-type]
    if found.names and importlib.util.find_spec("matplotlib") is not None:
        from simgan.engine.label_matching.plot import draw_match

        replace_file(folder / PLOT_FILE, draw_match(found))
    text = json.dumps(found.report, indent=1, allow_nan=False) + "\n"
    replace_file(folder / JSON_FILE, text.encode())
    replace_file(folder / ARRAYS_FILE, packed.getvalue())


def has_match(folder: Path) -> bool:
    """Whether the weights of a run were written."""
    return (folder / ARRAYS_FILE).is_file()


def read_match(folder: Path, images: int) -> Values:
    """The weights [N] of a run.

    Raises:
        CheckpointError: they are missing or damaged.
    """
    path = folder / ARRAYS_FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            weights: Values = arrays[WEIGHTS]
    except _UNREADABLE as error:
        raise CheckpointError(
            f"the run's label weights cannot be read: {path}: {error}",
            fix="Restore the file, or start a new run.",
        ) from None
    if weights.shape != (images,) or weights.dtype != np.float64:
        raise CheckpointError(f"{path} does not fit the run's {images:,} synthetic images")
    return weights


def fingerprint(weights: Values | None) -> str | None:
    """blake2b-128 of weights, for the checkpoint; None without."""
    if weights is None:
        return None
    return hashlib.blake2b(np.ascontiguousarray(weights).tobytes(), digest_size=16).hexdigest()
