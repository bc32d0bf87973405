"""The spread of the real labels, guessed from what an estimator says of the unlabelled images.

An estimator's errors blur what it predicts and draw it to the mean of its training set. So
predictions are compared with predictions, as in black-box shift estimation (Lipton, Wang and Smola,
2018): each half of the synthetic set is predicted by an estimator that was trained on the other
half, and so are the real images. Where synthetic and real images look alike to the estimator, both
densities are blurred alike; what the gap between the two kinds of images does to it remains.

Each round multiplies the weights by the ratio of the real predictions' density to that of the
weighted synthetic ones, which undoes the blur step by step (Richardson, 1972; Lucy, 1974). Its
estimators are trained on the set as matched so far, which takes the gap away that comes from
labels; what has lost its weight cannot come back by being predicted badly.
"""

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.batches import Order, copies
from simgan.engine.data.packing import ImageArray
from simgan.engine.errors import DataError
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze import to_angles
from simgan.engine.evaluation.gaze_estimator import HEIGHT, WIDTH
from simgan.engine.evaluation.training import Fit, Labelled, fit, looked_at, predict
from simgan.engine.label_matching.distribution import Values, density_ratio, wasserstein
from simgan.engine.observer import Observer
from simgan.engine.precision import Precision

ROUNDS = 3
SETTLED = 0.5  # degrees that the guess may move between rounds, in pitch and in yaw
LEAST = 100  # images of each set
SETTINGS = EvaluateConfig(size="small", steps=600, batch=64, validate_every=100)


class Estimated:
    """What estimation found.

    Attributes:
        weights: float64 [N] of the synthetic images.
        target: predicted (pitch, yaw) of the M real images by both estimators, degrees [2 M, 2].
        own: predicted (pitch, yaw) of the synthetic images, degrees [N, 2].
        rounds: that were made.
    """

    def __init__(self, weights: Values, target: Values, own: Values, rounds: int) -> None:
        self.weights, self.target, self.own, self.rounds = weights, target, own, rounds


def estimate(
    synthetic: ImageArray,
    truth: Values,
    real: ImageArray,
    seed: int,
    precision: Precision,
    observer: Observer,
) -> Estimated:
    """Weights of the synthetic images from predictions; the real images' labels are not looked at.

    Args:
        synthetic: gray images of 35x55.
        truth: their gaze vectors [N, 3].
        real: images alike.
        seed: of the estimators.
        precision: device and arithmetic.
        observer: is told of a phase per estimator.
    Raises:
        DataError: the images are not the estimator's, or too few.
    """
    _check(synthetic, real)
    halves = np.array_split(Order(len(synthetic), seed, "halves").epoch(0).numpy(), 2)
    weights = np.ones(len(synthetic))
    before: Values | None = None
    for number in range(1, ROUNDS + 1):
        own, following = np.empty((len(synthetic), 2)), np.empty(len(synthetic))
        theirs = []
        for half, other in (halves, halves[::-1]):
            training = Labelled(synthetic, truth, _repeated(half, weights))
            chooser = Labelled(synthetic, truth, other)
            observer.phase(f"estimator of labels, round {number}", SETTINGS.steps, 0)
            found = fit(training, chooser, SETTINGS, seed, precision, observer)
            own[other] = _angles(found, synthetic, other, precision)
            theirs.append(_angles(found, real, np.arange(len(real)), precision))
            following[other] = density_ratio(own[other], theirs[-1], weights[other])
        target, weights = np.concatenate(theirs), following
        if before is not None and _moved(before, target) < SETTLED:
            break
        before = target
    return Estimated(weights, target, own, number)


def _check(synthetic: ImageArray, real: ImageArray) -> None:
    for name, array in (("synthetic", synthetic), ("real", real)):
        if (array.height, array.width, array.channels) != (HEIGHT, WIDTH, 1):
            raise DataError(
                f"match_labels estimate: its estimator takes gray images of {HEIGHT}x{WIDTH}, the "
                f"{name} set has {array.height}x{array.width} with {array.channels} channels",
                fix="Give ranges, weights or a labelled set.",
            )
        if len(array) < LEAST:
            raise DataError(
                f"match_labels estimate: {len(array)} {name} images are too few, "
                f"at least {LEAST} are needed"
            )


def _repeated(rows: NDArray[np.int64], weights: Values) -> NDArray[np.int64]:
    """The rows, each as often as its weight says; as many as before."""
    return np.repeat(rows, copies(weights[rows], start=0.5))


def _angles(
    found: Fit, images: ImageArray, rows: NDArray[np.int64], precision: Precision
) -> Values:
    looked = looked_at(images, precision.device)
    predicted = predict(found.network, looked, rows, SETTINGS, precision)
    return np.degrees(to_angles(predicted))


def _moved(before: Values, now: Values) -> float:
    ones = np.ones(len(now))
    return max(wasserstein(before[:, d], ones, now[:, d], ones) for d in range(2))
