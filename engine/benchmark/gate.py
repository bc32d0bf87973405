"""The correctness gate: no variant is timed whose results are wrong.

Truth is plain PyTorch in float64. A variant may be at most twice as far from it as plain PyTorch
is in the variant's own precision.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

FACTOR = 2.0
TINY = 16 * torch.finfo(torch.float32).eps  # where plain PyTorch happens to be exact


@dataclass(frozen=True)
class Verdict:
    """How far one variant is from the truth.

    Attributes:
        error: largest relative error (in the Euclidean norm) among the checked tensors.
        allowed: what it may be.
        worst: name of that tensor.
    """

    error: float
    allowed: float
    worst: str

    @property
    def green(self) -> bool:
        """Whether the variant may be timed."""
        return self.error <= self.allowed


def judge(
    results: Mapping[str, Mapping[str, Tensor]],
    truth: Mapping[str, Tensor],
    yardsticks: Iterable[str],
) -> dict[str, Verdict]:
    """Hold every variant against the truth.

    Args:
        results: variant to its named tensors.
        truth: the same names in float64.
        yardsticks: the variants that are plain eager PyTorch; the larger of their errors decides,
            tensor by tensor, what is allowed.
    """
    errors = {name: relative_errors(tensors, truth) for name, tensors in results.items()}
    plain = [errors[name] for name in yardsticks]
    allowed = {
        name: FACTOR * max((e[name] for e in plain if math.isfinite(e[name])), default=0.0) + TINY
        for name in truth
    }
    return {name: _verdict(error, allowed) for name, error in errors.items()}


def relative_errors(results: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> dict[str, float]:
    """|result - truth| / |truth| by tensor name; infinite where it is missing or not finite."""
    errors = {}
    for name, expected in truth.items():
        found = results.get(name)
        if found is None or found.shape != expected.shape:
            errors[name] = math.inf
            continue
        off = (found.detach().double() - expected.double()).norm()
        share = float(off / expected.double().norm().clamp_min(1e-300))
        errors[name] = share if math.isfinite(share) else math.inf
    return errors


def _verdict(errors: Mapping[str, float], allowed: Mapping[str, float]) -> Verdict:
    """The tensor that uses most of what it is allowed speaks for the variant."""
    worst = max(errors, key=lambda name: errors[name] / allowed[name])
    return Verdict(errors[worst], allowed[worst], worst)


def gradients(named: Iterable[tuple[str, Tensor]], prefix: str) -> dict[str, Tensor]:
    """Copies of the gradients of named parameters; those without one are left out."""
    return {
        f"{prefix}.{name}": parameter.grad.detach().clone()
        for name, parameter in named
        if parameter.grad is not None
    }
