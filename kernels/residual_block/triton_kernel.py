"""Triton kernels and launchers of the residual block: implicit GEMM over channels_last maps.

Checked in the interpreter only, not on a GPU yet. Known risk to check there first: the loop over
taps with `//` and `%` was miscompiled at 8 warps in a related kernel (pytorch issue 173068), so the
launches stay at 4 warps.
"""

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from simgan.kernels.layout import memory_format
from simgan.kernels.residual_block.padding import REPLICATE, ZEROS, fold_border

_WARPS = 4
_SPLITS = 64  # of the sum over pixels in the weight gradient


@triton.jit
def _places(start, i_pixel, pixels, height, width):
    """Row and column of pixels start + i in their image, and whether they exist.

    Only `start` is 64 bits wide: 64-bit places of a whole tile took twice the registers.
    """
    in_image = (start % (height * width)).to(tl.int32) + i_pixel
    return in_image // width % height, in_image % width, i_pixel < pixels - start


@triton.jit
def _seen(i_row, i_column, exists, dy, dx, height, width, NEAREST: tl.constexpr):
    """How many pixels further the one under a tap lies, and whether it is there.

    Beyond the border there is the nearest pixel if NEAREST, else none.
    """
    row, column = i_row + dy, i_column + dx
    if NEAREST:
        row = tl.minimum(tl.maximum(row, 0), height - 1)
        column = tl.minimum(tl.maximum(column, 0), width - 1)
        further = (row - i_row) * width + column - i_column
        inside = exists
    else:
        further = dy * width + dx
        inside = (row >= 0) & (row < height) & exists & (column >= 0) & (column < width)
    return further, inside


