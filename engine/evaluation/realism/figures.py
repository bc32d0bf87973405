"""The figures by which a run can stop: refined images in, a number out that should be small.

All of them keep their own random generators, fixed by the seed of the run: the same images, halves
and first weights at every look, so that looks differ by the refiner alone.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from simgan.engine.config import TrainConfig
from simgan.engine.data.packing import ImageArray
from simgan.engine.data.sources import open_source
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.config import EvaluateConfig, evaluate_config, parse_label_unit
from simgan.engine.evaluation.gaze import Vectors
from simgan.engine.evaluation.gaze_estimator import HEIGHT, WIDTH
from simgan.engine.evaluation.gaze_labels import read_gaze
from simgan.engine.evaluation.labelled_set import LabelledSet, load_set
from simgan.engine.evaluation.realism import classifier
from simgan.engine.evaluation.realism.features import Scale, extract, random_features
from simgan.engine.evaluation.realism.images import LEAST, Images, random_rows, sample
from simgan.engine.evaluation.realism.kernel_distance import kernel_distance
from simgan.engine.evaluation.training import Labelled, fit
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.precision import Precision

Between = Callable[[], None]  # called often; what it raises ends a look
CHANCE = 0.5
SAMPLE_SEED = 0x100C  # keeps the sample apart from what other generators of the seed draw
TASK_BATCH = 64


class Figure(Protocol):
    """What a look measures.

    Attributes:
        synthetic: the sample that is refined for it.
    """

    synthetic: Images

    def measure(self, refined: Images, between: Between) -> tuple[float, dict[str, float]]:
        """The number to be made small, and what belongs into the metrics.

        Args:
            refined: `synthetic`, refined (or as it is).
            between: see `Between`.
        """


def build_figure(
    config: TrainConfig,
    synthetic: ImageArray,
    real: ImageArray,
    precision: Precision,
    observer: Observer,
    weights: NDArray[np.float64] | None = None,
) -> Figure | None:
    """The figure that `stop_on` names, over a fixed sample of `stop_images` images of both sets.

    None for "none".

    Args:
        config, synthetic, real, precision: of the run.
        observer: is told of the labelled real set.
        weights: [N] of the synthetic images, of label matching; the sample follows them.

    Raises:
        ConfigError, DataError: a set is too small, or has not the labels or size of the task.
    """
    if config.stop_on == "none":
        return None
    for name, array in (("synthetic", synthetic), ("real", real)):
        if len(array) < LEAST:
            raise ConfigError(
                f"stop_on {config.stop_on} needs at least {LEAST} {name} images, "
                f"{array.location} has {len(array):,}"
            )
    seed = config.seed ^ SAMPLE_SEED
    rows = random_rows(len(synthetic), config.stop_images, seed, weights)
    if len(rows) < LEAST:
        raise ConfigError(
            f"stop_on {config.stop_on} needs at least {LEAST} synthetic images, "
            f"label matching leaves {len(rows):,}"
        )
    drawn = sample(synthetic, rows, precision.device)
    if config.stop_on == "task":
        gaze = _gaze(config, synthetic)[rows.numpy()]
        return TaskFigure(config, drawn, gaze, precision, observer)
    seen = sample(real, random_rows(len(real), config.stop_images, seed + 1), precision.device)
    if config.stop_on == "kid":
        return KernelFigure(drawn, seen)
    return ClassifierFigure(config, drawn, seen)


class KernelFigure:
    """Kernel distance to the real sample, on features of fixed random filters."""

    def __init__(self, synthetic: Images, real: Images) -> None:
        self.synthetic = synthetic
        self._extractor = random_features(real.shape[0], real.stored.device)
        features = extract(real, self._extractor)
        self._scale = Scale.of(features)
        self._real = self._scale(features)

    def measure(self, refined: Images, between: Between) -> tuple[float, dict[str, float]]:
        """KID and its interval."""
        between()
        features = self._scale(extract(refined, self._extractor))
        found = kernel_distance(features, self._real)
        return found.value, {"kid": found.value, "kid_low": found.low, "kid_high": found.high}


class ClassifierFigure:
    """Per-patch accuracy of a fresh discriminator on the halves that it has not seen."""

    def __init__(self, config: TrainConfig, synthetic: Images, real: Images) -> None:
        self.synthetic = synthetic
        self._real = real
        self._seed = config.seed
        self._training = classifier.Training(config.discriminator, config.stop_steps)

    def measure(self, refined: Images, between: Between) -> tuple[float, dict[str, float]]:
        """Accuracy from 0 to 1; below chance counts as chance."""
        parts = classifier.halves(refined, self._real, self._seed)
        answers = classifier.ask(parts, self._training, self._seed, between)
        metrics = {
            "classifier": answers.patch_accuracy,
            "classifier_images": float(answers.right.mean()),
        }
        return max(answers.patch_accuracy, CHANCE), metrics


class TaskFigure:
    """Error on a labelled real set of a small gaze estimator that was trained on refined images."""

    def __init__(
        self,
        config: TrainConfig,
        synthetic: Images,
        gaze: Vectors,
        precision: Precision,
        observer: Observer,
    ) -> None:
        self.synthetic = synthetic
        self._gaze = gaze
        self._seed = config.seed
        self._precision = Precision(precision.device)
        self._settings = _settings(config)
        known = _validation(config, self._settings, observer)
        self._validation = Labelled(known.images, known.truth, np.arange(len(known)))

    def measure(self, refined: Images, between: Between) -> tuple[float, dict[str, float]]:
        """Mean angular error in degrees after `stop_steps` updates."""
        training = Labelled(_array(refined), self._gaze, np.arange(len(refined)))
        listener = _Listener(between)
        found = fit(
            training, self._validation, self._settings, self._seed, self._precision, listener
        )
        return found.validation_error, {"task": found.validation_error}


class _Listener(SilentObserver):
    """Lets a signal end a training at its signs of life."""

    def __init__(self, between: Between) -> None:
        self._between = between

    def tick(self, metrics: dict[str, float]) -> None:
        self._between()


def _settings(config: TrainConfig) -> EvaluateConfig:
    """Of an estimator that is judged once, after its last update."""
    return evaluate_config(
        {
            "size": "small",
            "steps": config.stop_steps,
            "batch": TASK_BATCH,
            "validate_every": config.stop_steps,
            "label_unit": config.stop_label_unit,
        }
    )


def _validation(config: TrainConfig, settings: EvaluateConfig, observer: Observer) -> LabelledSet:
    assert config.stop_task_set is not None
    return load_set(config.stop_task_set, "validation", "validation", settings, observer)


def _gaze(config: TrainConfig, synthetic: ImageArray) -> Vectors:
    """Unit vectors of all synthetic images of a run."""
    shape = (synthetic.channels, synthetic.height, synthetic.width)
    if shape != (1, HEIGHT, WIDTH):
        raise ConfigError(
            f"stop_on task needs gray images of {HEIGHT}x{WIDTH}, these are "
            f"{'x'.join(map(str, shape))} (channels x height x width)",
            fix=f"Add --data-size {HEIGHT}x{WIDTH} --data-channels gray.",
        )
    units = parse_label_unit(config.stop_label_unit)
    assert config.synthetic is not None
    try:
        labels = read_gaze(
            synthetic.labels,
            format=synthetic.format,
            key=getattr(open_source(config.synthetic, config.data), "key", None),
            unit=units.get("synthetic", units.get("")),
        )
    except DataError as error:
        where = f"synthetic: {synthetic.location}"
        raise DataError(f"stop_on task: {error.what}", where=where, fix=error.fix) from error
    return labels.vectors


def _array(images: Images) -> ImageArray:
    stored: NDArray[np.generic] = images.stored.cpu().numpy()
    if images.stored.dtype != torch.uint8:
        stored = stored.view(np.uint16)
    return ImageArray(stored, images.names, {}, images.value_range, "", "", "a look")
