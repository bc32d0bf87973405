"""Triton kernels and launchers of the refiner's loss, one launch each way; they compute in float32.

Checked in the interpreter only, not on a GPU yet.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from simgan.kernels.layout import in_same_order, map_layout
from simgan.kernels.patch_cross_entropy.reference import REAL
from simgan.kernels.patch_cross_entropy.triton_kernel import load_margin, patch_offsets, softplus
from simgan.kernels.refiner_loss.reference import Losses, new_gradients
from simgan.kernels.tickets import ticket

_BLOCK = 1024


@triton.jit
def _add_realism(
    logits_ptr,  # [N, 2, h, w]
    slopes_ptr,  # [N, 2, h, w]
    patches,
    images,
    rows,
    columns,
    s_n,
    s_c,
    s_h,
    s_w,
    g_n,
    g_c,
    g_h,
    g_w,
    NEED_SLOPES: tl.constexpr,
    REAL: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Sum of softplus over this program's patches; their gradients on the way."""
    i_patch = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i_patch < patches
    margin = load_margin(logits_ptr, i_patch, mask, rows, columns, s_n, s_c, s_h, s_w, REAL)
    e = tl.exp(-tl.abs(margin))
    if NEED_SLOPES:
        slope = tl.where(margin > 0, 1.0, e) / (1.0 + e) / images
        offset = patch_offsets(i_patch, rows, columns, g_n, g_h, g_w)
        tl.store(slopes_ptr + offset + (1 - REAL) * g_c, slope, mask=mask)
        tl.store(slopes_ptr + offset + REAL * g_c, -slope, mask=mask)
    return tl.sum(tl.where(mask, softplus(margin, e), 0.0), 0)


