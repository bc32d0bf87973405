"""The classifier test: can a fresh discriminator tell two sets apart that it has not seen?

Lopez-Paz and Oquab, "Revisiting classifier two-sample tests" (arXiv 1610.06545). The discriminator
of the run is no judge: the refiner was trained against it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.data.batches import Order
from simgan.engine.discriminator import Discriminator, Layout
from simgan.engine.errors import DivergedError
from simgan.engine.evaluation import student_t
from simgan.engine.evaluation.binomial import clopper_pearson
from simgan.engine.evaluation.realism.images import Images
from simgan.engine.losses import discriminator_loss
from simgan.kernels import REAL, REFINED


@dataclass(frozen=True)
class Training:
    """How a fresh discriminator is trained.

    Attributes:
        layout: of the discriminator.
        steps: updates of Adam.
        batch: images of each set in an update.
        lr: constant learning rate.
    """

    layout: Layout = "gaze"
    steps: int = 300
    batch: int = 32
    lr: float = 1e-3


@dataclass(frozen=True)
class Halves:
    """Both sets, parted into what is trained on and what is tested on; classes are equally large.

    Attributes:
        refined, real: trained on.
        refined_test, real_test: tested on, as many.
    """

    refined: Images
    real: Images
    refined_test: Images
    real_test: Images


@dataclass(frozen=True)
class Answers:
    """What one fresh discriminator makes of the images that it has not seen.

    Attributes:
        patch_accuracy: share of patches that it gets right.
        scores: [2 n], log odds of REFINED, mean over the patches of an image; n refined images,
            then n real ones.
    """

    patch_accuracy: float
    scores: NDArray[np.float64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """[2 n], whether it is right about each image."""
        return right(self.scores)


def right(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether scores [2 n] of n refined images, then n real ones, are on the right side of 0."""
    half = len(scores) // 2
    return np.concatenate((scores[:half] > 0, scores[half:] <= 0))


def halves(refined: Images, real: Images, seed: int) -> Halves:
    """Part both sets at random; of the larger one, as many images as of the other take part."""
    count = min(len(refined), len(real)) // 2
    parts = []
    for images, name in ((refined, "refined"), (real, "real")):
        order = Order(len(images), seed, f"halves/{name}").epoch(0)
        parts.append((images.some(order[:count]), images.some(order[count : 2 * count])))
    return Halves(parts[0][0], parts[1][0], parts[0][1], parts[1][1])


def ask(
    parts: Halves, training: Training, seed: int, between: Callable[[], None] = lambda: None
) -> Answers:
    """Train a fresh discriminator on one half of both sets and ask it about the other.

    Weights and batches depend on the seed alone; no other random state is touched.

    Args:
        parts: of both sets.
        training: how to train.
        seed: of weights and batches.
        between: is called before every update; what it raises ends the training.
    Raises:
        DivergedError: the discriminator became non-finite.
    """
    device = parts.real.stored.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Discriminator(parts.real.shape[0], training.layout)
    network.map_size(parts.real.shape[1:])
    network.to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=training.lr, fused=True)
    orders = [
        Order(len(images), seed, name)
        for images, name in ((parts.refined, "refined"), (parts.real, "real"))
    ]
    for step in range(training.steps):
        between()
        x = torch.cat(
            [
                images.unit(order.slice(step * training.batch, training.batch).to(device))
                for images, order in zip((parts.refined, parts.real), orders, strict=True)
            ]
        )
        refined, real = torch.split(network(x), training.batch)
        optimizer.zero_grad(set_to_none=True)
        discriminator_loss(refined, real).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return _tested(network, parts)


def _tested(network: Discriminator, parts: Halves) -> Answers:
    shares, scores = [], []
    for images, target in ((parts.refined_test, REFINED), (parts.real_test, REAL)):
        odds = _log_odds(network, images)
        said_refined = odds > 0
        shares.append((said_refined if target == REFINED else ~said_refined).double().mean())
        scores.append(odds.double().mean(dim=(1, 2)))
    found: NDArray[np.float64] = torch.cat(scores).cpu().numpy()
    if not np.isfinite(found).all():
        raise DivergedError("the fresh discriminator became non-finite", fix="Lower --lr.")
    return Answers(float(torch.stack(shares).mean()), found)


def _log_odds(network: Discriminator, images: Images) -> Tensor:
    """Of REFINED, [N, h, w]."""
    with torch.no_grad():
        logits = torch.cat([network(images.unit(part)) for part in images.chunks()])
    return logits[:, REFINED] - logits[:, REAL]


@dataclass(frozen=True)
class ClassifierTest:
    """The test with several fresh discriminators; 0.5 is chance, and ideal.

    Attributes:
        patch_accuracy: mean over discriminators.
        patch_low, patch_high: Student's t interval over them; NaN for one.
        image_accuracy: of their mean scores, one verdict for each image.
        image_low, image_high: exact binomial interval of it over the test images.
        tested: images of each set that were tested on.
        seeds: (seed, patch accuracy, image accuracy) of each discriminator.
    """

    patch_accuracy: float
    patch_low: float
    patch_high: float
    image_accuracy: float
    image_low: float
    image_high: float
    tested: int
    seeds: list[tuple[int, float, float]]


def summarize(
    answers: Sequence[Answers], seeds: Sequence[int], confidence: float
) -> ClassifierTest:
    """One result of several discriminators that were asked about the same images."""
    patches = np.array([its.patch_accuracy for its in answers])
    mean, half = float(patches.mean()), math.nan
    if len(patches) > 1:
        error = float(patches.std(ddof=1)) / math.sqrt(len(patches))
        half = error * student_t.quantile(confidence, len(patches) - 1)
    verdicts = right(np.mean([its.scores for its in answers], axis=0))
    low, high = clopper_pearson(int(verdicts.sum()), len(verdicts), confidence)
    return ClassifierTest(
        patch_accuracy=mean,
        patch_low=mean - half,
        patch_high=mean + half,
        image_accuracy=float(verdicts.mean()),
        image_low=low,
        image_high=high,
        tested=len(verdicts) // 2,
        seeds=[
            (seed, its.patch_accuracy, float(its.right.mean()))
            for seed, its in zip(seeds, answers, strict=True)
        ],
    )
