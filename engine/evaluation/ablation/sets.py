"""The images of an ablation: what trains the refiners, what the estimator takes, what tests it."""

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import DataPolicy
from simgan.engine.data.packing import ImageArray, pack
from simgan.engine.data.pixels import convert_channels, resize
from simgan.engine.data.sources import open_source
from simgan.engine.durable import replace_file
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.ablation.config import (
    AblateConfig,
    estimator_config,
    parse_arms,
)
from simgan.engine.evaluation.ablation.plan import PARTS
from simgan.engine.evaluation.gaze import to_angles
from simgan.engine.evaluation.gaze_estimator import HEIGHT, WIDTH
from simgan.engine.evaluation.labelled_set import LEAST, LabelledSet, load_set
from simgan.engine.label_matching.request import parse_request
from simgan.engine.observer import Observer


@dataclass(frozen=True)
class Sets:
    """Everything an ablation reads.

    Attributes:
        synthetic: the images as training sees them.
        labelled: the same as the estimator takes them, with their gaze.
        test: what the errors are of.
        real: fingerprint of the unlabelled real images.
    """

    synthetic: ImageArray
    labelled: LabelledSet
    test: LabelledSet
    real: str

    @property
    def fingerprints(self) -> dict[str, str]:
        """Of the sets that decide what a refiner becomes."""
        return {"synthetic": self.synthetic.fingerprint, "real": self.real}

    def rows(self, parts: int, sample: int | None) -> NDArray[np.int64]:
        """Synthetic images that an arm refines for its estimators.

        Args:
            parts: of the arm.
            sample: of all of them, spread evenly; of one part accordingly fewer.
        """
        rows = part_rows(len(self.synthetic), parts)
        wanted = len(rows) if sample is None else max(LEAST["train"], sample // parts)
        if wanted >= len(rows):
            return rows
        return rows[np.arange(wanted) * len(rows) // wanted]


def part_rows(count: int, parts: int) -> NDArray[np.int64]:
    """Every `parts`-th image of a set, so that a part is spread like the whole."""
    return np.arange(0, count, parts, dtype=np.int64)


def channels_of(config: AblateConfig) -> int:
    """Channels of the training images, from the first synthetic one.

    Raises:
        DataError: the set cannot be opened.
    """
    if config.data.channels != "keep":
        return {"gray": 1, "rgb": 3}[config.data.channels]
    assert config.synthetic is not None
    return int(open_source(config.synthetic, config.data).read(0).shape[2])


def load_sets(config: AblateConfig, observer: Observer) -> Sets:
    """Open, pack and check every set.

    Args:
        config: with paths of both training sets and the test set.
        observer: is told what they are.
    Raises:
        DataError: a set cannot be read, has no usable gaze or too few images, or test images are
            among those that train.
        ConfigError: the arm data cannot have what the others have.
    """
    assert config.synthetic is not None and config.real is not None and config.test is not None
    labelling = estimator_config(config)
    from_training = replace(labelling, data=replace(config.data, size=None, channels="keep"))
    labelled = load_set(config.synthetic, "train", "synthetic", from_training, observer)
    test = load_set(config.test, "test", "test", _for_test(config, from_training), observer)
    synthetic = pack(open_source(config.synthetic, config.data), config.data)
    real = pack(open_source(config.real, config.data), config.data)
    _check_part(config, synthetic)
    assert synthetic.names == labelled.images.names
    for name, images in (("synthetic", synthetic), ("real", real)):
        _refuse_shared(test, name, images)
    return Sets(synthetic, labelled, test, real.fingerprint)


def _for_test(config: AblateConfig, labelling: Any) -> Any:
    """`data.limit` and `data.key` are about the training sets."""
    default = DataPolicy()
    policy = replace(labelling.data, limit=default.limit, key=default.key)
    return replace(labelling, data=policy)


def _check_part(config: AblateConfig, synthetic: ImageArray) -> None:
    if "data" not in parse_arms(config.arms):
        return
    if config.match_labels is not None and parse_request(config.match_labels).kind == "weights":
        raise ConfigError(
            "match_labels: a file of weights is for all synthetic images, the arm data has fewer",
            fix="Leave data out of --arms.",
        )
    least = LEAST["train"] * PARTS
    if len(synthetic) < least:
        raise DataError(
            f"the synthetic set has {len(synthetic):,} images, the arm data needs {least} "
            f"(its 1x is one in {PARTS})",
            where=synthetic.location,
            fix="Give more images, or leave data out of --arms.",
        )
    if synthetic.images.dtype != np.uint8 and config.data.range is None:
        raise DataError(
            "the arm data copies a part of 16-bit images, which then say no range of their own",
            where=synthetic.location,
            fix="Set data.range, or leave data out of --arms.",
        )


def as_estimator_takes(images: NDArray[Any]) -> NDArray[Any]:
    """Stored pixels [N, H, W, C] as gray [N, 35, 55, 1]."""
    gray = convert_channels(images, "gray")
    if gray.shape[1:3] == (HEIGHT, WIDTH):
        return gray
    return np.stack([resize(image, HEIGHT, WIDTH) for image in gray])


def _refuse_shared(test: LabelledSet, name: str, images: ImageArray) -> None:
    known = _digests(as_estimator_takes(images.images))
    both = len(_digests(test.images.images) & known)
    if both:
        raise DataError(
            f"{both:,} test images are also in the {name} set: errors on them say nothing",
            where=f"{test.images.location}; {images.location}",
            fix="Test on images, and best on people, that training never sees.",
        )


def _digests(images: NDArray[Any]) -> set[bytes]:
    return {hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images}


def write_part(sets: Sets, parts: int, folder: Path) -> str:
    """The synthetic images of an arm that trains on a part, as an .npz file; its path.

    Their gaze and what else is one number an image go with them, for label matching.

    Raises:
        DiskError: it cannot be written.
    """
    path = folder / f"synthetic-1-of-{parts}.npz"
    rows = part_rows(len(sets.synthetic), parts)
    pitch, yaw = to_angles(sets.labelled.truth[rows]).T
    held: dict[str, Any] = {
        name: values[rows]
        for name, values in sets.synthetic.labels.items()
        if values.ndim == 1 and not name.startswith(("gaze", "pitch", "yaw"))
    }
    held |= {"images": sets.synthetic.images[rows], "pitch_rad": pitch, "yaw_rad": yaw}
    file = io.BytesIO()
    np.savez(file, **held)
    folder.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != file.getvalue():
        replace_file(path, file.getvalue())
    return str(path)
