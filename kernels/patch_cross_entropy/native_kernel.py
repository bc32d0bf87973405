"""Hands patch cross-entropy to the native launchers of csrc/cpu and csrc/cuda; float32 only."""

import torch
from torch import Tensor

from simgan.kernels.layout import map_layout
from simgan.kernels.native import launchers


def forward(logits: Tensor, target: int) -> Tensor:
    """Sum over patches and mean over images of -log softmax(logits)[target]."""
    loss = torch.empty((), dtype=torch.float32, device=logits.device)
    call = (logits.data_ptr(), map_layout(logits), target)
    if logits.device.type == "cpu":
        launchers().patch_cross_entropy_forward_cpu(*call, loss.data_ptr())
        return loss
    with torch.cuda.device(logits.device):
        partials = loss.new_empty(launchers().partial_sums(logits.numel() // 2))
        launchers().patch_cross_entropy_forward_cuda(
            *call, partials.data_ptr(), loss.data_ptr(), torch.cuda.current_stream().cuda_stream
        )
    return loss


def backward(grad: Tensor, logits: Tensor, target: int) -> Tensor:
    """Gradient by the logits, with the strides of `torch.empty_like(logits)`."""
    grad_logits = torch.empty_like(logits)
    call = (
        grad.data_ptr(),
        *(logits.data_ptr(), map_layout(logits), target),
        *(grad_logits.data_ptr(), map_layout(grad_logits)),
    )
    if logits.device.type == "cpu":
        launchers().patch_cross_entropy_backward_cpu(*call)
        return grad_logits
    with torch.cuda.device(logits.device):
        launchers().patch_cross_entropy_backward_cuda(
            *call, torch.cuda.current_stream().cuda_stream
        )
    return grad_logits
