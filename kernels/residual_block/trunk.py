"""All residual blocks of the refiner in a row (paper, section 2.4)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from simgan.kernels.dispatch import CPP, HOPPER
from simgan.kernels.layout import memory_format
from simgan.kernels.residual_block import native_kernel
from simgan.kernels.residual_block.choice import backend_of_blocks
from simgan.kernels.residual_block.hopper import run_hopper
from simgan.kernels.residual_block.op import check_block, residual_block
from simgan.kernels.residual_block.padding import ZEROS, Padding, check_padding

Block = tuple[Tensor, Tensor, Tensor, Tensor]  # weight1, bias1, weight2, bias2


def residual_trunk(
    x: Tensor,
    blocks: Sequence[Block],
    *,
    padding: Padding = ZEROS,
    backend: str | None = None,
) -> Tensor:
    """`residual_block` for every block in turn; x itself if there is none.

    Backend "hopper" brings x to a layout of its own once, and the last result back once. Backend
    "cpp" takes every image through all blocks before the next, where no gradient is recorded; the
    result is that of the blocks one by one, bit for bit.

    Args:
        x: [N, C, H, W], as in `residual_block`.
        blocks: weight1 [C, C, k, k], bias1 [C], weight2 [C, C, k, k], bias2 [C] of each.
        padding: of every block, as in `residual_block`.
        backend: name of an implementation of `residual_block`; None takes SIMGAN_BACKEND or the
            best available.

    Returns:
        [N, C, H, W], dtype and layout as from `residual_block`.

    Raises:
        ValueError: an argument does not fit, or the asked backend cannot run here.
    """
    check_padding(padding)
    if not blocks:
        return x
    chosen = _chosen(x, blocks[0][0].shape[-1], backend, padding)
    alike = len({block[0].shape for block in blocks}) == 1
    if not alike or not _as_one(chosen):
        for block in blocks:
            x = residual_block(x, *block, padding=padding, backend=backend)
        return x
    parameters = [one for block in blocks for one in check_block(x, *block)[1:]]
    x = check_block(x, *blocks[0])[0]
    if chosen == HOPPER:
        return run_hopper(x, parameters)
    output: Tensor = _run_cpp(x, parameters, padding)
    return output


def runs_as_one(
    x: Tensor, kernel: int, backend: str | None = None, *, padding: str = ZEROS
) -> bool:
    """Whether `residual_trunk` is more than its blocks one by one.

    Args:
        x: the maps.
        kernel, padding: of the blocks.
        backend: as asked of `residual_trunk`.
    """
    return _as_one(_chosen(x, kernel, backend, padding))


def _chosen(x: Tensor, kernel: int, backend: str | None, padding: str) -> str | None:
    if x.dim() != 4:
        return None  # the first block says what is wrong
    return backend_of_blocks(x, x.shape[1], kernel, backend, x.shape[3], padding=padding)


def _as_one(chosen: str | None) -> bool:
    return chosen == HOPPER or (chosen == CPP and not torch.is_grad_enabled())


@torch.library.custom_op("simgan::residual_trunk_cpp", mutates_args=())
def _run_cpp(x: Tensor, parameters: list[Tensor], padding: str = ZEROS) -> Tensor:
    return native_kernel.forward_chain(x, parameters, padding)


@_run_cpp.register_fake
def _(x: Tensor, parameters: list[Tensor], padding: str = ZEROS) -> Tensor:
    return torch.empty_like(x, memory_format=memory_format(x, parameters[0]))
