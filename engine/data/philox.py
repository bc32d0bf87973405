"""Counter-based random numbers of procedural images: image i depends on seed, kind and i alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KIND_SHIFT = 56  # image indices stay below 2**56, the kind fills the byte above them


def raw_draws(seed: int, kind_code: int, indices: Sequence[int], length: int) -> NDArray[np.uint64]:
    """Random words [len(indices), length], row by row from Philox keyed by (seed, kind, index).

    Only raw words are taken from numpy: they are the same in every numpy version, which its
    floating-point distributions do not promise. A longer row begins with the shorter one.
    """
    words = np.empty((len(indices), length), np.uint64)
    for row, index in enumerate(indices):
        key = np.array([seed, (kind_code << KIND_SHIFT) | int(index)], np.uint64)
        words[row] = np.random.Philox(key=key).random_raw(length)
    return words


def uniforms(words: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Numbers in [0, 1) with 24 random bits, one per word."""
    return (words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def normals(words: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Numbers of mean 0 and variance 1, close to normal: the sum of a word's four 16-bit parts.

    A sum of integers needs no logarithm or cosine, so it is the same on every machine.
    """
    parts = np.ascontiguousarray(words).view(np.uint16).reshape(*words.shape, 4)
    total = parts[..., 0].astype(np.float32)
    for part in range(1, 4):
        total += parts[..., part]
    # Four uniform integers of 0..65535: mean 2 * 65535, variance 4 * (65536**2 - 1) / 12.
    total -= np.float32(2 * 65535)
    total *= np.float32((3.0 / (65536.0**2 - 1.0)) ** 0.5)
    return total
