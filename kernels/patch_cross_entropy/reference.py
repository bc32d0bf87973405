"""Patch cross-entropy in plain torch: the definition of the op, for any device; float64 allowed."""

import torch
from torch import Tensor

from simgan.kernels.arguments import accumulation_dtype

REAL = 0
REFINED = 1


def margin(logits: Tensor, target: int) -> Tensor:
    """How far the wrong class is above the right one, [N, h, w], in the accumulation dtype."""
    wide = logits.to(accumulation_dtype(logits))
    return wide.select(1, 1 - target) - wide.select(1, target)


def forward(logits: Tensor, target: int) -> Tensor:
    """Sum over patches and mean over images of -log softmax(logits)[target]."""
    margins = margin(logits, target)
    # -log softmax of two classes is softplus(margin); this form loses nothing at either end.
    loss = margins.clamp(min=0) + torch.log1p(torch.exp(-margins.abs()))
    return loss.sum() / logits.shape[0]


def backward(grad: Tensor, logits: Tensor, target: int) -> Tensor:
    """Gradient by the logits, with the strides of `torch.empty_like(logits)`."""
    slope = torch.sigmoid(margin(logits, target)) * (grad / logits.shape[0])
    grad_logits = torch.empty_like(logits)
    grad_logits.select(1, 1 - target).copy_(slope)
    grad_logits.select(1, target).copy_(slope.neg_())
    return grad_logits
