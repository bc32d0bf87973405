"""Random changes of training images: each against a loop, and what their draws depend on."""

import math

import numpy as np
import pytest
import torch

from simgan.engine.evaluation.augmentation import GAMMA, NOISE, Augmentation, roughened, shifted

CPU = torch.device("cpu")


def test_every_image_moves_by_its_own_offset_with_edges_repeated() -> None:
    x = torch.arange(60.0).reshape(3, 1, 4, 5)
    moved = shifted(x, torch.tensor([[0, 0], [1, -2], [-3, 9]]))
    assert moved.shape == x.shape and moved[0].equal(x[0])
    for row in range(4):
        for column in range(5):
            assert moved[1, 0, row, column] == x[1, 0, max(row - 1, 0), min(column + 2, 4)]
            assert moved[2, 0, row, column] == x[2, 0, min(row + 3, 3), 0]


def test_gamma_then_blur_then_noise_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((2, 1, 4, 5), generator=generator, dtype=torch.float64) * 2 - 1
    noise = torch.randn((2, 1, 4, 5), generator=generator, dtype=torch.float64) / 10
    gamma = torch.tensor([0.5, 2.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    blur = torch.tensor([1.0, 0.25], dtype=torch.float64).reshape(2, 1, 1, 1)
    found = roughened(x, gamma, blur, noise)
    for n, (exponent, share) in enumerate(((0.5, 1.0), (2.0, 0.25))):
        bright = np.pad(((x[n, 0].numpy() + 1) / 2) ** exponent, 1, mode="edge")
        for row in range(4):
            for column in range(5):
                mean = bright[row : row + 3, column : column + 3].mean()
                value = (1 - share) * bright[row + 1, column + 1] + share * mean
                wanted = 2 * (value + noise[n, 0, row, column].item()) - 1
                assert found[n, 0, row, column].item() == pytest.approx(wanted)


def test_nothing_asked_is_nothing_changed() -> None:
    x = torch.rand(2, 1, 35, 55)
    assert Augmentation(0, 0.0, 0, CPU)(x) is x


def test_draws_depend_on_the_seed_and_the_turn_alone() -> None:
    x, y = torch.rand(2, 4, 1, 35, 55)
    first, second, other = (Augmentation(3, 1.0, seed, CPU) for seed in (0, 0, 1))
    a, b = first(x), first(x)
    second(y)
    assert second(x).equal(b) and not a.equal(b)
    assert not other(x).equal(a)


def test_jitter_scales_gamma_blur_and_noise() -> None:
    """A flat gray image shows gamma in its mean and noise in its deviation."""
    gray = torch.zeros(4000, 1, 8, 8)
    for jitter in (0.5, 1.0):
        bright = (Augmentation(0, jitter, 0, CPU)(gray) + 1) / 2
        exponent = torch.log(bright.mean((1, 2, 3))) / math.log(0.5)
        steep = 1.65**jitter
        # Noise moves the mean of 64 pixels by at most 0.06 / 8, about 3 % of the logarithm.
        assert 1 / steep * 0.9 < exponent.min() < 1 / steep * 1.1
        assert steep * 0.9 < exponent.max() < steep * 1.1
        deviation = bright.std((1, 2, 3))
        assert 0.9 * NOISE * jitter < deviation.max() < 1.4 * NOISE * jitter
        assert deviation.mean() == pytest.approx(NOISE * jitter / 2, rel=0.05)
    assert pytest.approx(1.65) == math.exp(GAMMA)
