"""Triton kernel and launcher of the history's swap; any dtype of up to 8 bytes, one launch.

Checked in the interpreter only, not on a GPU yet.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from simgan.kernels.history_exchange.reference import ROUNDS
from simgan.kernels.layout import same_order

_BLOCK = 2048
_WARPS = 4
_SAMPLED, _REPLACED = 0, 1  # which of the two draws

# Copies move bits: integers of the same size keep every bit, also of a NaN.
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@triton.jit
def _mix(x):
    x ^= x >> 15
    x *= 0x2C1B3C6D
    x ^= x >> 12
    x *= 0x297A2D39
    return x ^ (x >> 15)


@triton.jit
def _keys(low, high, number, i_key):
    """Keys i of the draws, 32 bits each."""
    return _mix(_mix(_mix((i_key + 1).to(tl.uint32) * 0x9E3779B9 + low) + high) + number)


@triton.jit
def _permuted(x, size, low, high, number, draw, ROUNDS: tl.constexpr, INVERSE: tl.constexpr):
    """Slot of the draw's image x; inverse: which of the draw's images is in slot x."""
    i_round = tl.arange(0, triton.next_power_of_2(ROUNDS))
    i_key = i_round * 6 + draw
    centres = _keys(low, high, number, i_key).to(tl.uint64) * size >> 32
    factors = _keys(low, high, number, i_key + 2)
    offsets = _keys(low, high, number, i_key + 4)
    for step in range(ROUNDS):
        # All rounds' keys at once, then a sum that picks one: far less than to calculate each.
        now = i_round == (ROUNDS - 1 - step if INVERSE else step)
        partner = tl.sum(tl.where(now, centres, 0)).to(tl.int64) - x
        partner = tl.where(partner < 0, partner + size, partner)
        pair = tl.maximum(x, partner).to(tl.uint32)
        factor = tl.sum(tl.where(now, factors, 0)).to(tl.uint32)
        bit = factor * pair + tl.sum(tl.where(now, offsets, 0)).to(tl.uint32)
        x = tl.where(bit >> 31 != 0, partner, x)
    return x


@triton.jit
def history_exchange_kernel(
    buffer_ptr,  # [capacity, row]
    refined_ptr,  # [count, row]
    old_ptr,  # [count, row]
    state_ptr,  # [2]
    capacity,
    count,
    row,
    ROUNDS: tl.constexpr,
    SAMPLED: tl.constexpr,
    REPLACED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Programs i < count own the slots to replace, the others the sampled ones that stay."""
    seed = tl.load(state_ptr)
    number = tl.load(state_ptr + 1).to(tl.uint32)
    low, high = seed.to(tl.uint32), (seed >> 32).to(tl.uint32)
    replaces = tl.program_id(0) < count
    i_image = tl.where(replaces, tl.program_id(0), tl.program_id(0) - count).to(tl.int64)
    draw = tl.where(replaces, REPLACED, SAMPLED)
    other = tl.where(replaces, SAMPLED, REPLACED)
    slot = _permuted(i_image, capacity, low, high, number, draw, ROUNDS, False)
    i_other = _permuted(slot, capacity, low, high, number, other, ROUNDS, True)
    i_old = tl.where(replaces, i_other, i_image)
    copies = replaces == (i_other < count)

    o_row = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = o_row < row
    p_buffer = buffer_ptr + slot * row + o_row
    before = tl.load(p_buffer, mask=mask & copies)
    tl.store(old_ptr + i_old * row + o_row, before, mask=mask & copies)
    fresh = tl.load(refined_ptr + i_image * row + o_row, mask=mask & replaces)
    tl.store(p_buffer, fresh, mask=mask & replaces)

    # The upper half of the number counts the programs that have read it; the last one clears it.
    tl.debug_barrier()
    programs = tl.num_programs(0).to(tl.int64) * tl.num_programs(1)
    arrived = tl.atomic_add(state_ptr + 1, 1 << 32) >> 32
    tl.store(state_ptr + 1, (number + 1).to(tl.int64), mask=arrived == programs - 1)


def exchange_(buffer: Tensor, refined: Tensor, state: Tensor) -> Tensor:
    """buffer[A] as it was, after buffer[B] = refined; the buffer is gapless."""
    count = refined.shape[0]
    old = torch.empty_like(buffer[:count])
    if not same_order(buffer, refined):
        refined = torch.empty_like(old).copy_(refined)
    row = math.prod(buffer.shape[1:])
    word = _WORDS[buffer.element_size()]
    history_exchange_kernel[(2 * count, max(triton.cdiv(row, _BLOCK), 1))](
        *(buffer.view(word), refined.view(word), old.view(word), state),
        *(buffer.shape[0], count, row),
        ROUNDS=ROUNDS,
        SAMPLED=_SAMPLED,
        REPLACED=_REPLACED,
        BLOCK=_BLOCK,
        num_warps=_WARPS,
    )
    return old