@triton.jit
def _add_regularization(
    refined_ptr,  # [count]
    target_ptr,  # [count]
    signs_ptr,  # [count]
    i_program,
    count,
    NEED_SIGNS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Sum of |refined - target| over this program's numbers; the signs on the way."""
    i = i_program.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < count
    refined = tl.load(refined_ptr + i, mask=mask, other=0.0).to(tl.float32)
    difference = refined - tl.load(target_ptr + i, mask=mask, other=0.0).to(tl.float32)
    if NEED_SIGNS:
        sign = (difference > 0).to(tl.int8) - (difference < 0).to(tl.int8)
        tl.store(signs_ptr + i, sign, mask=mask)
    return tl.sum(tl.abs(difference), 0)


@triton.jit
def refiner_loss_fwd_kernel(
    logits_ptr,  # [N, 2, h, w]
    refined_ptr,  # [count]
    target_ptr,  # [count]
    total_ptr,  # [1]
    realism_ptr,  # [1]
    regularization_ptr,  # [1]
    slopes_ptr,  # [N, 2, h, w]
    signs_ptr,  # [count]
    partials_ptr,  # [programs]
    ticket_ptr,  # [1], 0 before and after
    lambda_reg,
    patches,
    count,
    patch_programs,
    images,
    rows,
    columns,
    s_n,
    s_c,
    s_h,
    s_w,
    g_n,
    g_c,
    g_h,
    g_w,
    NEED_SLOPES: tl.constexpr,
    NEED_SIGNS: tl.constexpr,
    REAL: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Programs i < patch_programs take patches, the others numbers; the last one adds all sums."""
    program, programs = tl.program_id(0), tl.num_programs(0)
    if program < patch_programs:
        partial = _add_realism(
            *(logits_ptr, slopes_ptr, patches, images, rows, columns),
            *(s_n, s_c, s_h, s_w, g_n, g_c, g_h, g_w),
            *(NEED_SLOPES, REAL, BLOCK),
        )
    else:
        partial = _add_regularization(
            *(refined_ptr, target_ptr, signs_ptr, program - patch_programs, count),
            *(NEED_SIGNS, BLOCK),
        )
    tl.store(partials_ptr + program, partial)
    tl.debug_barrier()
    if tl.atomic_add(ticket_ptr, 1) == programs - 1:
        realism = tl.zeros((BLOCK,), tl.float32)
        regularization = tl.zeros((BLOCK,), tl.float32)
        for start in range(0, programs, BLOCK):
            i = start + tl.arange(0, BLOCK)
            # Other programs wrote them: not to be found in the cache of this one.
            p_partial = partials_ptr + i
            partials = tl.load(p_partial, mask=i < programs, other=0.0, cache_modifier=".cg")
            realism += tl.where(i < patch_programs, partials, 0.0)
            regularization += tl.where(i < patch_programs, 0.0, partials)
        mean_realism = tl.sum(realism, 0) / images
        mean_regularization = tl.sum(regularization, 0) / images
        tl.store(realism_ptr, mean_realism)
        tl.store(regularization_ptr, mean_regularization)
        tl.store(total_ptr, mean_realism + lambda_reg * mean_regularization)
        tl.store(ticket_ptr, 0)


@triton.jit
def refiner_loss_bwd_kernel(
    grad_ptr,  # [1]
    slopes_ptr,  # [slopes_count]
    signs_ptr,  # [signs_count]
    grad_logits_ptr,  # [slopes_count]
    grad_refined_ptr,  # [signs_count]
    scale,
    slopes_count,
    signs_count,
    slope_programs,
    BLOCK: tl.constexpr,
):
    program = tl.program_id(0)
    grad = tl.load(grad_ptr).to(tl.float32)
    if program < slope_programs:
        i = program.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        slopes = tl.load(slopes_ptr + i, mask=i < slopes_count)
        grad_logits = (slopes * grad).to(grad_logits_ptr.dtype.element_ty)
        tl.store(grad_logits_ptr + i, grad_logits, mask=i < slopes_count)
    else:
        i = (program - slope_programs).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        signs = tl.load(signs_ptr + i, mask=i < signs_count).to(tl.float32)
        grad_refined = (signs * (grad * scale)).to(grad_refined_ptr.dtype.element_ty)
        tl.store(grad_refined_ptr + i, grad_refined, mask=i < signs_count)


def forward(
    logits: Tensor, refined: Tensor, target: Tensor, lambda_reg: float, needs: list[bool]
) -> Losses:
    """Total, realism, regularization; then what `backward` scales, empty where `needs` is False."""
    slopes, signs = new_gradients(logits, refined, torch.float32, needs)
    total, realism, regularization = (
        torch.empty((), dtype=torch.float32, device=logits.device) for _ in range(3)
    )
    if needs[1]:
        refined, target, found = in_same_order(refined, target, signs)
    else:
        found = signs
        refined, target = in_same_order(refined, target)
    images, rows, columns, *strides = map_layout(logits)
    patches = images * rows * columns
    patch_programs = max(triton.cdiv(patches, _BLOCK), 1)
    programs = patch_programs + triton.cdiv(refined.numel(), _BLOCK)
    partials = torch.empty(programs, dtype=torch.float32, device=logits.device)
    refiner_loss_fwd_kernel[(programs,)](
        *(logits, refined, target, total, realism, regularization, slopes, found),
        *(partials, ticket(logits.device)),
        *(lambda_reg, patches, refined.numel(), patch_programs, images, rows, columns),
        *(*strides, *(map_layout(slopes)[3:] if needs[0] else strides)),
        NEED_SLOPES=needs[0],
        NEED_SIGNS=needs[1],
        REAL=REAL,
        BLOCK=_BLOCK,
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
    grad_logits = torch.empty_like(slopes, dtype=dtype_logits)
    grad_refined = torch.empty_like(signs, dtype=dtype_refined)
    slope_programs = triton.cdiv(slopes.numel(), _BLOCK)
    programs = slope_programs + triton.cdiv(signs.numel(), _BLOCK)
    if programs:
        refiner_loss_bwd_kernel[(programs,)](
            *(grad, slopes, signs, grad_logits, grad_refined),
            *(scale, slopes.numel(), signs.numel(), slope_programs),
            BLOCK=_BLOCK,
        )
    return grad_logits, grad_refined
