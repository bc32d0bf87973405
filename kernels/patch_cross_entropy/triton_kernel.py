"""Triton kernels and launchers of patch cross-entropy; they compute in float32.

Checked in the interpreter only, not on a GPU yet.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from simgan.kernels.layout import map_layout

_BLOCK = 1024


@triton.jit
def patch_offsets(i_patch, rows, columns, s_n, s_h, s_w):
    """Offset in elements of patch i, counted over images, rows and columns."""
    i_row = i_patch // columns
    i_image = i_row // rows
    return i_image * s_n + (i_row - i_image * rows) * s_h + (i_patch - i_row * columns) * s_w


@triton.jit
def load_margin(logits_ptr, i_patch, mask, rows, columns, s_n, s_c, s_h, s_w, TARGET: tl.constexpr):
    """How far the wrong class is above the right one; 0 where masked."""
    offset = patch_offsets(i_patch, rows, columns, s_n, s_h, s_w)
    wrong = tl.load(logits_ptr + offset + (1 - TARGET) * s_c, mask=mask, other=0.0)
    right = tl.load(logits_ptr + offset + TARGET * s_c, mask=mask, other=0.0)
    return wrong.to(tl.float32) - right.to(tl.float32)


@triton.jit
def softplus(margin, e):
    """log(1 + exp(margin)), given e = exp(-|margin|)."""
    # log(1 + e) as 2 atanh(e / (2 + e)): keeps its relative precision where e is small.
    s = e / (2.0 + e)
    q = s * s
    series = 1.0 / 15.0
    series = series * q + 1.0 / 13.0
    series = series * q + 1.0 / 11.0
    series = series * q + 1.0 / 9.0
    series = series * q + 1.0 / 7.0
    series = series * q + 1.0 / 5.0
    series = series * q + 1.0 / 3.0
    series = series * q + 1.0
    return tl.maximum(margin, 0.0) + 2.0 * s * series


@triton.jit
def patch_cross_entropy_fwd_kernel(
    logits_ptr,  # [N, 2, h, w]
    partials_ptr,  # [programs]
    count,
    rows,
    columns,
    s_n,
    s_c,
    s_h,
    s_w,
    TARGET: tl.constexpr,
    BLOCK: tl.constexpr,
):
    i_patch = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i_patch < count
    margin = load_margin(logits_ptr, i_patch, mask, rows, columns, s_n, s_c, s_h, s_w, TARGET)
    loss = softplus(margin, tl.exp(-tl.abs(margin)))
    tl.store(partials_ptr + tl.program_id(0), tl.sum(tl.where(mask, loss, 0.0), 0))


@triton.jit
def patch_cross_entropy_bwd_kernel(
    grad_ptr,  # [1]
    logits_ptr,  # [N, 2, h, w]
    grad_logits_ptr,  # [N, 2, h, w]
    count,
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
    TARGET: tl.constexpr,
    BLOCK: tl.constexpr,
):
    i_patch = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i_patch < count
    margin = load_margin(logits_ptr, i_patch, mask, rows, columns, s_n, s_c, s_h, s_w, TARGET)
    e = tl.exp(-tl.abs(margin))
    scale = tl.load(grad_ptr).to(tl.float32) / images
    slope = (tl.where(margin > 0, 1.0, e) / (1.0 + e) * scale).to(grad_logits_ptr.dtype.element_ty)
    offset = patch_offsets(i_patch, rows, columns, g_n, g_h, g_w)
    tl.store(grad_logits_ptr + offset + (1 - TARGET) * g_c, slope, mask=mask)
    tl.store(grad_logits_ptr + offset + TARGET * g_c, -slope, mask=mask)


def forward(logits: Tensor, target: int) -> Tensor:
    """Sum over patches and mean over images of -log softmax(logits)[target]."""
    images, rows, columns, *strides = map_layout(logits)
    count = images * rows * columns
    partials = torch.empty(triton.cdiv(count, _BLOCK), dtype=torch.float32, device=logits.device)
    if count:
        patch_cross_entropy_fwd_kernel[(partials.shape[0],)](
            logits, partials, count, rows, columns, *strides, TARGET=target, BLOCK=_BLOCK
        )
    # A second sum instead of atomics: the same bits every time.
    return partials.sum() / images


def backward(grad: Tensor, logits: Tensor, target: int) -> Tensor:
    """Gradient by the logits, with the strides of `torch.empty_like(logits)`."""
    grad_logits = torch.empty_like(logits)
    images, rows, columns, *strides = map_layout(logits)
    count = images * rows * columns
    if count:
        patch_cross_entropy_bwd_kernel[(triton.cdiv(count, _BLOCK),)](
            *(grad, logits, grad_logits, count, images, rows, columns),
            *(*strides, *map_layout(grad_logits)[3:]),
            TARGET=target,
            BLOCK=_BLOCK,
        )
    return grad_logits
