"""Triton kernels and launchers of self-regularization; they compute in float32.

Checked in the interpreter only, not on a GPU yet.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from simgan.kernels.layout import in_same_order

_BLOCK = 1024


@triton.jit
def self_regularization_fwd_kernel(
    refined_ptr,  # [count]
    synthetic_ptr,  # [count]
    partials_ptr,  # [programs]
    count,
    BLOCK: tl.constexpr,
):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < count
    refined = tl.load(refined_ptr + i, mask=mask, other=0.0).to(tl.float32)
    synthetic = tl.load(synthetic_ptr + i, mask=mask, other=0.0).to(tl.float32)
    tl.store(partials_ptr + tl.program_id(0), tl.sum(tl.abs(refined - synthetic), 0))


@triton.jit
def self_regularization_bwd_kernel(
    grad_ptr,  # [1]
    refined_ptr,  # [count]
    synthetic_ptr,  # [count]
    grad_refined_ptr,  # [count]
    count,
    images,
    BLOCK: tl.constexpr,
):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < count
    refined = tl.load(refined_ptr + i, mask=mask, other=0.0).to(tl.float32)
    synthetic = tl.load(synthetic_ptr + i, mask=mask, other=0.0).to(tl.float32)
    difference = refined - synthetic
    scale = tl.load(grad_ptr).to(tl.float32) / images
    slope = tl.where(difference > 0, scale, tl.where(difference < 0, -scale, 0.0))
    tl.store(grad_refined_ptr + i, slope.to(grad_refined_ptr.dtype.element_ty), mask=mask)


def forward(refined: Tensor, synthetic: Tensor) -> Tensor:
    """Sum over everything but dim 0 and mean over dim 0 of |refined - synthetic|."""
    refined, synthetic = in_same_order(refined, synthetic)
    count = refined.numel()
    partials = torch.empty(triton.cdiv(count, _BLOCK), dtype=torch.float32, device=refined.device)
    if count:
        self_regularization_fwd_kernel[(partials.shape[0],)](
            refined, synthetic, partials, count, BLOCK=_BLOCK
        )
    # A second sum instead of atomics: the same bits every time.
    return partials.sum() / refined.shape[0]


def backward(grad: Tensor, refined: Tensor, synthetic: Tensor) -> Tensor:
    """Gradient by `refined`, 0 where both are equal; strides of `torch.empty_like(refined)`."""
    grad_refined = torch.empty_like(refined)
    refined, synthetic, target = in_same_order(refined, synthetic, grad_refined)
    count = refined.numel()
    if count:
        self_regularization_bwd_kernel[(triton.cdiv(count, _BLOCK),)](
            grad, refined, synthetic, target, count, refined.shape[0], BLOCK=_BLOCK
        )
    return grad_refined if target is grad_refined else grad_refined.copy_(target)
