"""What a patch sees, measured by gradients; patches spread over pixels."""

import copy
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from simgan.engine.discriminator import Discriminator
from simgan.engine.reporting.patch_map import (
    LOOKS_REAL,
    LOOKS_REFINED,
    Field,
    opinions,
    paint,
    receptive_fields,
    spread,
)


def seen(network: Discriminator, size: tuple[int, int], row: int, column: int) -> np.ndarray:
    """Pixels that move one patch, bool [H, W].

    Positive weights let no influence cancel; a mean has the field of a maximum, but no winners.
    """
    averaged = copy.deepcopy(network).double()
    for parameter in averaged.parameters():
        torch.nn.init.ones_(parameter)
    for index, layer in enumerate(averaged.trunk):
        if isinstance(layer, nn.MaxPool2d):
            averaged.trunk[index] = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    image = torch.ones((1, 1, *size), dtype=torch.float64, requires_grad=True)
    averaged(image)[0, 0, row, column].backward()
    assert image.grad is not None
    return (image.grad[0, 0] != 0).numpy()


@pytest.mark.parametrize(
    ("layout", "size", "patch"),
    [("gaze", (35, 55), (4, 7)), ("gaze", (35, 55), (0, 13)), ("hand", (160, 160), (2, 2))],
    ids=["gaze-middle", "gaze-corner", "hand"],
)
def test_receptive_fields_are_where_gradients_are(
    layout: Literal["gaze", "hand"], size: tuple[int, int], patch: tuple[int, int]
) -> None:
    network = Discriminator(1, layout)
    touched = seen(network, size, *patch)
    for axis, field in enumerate(receptive_fields(network)):
        first = field.start + field.step * patch[axis]
        reach = np.flatnonzero(touched.any(axis=1 - axis))
        assert (reach[0], reach[-1]) == (max(first, 0), min(first + field.size, size[axis]) - 1)
        assert field.size == network.receptive_field


def test_a_global_decision_covers_the_whole_image() -> None:
    network = Discriminator(1, "gaze", "global", (35, 55))
    for field, side in zip(receptive_fields(network), (35, 55), strict=True):
        assert field.start <= 0 and field.start + field.size >= side
    found = spread(np.full((1, 1), 0.3), receptive_fields(network), (35, 55))
    assert found == pytest.approx(0.3)


def test_a_constant_map_stays_constant_and_one_patch_reaches_as_far_as_it_sees() -> None:
    fields = (Field(5, 3, -1), Field(5, 3, -1))
    assert spread(np.full((4, 4), 0.7), fields, (12, 12)) == pytest.approx(0.7)
    one = np.zeros((4, 4))
    one[1, 2] = 1
    found = spread(one, fields, (12, 12))
    rows, columns = np.nonzero(found)
    assert (rows.min(), rows.max()) == (2, 6) and (columns.min(), columns.max()) == (5, 9)
    assert np.unravel_index(found.argmax(), found.shape) == (4, 7), "the middle of its field"


def test_a_planted_artefact_is_where_the_map_is_hottest() -> None:
    fields = receptive_fields(Discriminator())
    patches = np.random.default_rng(0).uniform(0.2, 0.4, (9, 14))
    patches[3:5, 9:11] = 0.95
    found = spread(patches, fields, (35, 55))
    middle = [f.start + f.step * (p + 0.5) + (f.size - 1) / 2 for f, p in zip(fields, (3, 9))]  # noqa: B905
    hottest = np.argwhere(found >= np.quantile(found, 0.99))
    assert np.abs(hottest - middle).max() < 4, "the top 1 % lie within a patch of it"


def test_pixels_that_no_patch_sees_are_gray() -> None:
    found = spread(np.ones((1, 1)), (Field(3, 1, 0), Field(3, 1, 0)), (5, 5))
    assert np.isnan(found[4, 4]) and found[1, 1] == 1
    colors = paint(found)
    assert tuple(colors[4, 4]) == (128, 128, 128) and tuple(colors[1, 1]) == LOOKS_REFINED
    assert tuple(paint(np.zeros((1, 1)))[0, 0]) == LOOKS_REAL
    assert tuple(paint(np.full((1, 1), 0.5))[0, 0]) == (255, 255, 255)


def test_opinions_are_probabilities_of_refined() -> None:
    network = Discriminator()
    for parameter in network.head.parameters():
        torch.nn.init.zeros_(parameter)
    assert network.head.bias is not None
    with torch.no_grad():
        network.head.bias[1] = np.log(3.0)
    found = opinions(network, torch.rand(2, 1, 35, 55))
    assert found.shape == (2, 9, 14)
    assert found == pytest.approx(0.75, abs=1e-6)
