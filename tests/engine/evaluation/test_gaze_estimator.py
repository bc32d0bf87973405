"""The paper's estimator: its list of layers, its loss, and what it sees."""

import pytest
import torch
from scipy.stats import rankdata
from torch import nn

from simgan.engine.evaluation.gaze_estimator import (
    GazeEstimator,
    euclidean_loss,
    gaze_network,
    standardized,
)


def test_parameters_are_those_of_the_papers_list() -> None:
    convolutions = [(1, 32), (32, 32), (32, 64), (64, 80), (80, 192)]
    count = sum(9 * before * after + after for before, after in convolutions)
    count += 9600 * 1000 + 1000 + 1000 * 3 + 3
    found = sum(p.numel() for p in GazeEstimator().parameters())
    assert found == count == 9_816_659


@pytest.mark.parametrize(("size", "flat"), [("paper", 9600), ("small", 2400)])
def test_shapes_are_those_of_the_papers_list(size: str, flat: int) -> None:
    network = GazeEstimator(size)
    assert network(torch.zeros(2, 1, 35, 55)).shape == (2, 3)
    assert network.hidden.in_features == flat


def test_it_computes_what_the_list_says() -> None:
    torch.manual_seed(0)
    network = GazeEstimator("small").double()
    c = list(network.convs)
    listed = nn.Sequential(
        c[0], nn.ReLU(), c[1], nn.ReLU(), c[2], nn.ReLU(), nn.MaxPool2d(3, 2),
        c[3], nn.ReLU(), c[4], nn.ReLU(), nn.MaxPool2d(2, 2), nn.Flatten(),
        network.hidden, nn.ReLU(), network.gaze,
    )  # fmt: skip
    x = torch.randn(3, 1, 35, 55, dtype=torch.float64)
    assert network(x).equal(listed(x))


def test_euclidean_loss_by_hand() -> None:
    predicted = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    true = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    assert euclidean_loss(predicted, true).item() == pytest.approx((9 + 1) / 2 / 2)


def test_standardized_images_have_mean_0_and_deviation_1() -> None:
    x = torch.rand(5, 1, 35, 55) * torch.tensor([0.1, 0.5, 1, 2, 2]).reshape(5, 1, 1, 1) - 1
    seen = standardized(x, "image")
    assert seen.mean((1, 2, 3)).abs().max() < 1e-5
    assert (seen.std((1, 2, 3), correction=0) - 1).abs().max() < 1e-5
    brighter = standardized(0.5 * x + 0.3, "image")
    assert torch.allclose(brighter, seen, atol=1e-4), "light and contrast do not matter"


def test_equalized_images_hold_the_ranks_of_their_pixels() -> None:
    x = torch.rand(3, 1, 35, 55, dtype=torch.float64)
    seen = standardized(x, "equalize")
    for image, found in zip(x.numpy(), seen.numpy(), strict=True):
        ranks = rankdata(image.ravel())
        assert found.ravel() == pytest.approx(3**0.5 * ((2 * ranks - 1) / 1925 - 1))
    darker = standardized(x**3 / 2, "equalize")
    assert torch.allclose(darker, seen), "no rising change of tones matters"
    assert standardized(torch.full((1, 1, 35, 55), 0.25), "equalize").abs().max() < 1e-6


def test_the_normalized_estimator_forgets_batches_when_it_predicts() -> None:
    torch.manual_seed(0)
    network = gaze_network("normalized").double()
    x = torch.randn(6, 1, 35, 55, dtype=torch.float64)
    network(x)
    network.eval()
    together = network(x)
    assert torch.allclose(together, torch.cat([network(one) for one in x.split(1)]))
    convs, norms = network.convs, network.norms
    listed = nn.Sequential(
        convs[0], norms[0], nn.ReLU(), nn.MaxPool2d(2),
        convs[1], norms[1], nn.ReLU(), nn.MaxPool2d(2),
        convs[2], norms[2], nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), network.hidden, nn.ReLU(), network.gaze,
    )  # fmt: skip
    assert together.equal(listed(x))


def test_an_empty_image_stays_empty_and_none_changes_nothing() -> None:
    assert standardized(torch.full((1, 1, 35, 55), 0.25), "image").abs().max() < 1e-3
    x = torch.rand(2, 1, 35, 55)
    assert standardized(x, "none") is x