@triton.jit
def residual_block_conv_kernel(
    x_ptr,  # [pixels, C], pixels = N * H * W
    weight_ptr,  # [K * K, C, C]: tap, in, out
    bias_ptr,  # [C]
    extra_ptr,  # [pixels, C]: added if ADD, or the map whose positive places are kept if KEEP
    y_ptr,  # [pixels, C]
    pixels,
    height,
    width,
    C: tl.constexpr,
    K: tl.constexpr,
    ADD: tl.constexpr,
    KEEP: tl.constexpr,
    RELU: tl.constexpr,
    NEAREST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """y = [relu](conv(x) + bias [+ extra] [where extra > 0])."""
    start = tl.program_id(0).to(tl.int64) * BLOCK
    i_pixel = tl.arange(0, BLOCK)
    i_channel = tl.arange(0, C)
    i_row, i_column, exists = _places(start, i_pixel, pixels, height, width)
    x_ptr, extra_ptr, y_ptr = x_ptr + start * C, extra_ptr + start * C, y_ptr + start * C
    total = tl.zeros((BLOCK, C), tl.float32)
    for tap in tl.range(0, K * K, num_stages=3):
        dy = tap // K - K // 2
        dx = tap % K - K // 2
        further, inside = _seen(i_row, i_column, exists, dy, dx, height, width, NEAREST)
        p_x = x_ptr + (i_pixel + further)[:, None] * C + i_channel[None, :]
        b_x = tl.load(p_x, mask=inside[:, None], other=0.0)
        p_weight = weight_ptr + tap * C * C + i_channel[:, None] * C + i_channel[None, :]
        total = tl.dot(b_x, tl.load(p_weight), total, input_precision="ieee")
    total += tl.load(bias_ptr + i_channel).to(tl.float32)[None, :]
    offset = i_pixel[:, None] * C + i_channel[None, :]
    mask = exists[:, None]
    if ADD:
        total += tl.load(extra_ptr + offset, mask=mask, other=0.0).to(tl.float32)
    if KEEP:
        total = tl.where(tl.load(extra_ptr + offset, mask=mask, other=0.0) <= 0.0, 0.0, total)
    if RELU:
        # `where`, not `maximum`: a NaN must stay one.
        total = tl.where(total < 0.0, 0.0, total)
    tl.store(y_ptr + offset, total.to(y_ptr.dtype.element_ty), mask=mask)


@triton.jit
def residual_block_weight_kernel(
    x_ptr,  # [pixels, C]
    grad_ptr,  # [pixels, C]
    partials_ptr,  # [splits, K * K, C, C]: split, tap, in, out
    pixels,
    height,
    width,
    span,
    C: tl.constexpr,
    K: tl.constexpr,
    NEAREST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """partials[split, tap] = x shifted by the tap, transposed, times grad, over `span` pixels."""
    tap = tl.program_id(1)
    dy = tap // K - K // 2
    dx = tap % K - K // 2
    i_channel = tl.arange(0, C)
    start = tl.program_id(0).to(tl.int64) * span
    i_pixel = tl.arange(0, BLOCK)
    x_ptr, grad_ptr = x_ptr + start * C, grad_ptr + start * C
    total = tl.zeros((C, C), tl.float32)
    for step in tl.range(0, span, BLOCK, num_stages=3):
        i_row, i_column, exists = _places(start, step + i_pixel, pixels, height, width)
        further, inside = _seen(i_row, i_column, exists, dy, dx, height, width, NEAREST)
        p_x = x_ptr + (i_pixel + further)[:, None] * C + i_channel[None, :]
        b_x = tl.load(p_x, mask=inside[:, None], other=0.0)
        p_grad = grad_ptr + i_pixel[:, None] * C + i_channel[None, :]
        b_grad = tl.load(p_grad, mask=exists[:, None], other=0.0)
        x_ptr += BLOCK * C
        grad_ptr += BLOCK * C
        total = tl.dot(tl.trans(b_x), b_grad, total, input_precision="ieee")
    i_split = tl.program_id(0).to(tl.int64) * K * K + tap
    offset = i_channel[:, None] * C + i_channel[None, :]
    tl.store(partials_ptr + i_split * C * C + offset, total)


def forward(
    x: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    keep_hidden: bool = True,
    padding: str = ZEROS,
) -> tuple[Tensor, Tensor]:
    """The block's output and its hidden map (after the first relu), both [N, C, H, W].

    Without `keep_hidden` an empty tensor takes the place of the hidden map.
    """
    layout = memory_format(x, weight1)
    x_last = _last(x)
    nearest = padding == REPLICATE
    hidden = _convolve(x_last, _taps(weight1), bias1, RELU=True, NEAREST=nearest)
    output = _convolve(
        hidden, _taps(weight2), bias2, extra=x_last, ADD=True, RELU=True, NEAREST=nearest
    )
    return _first(output, layout), _first(hidden, layout) if keep_hidden else x.new_empty(0)


def backward(
    grad: Tensor,
    x: Tensor,
    hidden: Tensor,
    output: Tensor,
    weight1: Tensor,
    weight2: Tensor,
    needs: list[bool],
    padding: str = ZEROS,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients by x, weight1, bias1, weight2, bias2; an empty tensor where `needs` is False."""
    need_x, need_weight1, need_bias1, need_weight2, need_bias2 = needs
    nearest = padding == REPLICATE
    gradients = [x.new_empty(0) for _ in needs]
    skip = _last(torch.ops.aten.threshold_backward(grad, output, 0))
    hidden_last = _last(hidden)
    if need_weight2:
        gradients[3] = _weight_gradient(hidden_last, skip, weight2, nearest)
    if need_bias2:
        gradients[4] = skip.sum((0, 1, 2))
    if need_x or need_weight1 or need_bias1:
        grad_hidden = _by_image(skip, weight2, hidden_last, nearest, KEEP=True)
        if need_weight1:
            gradients[1] = _weight_gradient(_last(x), grad_hidden, weight1, nearest)
        if need_bias1:
            gradients[2] = grad_hidden.sum((0, 1, 2))
        if need_x:
            grad_x = _by_image(grad_hidden, weight1, skip, nearest, ADD=True)
            gradients[0] = _first(grad_x, memory_format(x, weight1))
    grad_x, grad_weight1, grad_bias1, grad_weight2, grad_bias2 = gradients
    return grad_x, grad_weight1, grad_bias1, grad_weight2, grad_bias2


def _last(maps: Tensor) -> Tensor:
    """[N, C, H, W] as gapless [N, H, W, C]; free for channels_last maps."""
    return maps.permute(0, 2, 3, 1).contiguous()


def _first(maps: Tensor, layout: torch.memory_format) -> Tensor:
    """[N, H, W, C] as [N, C, H, W] in `layout`; free for channels_last."""
    return maps.permute(0, 3, 1, 2).contiguous(memory_format=layout)


def _taps(weight: Tensor, *, transposed: bool = False) -> Tensor:
    """[out, in, k, k] as [k * k, in, out]; transposed: of the convolution that is its gradient."""
    if transposed:
        weight = weight.flip(2, 3).transpose(0, 1)
    channels = weight.shape[0]
    return weight.permute(2, 3, 1, 0).reshape(-1, channels, channels).contiguous()


def _by_image(
    grad: Tensor,
    weight: Tensor,
    extra: Tensor,
    nearest: bool,
    *,
    ADD: bool = False,
    KEEP: bool = False,
) -> Tensor:
    """The gradient of a convolution by its image, plus `extra` or where `extra` is positive."""
    taps = _taps(weight, transposed=True)
    no_bias = torch.zeros(weight.shape[0], dtype=torch.float32, device=weight.device)
    if not nearest:
        return _convolve(grad, taps, no_bias, extra=extra, ADD=ADD, KEEP=KEEP)
    border = weight.shape[-1] // 2
    around = _convolve(F.pad(grad, (0, 0, *[border] * 4)), taps, no_bias)
    folded = fold_border(around, border, (1, 2)).contiguous()
    return folded.add_(extra) if ADD else torch.ops.aten.threshold_backward(folded, extra, 0)


def _convolve(
    x: Tensor,
    taps: Tensor,
    bias: Tensor,
    *,
    extra: Tensor | None = None,
    ADD: bool = False,
    KEEP: bool = False,
    RELU: bool = False,
    NEAREST: bool = False,
) -> Tensor:
    images, height, width, channels = x.shape
    pixels = images * height * width
    y = torch.empty_like(x)
    block = 128 if x.element_size() == 2 else 32  # float32 tiles would spill registers
    residual_block_conv_kernel[(triton.cdiv(pixels, block),)](
        *(x, taps, bias, x if extra is None else extra, y, pixels, height, width),
        C=channels,
        K=round(taps.shape[0] ** 0.5),
        ADD=ADD,
        KEEP=KEEP,
        RELU=RELU,
        NEAREST=NEAREST,
        BLOCK=block,
        num_warps=_WARPS,
    )
    return y


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor, nearest: bool) -> Tensor:
    images, height, width, channels = x.shape
    pixels = images * height * width
    size = weight.shape[-1]
    block = 64 if x.element_size() == 2 else 16
    splits = min(_SPLITS, triton.cdiv(pixels, block))
    span = triton.cdiv(triton.cdiv(pixels, splits), block) * block
    partials = torch.empty(
        (splits, size * size, channels, channels), dtype=torch.float32, device=x.device
    )
    residual_block_weight_kernel[(splits, size * size)](
        *(x, grad, partials, pixels, height, width, span),
        C=channels,
        K=size,
        NEAREST=nearest,
        BLOCK=block,
        num_warps=_WARPS,
    )
    # A second sum instead of atomics: the same bits every time.
    taps = partials.sum(0).reshape(size, size, channels, channels)
    gradient = taps.permute(3, 2, 0, 1).to(weight.dtype)
    return gradient.contiguous(memory_format=memory_format(weight))
