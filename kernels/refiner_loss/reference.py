"""The refiner's loss in plain torch: the definition of the op, for any device; float64 allowed."""

import torch
from torch import Tensor

from simgan.kernels.arguments import accumulation_dtype
from simgan.kernels.patch_cross_entropy.reference import REAL, margin

Losses = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def forward(
    logits: Tensor, refined: Tensor, target: Tensor, lambda_reg: float, needs: list[bool]
) -> Losses:
    """Total, realism, regularization; then what `backward` scales, empty where `needs` is False.

    The fourth is the gradient of the total by the logits, in the dtype of the loss; the fifth the
    sign of refined - target, int8.
    """
    images = logits.shape[0]
    dtype = accumulation_dtype(logits, refined, target)
    margins = margin(logits, REAL).to(dtype)
    # -log softmax of two classes is softplus(margin); this form loses nothing at either end.
    losses = margins.clamp(min=0) + torch.log1p(torch.exp(-margins.abs()))
    realism = losses.sum() / images
    difference = refined.to(dtype) - target.to(dtype)
    regularization = difference.abs().sum() / images
    slopes, signs = new_gradients(logits, refined, dtype, needs)
    if needs[0]:
        slope = torch.sigmoid(margins) / images
        slopes.select(1, 1 - REAL).copy_(slope)
        slopes.select(1, REAL).copy_(slope.neg_())
    if needs[1]:
        signs.copy_(difference.sign_())
    return realism + lambda_reg * regularization, realism, regularization, slopes, signs


def backward(
    grad: Tensor,
    slopes: Tensor,
    signs: Tensor,
    scale: float,
    dtype_logits: torch.dtype,
    dtype_refined: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Gradients by logits and refined in their dtypes: grad * slopes and grad * scale * signs."""
    grad_logits = torch.empty_like(slopes, dtype=dtype_logits)
    grad_refined = torch.empty_like(signs, dtype=dtype_refined)
    torch.mul(slopes, grad, out=grad_logits)
    torch.mul(signs, grad * scale, out=grad_refined)
    return grad_logits, grad_refined


def new_gradients(
    logits: Tensor, refined: Tensor, dtype: torch.dtype, needs: list[bool]
) -> tuple[Tensor, Tensor]:
    """Memory for `slopes` and `signs`, laid out as logits and refined; empty if not needed."""
    return (
        torch.empty_like(logits, dtype=dtype) if needs[0] else logits.new_empty(0, dtype=dtype),
        torch.empty_like(refined, dtype=torch.int8)
        if needs[1]
        else refined.new_empty(0, dtype=torch.int8),
    )
