"""Writes PNG files; for small images several times faster than Pillow, in about as many bytes.

Pillow opens an encoder with buffers of its own for every image and searches long for matches.
Here numpy chooses the filters and the fast strategy of the deflate library does the rest.
"""

import functools
import struct
import zlib
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NONE, SUB, UP = 0, 1, 2  # filter types of the PNG specification, section 9.2
GRAY, RGB = 0, 2  # color types, section 11.2.1


def encode_png(image: NDArray[Any]) -> bytes:
    """The bytes of a PNG file that holds an image exactly.

    Args:
        image: uint8 or uint16 [H, W, C], C 1 or 3.
    """
    height, width, channels = image.shape
    bits = 8 * image.dtype.itemsize
    color = GRAY if channels == 1 else RGB
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    pixels = _deflate(_filtered(image))
    return b"".join((SIGNATURE, *_chunk(b"IHDR", header), *_chunk(b"IDAT", pixels), _END))


def _chunk(tag: bytes, data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    check = zlib.crc32(data, zlib.crc32(tag))
    return struct.pack(">I", len(data)), tag, data, struct.pack(">I", check)


_END = b"".join(_chunk(b"IEND", b""))


def _filtered(image: NDArray[Any]) -> bytes:
    """Rows behind their filter types, each with the filter whose bytes are nearest to zero."""
    height, _, channels = image.shape
    stored = image.astype(">u2", copy=False) if image.dtype.itemsize == 2 else image
    rows = np.ascontiguousarray(stored).view(np.uint8).reshape(height, -1)
    step = channels * image.dtype.itemsize  # bytes from a pixel to its left neighbour
    lines = np.empty((3, height, 1 + rows.shape[1]), np.uint8)
    lines[:, :, 0] = ((NONE,), (SUB,), (UP,))
    none, sub, up = lines[:, :, 1:]
    none[:] = rows
    sub[:, :step] = rows[:, :step]
    np.subtract(rows[:, step:], rows[:, :-step], out=sub[:, step:])
    up[0] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=up[1:])
    away = np.abs(lines[:, :, 1:].view(np.int8)).view(np.uint8).sum(axis=2, dtype=np.uint64)
    best: NDArray[np.uint8] = lines[away.argmin(axis=0), np.arange(height)]
    return best.tobytes()


@functools.cache
def _isal() -> ModuleType | None:
    try:
        from isal import isal_zlib
    except ImportError:
        return None
    return isal_zlib


def _deflate(data: bytes) -> bytes:
    fast = _isal()
    if fast is not None:
        packed: bytes = fast.compress(data, 1)
        return packed
    # Filtered pixels repeat in runs or not at all: looking for longer matches takes 5 times as
    # long on 480x440 pixels and saves 5 % of the bytes.
    runs = zlib.compressobj(strategy=zlib.Z_RLE)
    return runs.compress(data) + runs.flush()
