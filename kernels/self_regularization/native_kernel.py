"""Hands self-regularization to the native launchers of csrc/cpu and csrc/cuda; float32 only."""

import torch
from torch import Tensor

from simgan.kernels.layout import in_same_order
from simgan.kernels.native import launchers


def forward(refined: Tensor, synthetic: Tensor) -> Tensor:
    """Sum over everything but dim 0 and mean over dim 0 of |refined - synthetic|."""
    refined, synthetic = in_same_order(refined, synthetic)
    loss = torch.empty((), dtype=torch.float32, device=refined.device)
    call = (refined.data_ptr(), synthetic.data_ptr(), refined.numel(), refined.shape[0])
    if refined.device.type == "cpu":
        launchers().self_regularization_forward_cpu(*call, loss.data_ptr())
        return loss
    with torch.cuda.device(refined.device):
        partials = loss.new_empty(launchers().partial_sums(refined.numel()))
        launchers().self_regularization_forward_cuda(
            *call, partials.data_ptr(), loss.data_ptr(), torch.cuda.current_stream().cuda_stream
        )
    return loss


def backward(grad: Tensor, refined: Tensor, synthetic: Tensor) -> Tensor:
    """Gradient by `refined`, 0 where both are equal; strides of `torch.empty_like(refined)`."""
    grad_refined = torch.empty_like(refined)
    refined, synthetic, target = in_same_order(refined, synthetic, grad_refined)
    call = (
        *(grad.data_ptr(), refined.data_ptr(), synthetic.data_ptr()),
        *(refined.numel(), refined.shape[0], target.data_ptr()),
    )
    if refined.device.type == "cpu":
        launchers().self_regularization_backward_cpu(*call)
    else:
        with torch.cuda.device(refined.device):
            launchers().self_regularization_backward_cuda(
                *call, torch.cuda.current_stream().cuda_stream
            )
    return grad_refined if target is grad_refined else grad_refined.copy_(target)
