"""Borders: what replicating them gives back, and which backends can."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from simgan.kernels import dispatch, residual_block, residual_trunk
from simgan.kernels.residual_block import block_limits
from simgan.kernels.residual_block.padding import convolve, fold_border


@pytest.fixture
def backends_run_anywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every backend is built and on its device: only the limits of the op are left."""
    monkeypatch.setattr(dispatch, "_problem", lambda *_: None)
    dispatch._cached_choice.cache_clear()
    yield
    dispatch._cached_choice.cache_clear()


def inputs(channels: int = 64) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
    torch.manual_seed(2)
    weight, bias = torch.randn(channels, channels, 3, 3) / 20, torch.randn(channels)
    return torch.randn(1, channels, 5, 4), (weight, bias, weight, bias)


@pytest.mark.parametrize("border", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 1), (3, 7)])
def test_a_folded_border_is_the_gradient_of_replicating_it(
    size: tuple[int, int], border: int
) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    padded = F.pad(x, (border,) * 4, mode="replicate")
    grad = torch.randn_like(padded)
    (expected,) = torch.autograd.grad(padded, x, grad)
    torch.testing.assert_close(fold_border(grad.clone(), border), expected, rtol=0, atol=1e-13)
    last = fold_border(grad.permute(0, 2, 3, 1).clone(), border, (1, 2))
    torch.testing.assert_close(last.permute(0, 3, 1, 2), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_convolution_of_a_constant_map_has_no_border(kernel: int) -> None:
    weight = torch.rand(2, 3, kernel, kernel, dtype=torch.float64)
    x = torch.full((1, 3, 4, 6), 0.5, dtype=torch.float64)
    expected = 0.5 * weight.sum((1, 2, 3)).view(1, 2, 1, 1).expand(1, 2, 4, 6)
    torch.testing.assert_close(convolve(x, weight, None, "replicate"), expected)
    zeros = convolve(x, weight, None, "zeros")
    assert (zeros[..., 0, :] < expected[..., 0, :]).all() == (kernel > 1)


def test_an_unknown_padding_is_refused_in_one_sentence() -> None:
    x, block = inputs()
    sentence = "padding must be one of zeros, replicate, got 'reflect'"
    with pytest.raises(ValueError, match=sentence):
        residual_block(x, *block, padding="reflect")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=sentence):
        residual_trunk(x, [block], padding="reflect")  # type: ignore[arg-type]


def test_padding_with_zeros_limits_no_backend() -> None:
    assert block_limits(64, 3, 55) == {}
    assert set(block_limits(64, 3, 55, padding="replicate")) == {"cuda", "hopper"}


@pytest.mark.usefixtures("backends_run_anywhere")
@pytest.mark.parametrize("backend", ["cuda", "hopper"])
def test_a_backend_that_cannot_replicate_says_so(backend: str) -> None:
    x, block = inputs()
    sentence = f"asks for '{backend}', which cannot run residual_block here: it takes padding zeros"
    with pytest.raises(ValueError, match=sentence + ", got replicate"):
        residual_block(x, *block, padding="replicate", backend=backend)
    with pytest.raises(ValueError, match=sentence + ", got replicate"):
        residual_trunk(x, [block], padding="replicate", backend=backend)


@pytest.mark.usefixtures("backends_run_anywhere")
def test_the_automatic_choice_passes_over_what_cannot_replicate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(dispatch.AUTOMATIC, "cpu", ("hopper", "cuda", "reference"))
    x, block = inputs()
    found = residual_block(x, *block, padding="replicate")
    assert torch.equal(found, residual_block(x, *block, padding="replicate", backend="reference"))
    chain = residual_trunk(x, [block, block], padding="replicate")
    assert torch.equal(chain, residual_block(found, *block, padding="replicate"))
