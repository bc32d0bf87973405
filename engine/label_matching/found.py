"""What label matching found: weights, and the labels that they come from."""

from dataclasses import dataclass
from typing import Any

from simgan.engine.label_matching.distribution import Values


@dataclass(frozen=True)
class LabelMatch:
    """How often each synthetic image is drawn.

    Attributes:
        weights: float64 [N], mean 1.
        report: plain values: what was asked for, both distributions, how many images count.
        names: of the labels that were compared, D; none for weights of a file without gaze.
        values: of the synthetic images [N, D].
        target: of the real images [M, D]; None for ranges and weights.
    """

    weights: Values
    report: dict[str, Any]
    names: tuple[str, ...]
    values: Values
    target: Values | None


@dataclass(frozen=True)
class Found:
    """One way's findings, before they are checked and reported.

    Attributes:
        weights: [N], of any mean.
        names, values, target: as of `LabelMatch`.
        description: of the labels that `values` are.
        rounds: of estimation.
        truth: the synthetic labels [N, D], where `values` are predictions of them.
    """

    weights: Values
    names: tuple[str, ...]
    values: Values
    target: Values | None
    description: str
    rounds: int = 0
    truth: Values | None = None
