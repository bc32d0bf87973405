"""The cuDNN baseline computes the refiner; here with cuDNN's calls replaced by what they mean."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from simgan.engine.benchmark.baseline import PlainRefiner
from simgan.engine.benchmark.cudnn_refiner import CudnnRefiner
from simgan.engine.config import train_config


def convolution_relu(x: Tensor, w: Tensor, b: Tensor, *how: Any) -> Tensor:
    return F.relu(F.conv2d(x, w, b, *how))


def convolution_add_relu(
    x: Tensor, w: Tensor, z: Tensor, alpha: float, b: Tensor, *how: Any
) -> Tensor:
    return F.relu(F.conv2d(x, w, b, *how) + alpha * z)


@pytest.mark.parametrize("activation", ["tanh", "none"])
def test_cudnn_refiner_is_the_plain_refiner(
    monkeypatch: pytest.MonkeyPatch, activation: str
) -> None:
    monkeypatch.setattr(torch, "cudnn_convolution_relu", convolution_relu)
    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", convolution_add_relu)
    config = train_config(
        {"preset": "gaze", "width": 4, "blocks": 2, "output_activation": activation}
    )
    plain = PlainRefiner(config, 1).double()
    fused = CudnnRefiner(plain, torch.float64)
    x = torch.rand(2, 1, 9, 7, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x))


def test_torch_has_cudnns_fused_calls_with_these_arguments() -> None:
    relu = str(torch.ops.aten.cudnn_convolution_relu.default._schema)
    add = str(torch.ops.aten.cudnn_convolution_add_relu.default._schema)
    tail = "SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor"
    assert f"(Tensor self, Tensor weight, Tensor? bias, {tail}" in relu
    assert f"(Tensor self, Tensor weight, Tensor z, Scalar? alpha, Tensor? bias, {tail}" in add
