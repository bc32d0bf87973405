"""Hands the refiner's loss to the native launchers of csrc/cpu and csrc/cuda; float32 only."""

import torch
from torch import Tensor

from simgan.kernels.layout import in_same_order, map_layout
from simgan.kernels.native import launchers
from simgan.kernels.refiner_loss.reference import Losses, new_gradients
from simgan.kernels.tickets import ticket


def forward(
    logits: Tensor, refined: Tensor, target: Tensor, lambda_reg: float, needs: list[bool]
) -> Losses:
    """Total, realism, regularization; then what `backward` scales, empty where `needs` is False."""
    slopes, signs = new_gradients(logits, refined, torch.float32, needs)
    total, realism, regularization = (logits.new_empty(()) for _ in range(3))
    if needs[1]:
        refined, target, found = in_same_order(refined, target, signs)
    else:
        found = signs
        refined, target = in_same_order(refined, target)
    call = (
        (logits.data_ptr(), refined.data_ptr(), target.data_ptr()),
        map_layout(logits),
        refined.numel(),
        lambda_reg,
        (
            *(total.data_ptr(), realism.data_ptr(), regularization.data_ptr()),
            *(slopes.data_ptr() if needs[0] else 0, found.data_ptr() if needs[1] else 0),
        ),
        map_layout(slopes if needs[0] else logits),
    )
    if logits.device.type == "cpu":
        launchers().refiner_loss_forward_cpu(*call)
    else:
        with torch.cuda.device(logits.device):
            count = launchers().refiner_loss_partials(logits.numel() // 2, refined.numel())
            partials = total.new_empty(count)
            launchers().refiner_loss_forward_cuda(
                *call,
                partials.data_ptr(),
                ticket(logits.device).data_ptr(),
                torch.cuda.current_stream().cuda_stream,
            )
    return total, realism, regularization, slopes, signs if found is signs else signs.copy_(found)


def backward(
    grad: Tensor,
    slopes: Tensor,
    signs: Tensor,
    scale: float,
    dtype_logits: torch.dtype,
    dtype_refined: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Gradients by logits and refined: grad * slopes and grad * scale * signs."""
    grad_logits = torch.empty_like(slopes)
    grad_refined = torch.empty_like(signs, dtype=torch.float32)
    call = (
        grad.data_ptr(),
        *(slopes.data_ptr(), slopes.numel(), grad_logits.data_ptr()),
        *(signs.data_ptr(), signs.numel(), scale, grad_refined.data_ptr()),
    )
    if grad.device.type == "cpu":
        launchers().refiner_loss_backward_cpu(*call)
    else:
        with torch.cuda.device(grad.device):
            launchers().refiner_loss_backward_cuda(*call, torch.cuda.current_stream().cuda_stream)
    return grad_logits, grad_refined
