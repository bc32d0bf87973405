"""The gate of the benchmark: what it forgives and what it does not."""

import math

import torch

from simgan.engine.benchmark.gate import IMAGE_ELEMENTS, relative_errors


def image_gradient() -> torch.Tensor:
    return torch.randn(2 * IMAGE_ELEMENTS, generator=torch.Generator().manual_seed(0))


def error(found: torch.Tensor, truth: torch.Tensor, name: str = "gradient 0") -> float:
    return relative_errors({name: found}, {name: truth.double()})[name]


def test_a_relu_that_rounding_opened_is_forgiven_in_the_gradient_of_images() -> None:
    truth = image_gradient()
    found = truth.clone()
    found[:600] += 1.0  # 0.3 % of the elements
    assert error(found, truth) < 1e-6


def test_one_percent_of_wrong_elements_is_not_forgiven() -> None:
    truth = image_gradient()
    found = truth.clone()
    found[: len(truth) // 100] += 1.0
    assert error(found, truth) > 0.01


def test_one_wrong_element_counts_in_outputs_and_in_gradients_of_parameters() -> None:
    truth = image_gradient()
    found = truth.clone()
    found[7] += 1.0
    assert error(found, truth, "output") > 1e-3
    few = truth[:1000].clone()
    few[7] += 1.0
    assert error(few, truth[:1000]) > 1e-3


def test_a_single_value_that_is_not_finite_counts_everywhere() -> None:
    truth = image_gradient()
    for bad in (math.nan, math.inf):
        found = truth.clone()
        found[7] = bad
        assert error(found, truth) == math.inf
