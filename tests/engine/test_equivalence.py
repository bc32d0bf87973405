"""Backends train alike as far as rounding lets them, and read each other's checkpoints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from equivalence import (
    SLACK,
    Trial,
    compare,
    deviations,
    draw_arrays,
    excess,
    perturb,
    train_curves,
)
from tiny import tiny_config, tiny_images
from torch import Tensor

from simgan.engine.refiner import Refiner
from simgan.engine.refining.forward import from_unit
from simgan.engine.trainer import train
from simgan.kernels.dispatch import available_backends
from simgan.kernels.residual_block import native_kernel

if "cpp" not in available_backends("residual_block", "cpu"):
    pytest.skip("the native module is not built", allow_module_level=True)

TRIAL = Trial(steps=12, width=16, size=(24, 40), images=32, perturbed=2, window=4)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return compare(TRIAL, "cpp", lambda text: None)


def test_training_on_the_fused_backend_stays_within_the_spread_of_rounding(
    report: dict[str, Any],
) -> None:
    assert report["within"], report["excess"]
    assert report["losses"]["cpp"] != report["losses"]["reference"]
    assert any(value > 0 for run in report["perturbed_deviations"] for value in run["refiner_loss"])


@pytest.mark.parametrize("gradient", range(5))
def test_a_gradient_wrong_by_a_thousandth_leaves_the_spread(
    gradient: int, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = native_kernel.backward
    generator = torch.Generator().manual_seed(1)

    def wrong(*arguments: Any) -> tuple[Tensor, ...]:
        gradients = list(right(*arguments))
        exact = gradients[gradient]
        noise = torch.randn(exact.shape, generator=generator)
        gradients[gradient] = exact + 1e-3 * exact.abs().max() * noise
        return tuple(gradients)

    monkeypatch.setattr(native_kernel, "backward", wrong)
    curves = train_curves(TRIAL, draw_arrays(TRIAL), "cpp")
    found = deviations(curves, report["losses"]["reference"], TRIAL.window)
    assert excess(found, report["perturbed_deviations"]) > 5 * SLACK


def test_a_perturbed_refiner_has_every_weight_moved_by_one_last_place() -> None:
    torch.manual_seed(2)
    refiner = Refiner(width=4, blocks=1)
    before = [weight.clone() for weight in refiner.parameters()]
    perturb(refiner, 3)
    for old, new in zip(before, refiner.parameters(), strict=True):
        apart = new.detach().view(torch.int32) - old.view(torch.int32)
        assert torch.equal(apart.abs(), torch.ones_like(apart))


@pytest.mark.parametrize("trained_on", ["reference", "cpp"])
def test_a_checkpoint_refines_alike_on_every_backend(tmp_path: Path, trained_on: str) -> None:
    config = tiny_config(tmp_path, width=16, blocks=2, backend=trained_on)
    run = train(config).run
    stored = torch.from_numpy(tiny_images(64, seed=9)).permute(0, 3, 1, 2)
    x = stored.float() / 127.5 - 1
    with torch.inference_mode():
        truth = Refiner.load(run, backend="reference").double()(x.double())
        plain, fused = (Refiner.load(run, backend=name)(x) for name in ("reference", "cpp"))
    # The rule of the op's own tests: twice plain torch's error, and twelve last places for the
    # transforms (of [-1, 1]).
    bound = 2 * (plain - truth).abs().max() + 12 * torch.finfo(torch.float32).eps
    assert 0 < (fused - truth).abs().max() <= bound

    images = [from_unit(y, (0.0, 255.0), np.dtype(np.uint8)).int() for y in (plain, fused)]
    apart = (images[0] - images[1]).abs()
    assert images[0].unique().numel() > 20
    # Two values at most 2 `bound` apart, 127.5 gray values a unit, have a rounding border between
    # them in at most that share of pixels; twice that leaves room for chance.
    assert apart.max() <= 1
    assert apart.float().mean() <= 4 * 127.5 * bound
