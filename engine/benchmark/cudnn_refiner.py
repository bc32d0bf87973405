"""The strongest cheap baseline of refining on a GPU: cuDNN's fused bias, skip and relu."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simgan.engine.benchmark.baseline import PlainRefiner


class CudnnRefiner(nn.Module):
    """R forward with one cuDNN call per convolution; its weights are copies, in one dtype.

    Shapes: [N, C, H, W] -> [N, C, H, W] in `dtype`, channels_last.

    Args:
        plain: whose weights are copied.
        dtype: to compute in.
    """

    def __init__(self, plain: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        assert isinstance(plain, PlainRefiner)
        copied = PlainRefiner(plain.config, plain.channels).to(plain.conv_in.weight.device, dtype)
        copied.load_state_dict(plain.state_dict())
        self.plain = copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        x = _convolution_relu(self.plain.conv_in, x)
        for block in self.plain.blocks:
            x = _convolution_add_relu(block.conv2, _convolution_relu(block.conv1, x), x)
        conv = self.plain.conv_out
        x = F.conv2d(x, conv.weight, conv.bias)
        return torch.tanh(x) if self.plain.tanh else x


def _convolution_relu(conv: nn.Conv2d, x: Tensor) -> Tensor:
    assert not isinstance(conv.padding, str)
    return torch.cudnn_convolution_relu(
        x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups
    )


def _convolution_add_relu(conv: nn.Conv2d, x: Tensor, skip: Tensor) -> Tensor:
    """relu(conv(x) + 1.0 * skip)"""
    assert not isinstance(conv.padding, str)
    return torch.cudnn_convolution_add_relu(
        x, conv.weight, skip, 1.0, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups
    )
