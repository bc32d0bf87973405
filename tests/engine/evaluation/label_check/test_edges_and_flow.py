"""Edges and optical flow against images whose motion is known."""

import numpy as np
import pytest
import torch
from moved_eyes import fourier_shifted

from simgan.engine.data.sources import open_source
from simgan.engine.evaluation.label_check.edges import edge_agreement
from simgan.engine.evaluation.label_check.flow import flow_quantiles


def eyes(kind: str = "camera", count: int = 12) -> np.ndarray:
    source = open_source(f"procedural:{kind}?count={count}&seed=3")
    return np.stack([source.read(index) for index in range(count)])[..., 0].astype(np.float32) / 255


def test_edges_of_equal_images_agree_and_of_strangers_do_not() -> None:
    images = torch.from_numpy(eyes())
    correlation, overlap = edge_agreement(images, images)
    assert correlation == pytest.approx(1) and overlap == pytest.approx(1)
    correlation, overlap = edge_agreement(images, 0.2 + 0.5 * images)
    assert correlation == pytest.approx(1) and overlap == pytest.approx(1, abs=0.02)
    noise = torch.from_numpy(np.random.default_rng(0).random((2, 200, 35, 55)))
    correlation, overlap = edge_agreement(*noise)
    # Of two independent tenths a hundredth is in both and 19 are in either.
    assert correlation.mean() == pytest.approx(0, abs=0.02)
    assert overlap.mean() == pytest.approx(1 / 19, abs=0.02)


def test_the_further_edges_move_the_less_they_agree() -> None:
    images = eyes()
    moved = [fourier_shifted(images, size, 0) for size in (0.25, 0.5, 1, 2, 4)]
    agreement = [edge_agreement(torch.from_numpy(images), torch.from_numpy(m)) for m in moved]
    for values in zip(*agreement, strict=True):
        medians = [np.median(value) for value in values]
        assert medians == sorted(medians, reverse=True) and medians[-1] < 0.5 * medians[0]


def test_an_empty_image_agrees_with_nothing() -> None:
    images = torch.from_numpy(eyes())
    correlation, overlap = edge_agreement(images, torch.zeros_like(images))
    assert (correlation == 0).all() and (overlap == 0).all()


def test_the_flow_of_a_shift_is_its_length_everywhere() -> None:
    pytest.importorskip("skimage")
    images = eyes()
    for size in (1.0, 2.0):
        moved = fourier_shifted(images, 0.8 * size, -0.6 * size)
        found = flow_quantiles(torch.from_numpy(images), torch.from_numpy(moved).float())
        assert np.median(found[:, 0]) == pytest.approx(size, abs=0.1)
        assert np.median(found[:, 1]) == pytest.approx(size, abs=0.2)


def test_another_contrast_is_no_motion() -> None:
    pytest.importorskip("skimage")
    images = torch.from_numpy(eyes())
    done: list[int] = []
    found = flow_quantiles(images, 0.1 + 0.7 * images**1.6, done.append)
    # Measured over 25 eyes: 0.05, 0.22 and 0.38 px, pooled over pixels.
    assert np.median(found, axis=0) == pytest.approx(0, abs=0.4)
    assert np.median(found[:, 0]) < 0.1
    assert flow_quantiles(images, images) == pytest.approx(0, abs=1e-6)
    assert done == list(range(1, 13))
