"""The residual block: its definition, what it keeps, and which gradients it calculates."""

import gc
from typing import Any

import pytest
import torch
from op_cases import DEVICE, plain_block
from torch import Tensor

from simgan.kernels import residual_block
from simgan.kernels.residual_block import Padding
from simgan.kernels.residual_block.padding import PADDINGS


def block_inputs(dtype: torch.dtype = torch.float32, channels: int = 3) -> list[Tensor]:
    torch.manual_seed(5)
    shape = (channels, channels, 3, 3)
    tensors = (
        torch.randn(2, channels, 4, 5),
        *(torch.randn(shape) / 4, torch.randn(channels)),
        *(torch.randn(shape) / 4, torch.randn(channels)),
    )
    return [tensor.to(DEVICE, dtype) for tensor in tensors]


def convolution_by_hand(x: Tensor, weight: Tensor, bias: Tensor, padding: Padding) -> Tensor:
    """One output element at a time; pixels outside the image are 0 or the nearest inside."""
    images, _, height, width = x.shape
    result = torch.zeros_like(x)
    for n in range(images):
        for k in range(weight.shape[0]):
            for i in range(height):
                for j in range(width):
                    total = bias[k].clone()
                    for dy in range(3):
                        for dx in range(3):
                            y, z = i + dy - 1, j + dx - 1
                            if padding == "replicate":
                                y, z = min(max(y, 0), height - 1), min(max(z, 0), width - 1)
                            if 0 <= y < height and 0 <= z < width:
                                total += (x[n, :, y, z] * weight[k, :, dy, dx]).sum()
                    result[n, k, i, j] = total
    return result


@pytest.mark.parametrize("padding", PADDINGS)
def test_reference_equals_the_definition_written_by_hand(padding: Padding) -> None:
    x, weight1, bias1, weight2, bias2 = block_inputs(torch.float64)
    hidden = convolution_by_hand(x, weight1, bias1, padding).clamp(min=0)
    expected = (convolution_by_hand(hidden, weight2, bias2, padding) + x).clamp(min=0)
    ours = residual_block(x, weight1, bias1, weight2, bias2, padding=padding, backend="reference")
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    assert (ours == 0).any() and (ours > 0).any()


def test_the_inputs_stay_as_they_are() -> None:
    inputs = block_inputs()
    before = [tensor.clone() for tensor in inputs]
    residual_block(*inputs)
    assert all(torch.equal(one, other) for one, other in zip(inputs, before, strict=True))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "asked", [(0,), (1,), (2,), (3,), (4,), (1, 2, 3, 4), (0, 3), (0, 1, 2, 3, 4)]
)
def test_each_subset_of_gradients_equals_plain_torch(
    asked: tuple[int, ...], padding: Padding
) -> None:
    inputs = block_inputs(torch.float64)
    for index in asked:
        inputs[index].requires_grad_()
    wanted = [inputs[index] for index in asked]
    expected = torch.autograd.grad(plain_block(inputs, padding).square().sum(), wanted)
    result = residual_block(*inputs, padding=padding)
    ours = torch.autograd.grad(result.square().sum(), wanted)
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_frozen_weights_cost_no_weight_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    masks: list[list[bool]] = []
    plain = torch.ops.aten.convolution_backward

    def watched(*arguments: Any) -> Any:
        masks.append(arguments[-1])
        return plain(*arguments)

    monkeypatch.setattr(torch.ops.aten, "convolution_backward", watched)
    inputs = block_inputs()
    inputs[0].requires_grad_()
    residual_block(*inputs, backend="reference").sum().backward()
    assert masks == [[True, False, False], [True, False, False]]


def test_without_gradients_the_hidden_map_is_not_kept() -> None:
    inputs = block_inputs(channels=4)
    inputs[1].requires_grad_()

    def maps_alive() -> int:
        gc.collect()
        return sum(
            1 for thing in gc.get_objects() if type(thing) is Tensor and thing.shape == (2, 4, 4, 5)
        )

    before = maps_alive()
    with torch.no_grad():
        output = residual_block(*inputs)
    assert maps_alive() == before + 1
    assert output.grad_fn is None


@pytest.mark.parametrize("last", ["x", "weights"])
def test_output_and_gradient_are_channels_last_if_an_input_is(last: str) -> None:
    x, weight1, bias1, weight2, bias2 = block_inputs()
    if last == "x":
        x = x.contiguous(memory_format=torch.channels_last)
    else:
        weight1 = weight1.contiguous(memory_format=torch.channels_last)
        weight2 = weight2.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    output = residual_block(x, weight1, bias1, weight2, bias2)
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert not output.is_contiguous()
    (gradient,) = torch.autograd.grad(output.sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_autocast_runs_the_block_in_the_autocast_dtype() -> None:
    inputs = block_inputs()
    inputs[1].requires_grad_()
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        output = residual_block(*inputs)
    assert output.dtype == torch.bfloat16
    shortened = residual_block(*(tensor.bfloat16() for tensor in inputs))
    assert torch.equal(output, shortened)
    output.sum().backward()
    assert inputs[1].grad is not None
    assert inputs[1].grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (1, None, "weight1 must be a torch.Tensor, got NoneType"),
        (0, torch.zeros(3, 4, 5), "x must be [N, C, H, W] with no empty side, got (3, 4, 5)"),
        (
            1,
            torch.zeros(3, 4, 3, 3),
            "weight1 must be [C, C, k, k] with C = 3 channels of x and the same odd k in both, "
            "got (3, 4, 3, 3)",
        ),
        (
            3,
            torch.zeros(3, 3, 5, 5),
            "weight2 must be [C, C, k, k] with C = 3 channels of x and the same odd k in both, "
            "got (3, 3, 5, 5)",
        ),
        (2, torch.zeros(4), "bias1 must be [C] with C = 3 channels of x, got (4,)"),
        (
            4,
            torch.zeros(3, dtype=torch.float64),
            "bias2 must have the dtype of x, torch.float32, got torch.float64",
        ),
        (
            0,
            torch.zeros(2, 3, 4, 5, dtype=torch.uint8),
            "x must have one of the dtypes torch.float32, torch.bfloat16, torch.float16, "
            "torch.float64, got torch.uint8",
        ),
        (2, torch.zeros(3, device="meta"), "bias1 must be on the device of x, cpu, got meta"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(
    index: int, value: Tensor, message: str
) -> None:
    inputs = [tensor.cpu() for tensor in block_inputs()]
    inputs[index] = value
    with pytest.raises(ValueError) as caught:
        residual_block(*inputs)
    assert str(caught.value) == message


def test_even_kernels_are_refused() -> None:
    x, _, bias, _, _ = block_inputs()
    even = torch.zeros(3, 3, 2, 2, device=DEVICE)
    with pytest.raises(ValueError, match="the same odd k"):
        residual_block(x, even, bias, even, bias)
