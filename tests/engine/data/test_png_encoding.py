"""PNG files keep every bit, whatever the shape, depth and deflate library, and are not large."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from simgan.engine.data import png_encoding
from simgan.engine.data.png_chunks import check_chunks
from simgan.engine.data.png_encoding import encode_png
from simgan.engine.data.procedural_eyes import ProceduralEyes

SHAPES = ((1, 1), (1, 7), (7, 1), (35, 55), (13, 17))


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setattr(png_encoding, "_isal", lambda: None)
    return str(request.param)


def unfiltered(data: bytes) -> bytes:
    """Samples of a PNG as the specification says, big-endian; filters 0 to 2 only."""
    width, height, bits, color = struct.unpack(">IIBB", data[16:26])
    step = bits // 8 * (1 if color == 0 else 3)
    (length,) = struct.unpack(">I", data[33:37])
    lines = zlib.decompress(data[41 : 41 + length])
    size = width * step
    above, rows = bytearray(size), []
    for y in range(height):
        kind, row = lines[y * (size + 1)], bytearray(lines[y * (size + 1) + 1 :][:size])
        for x in range(size):
            left = row[x - step] if x >= step else 0
            row[x] = (row[x] + {0: 0, 1: left, 2: above[x]}[kind]) & 255
        rows.append(bytes(row))
        above = row
    return b"".join(rows)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_bit_comes_back(
    library: str, shape: tuple[int, int], channels: int, dtype: type[np.generic]
) -> None:
    generator = np.random.default_rng(shape[0])
    limit = np.iinfo(dtype).max
    for image in (
        generator.integers(0, limit, (*shape, channels), dtype, endpoint=True),
        np.full((*shape, channels), limit, dtype),
    ):
        data = encode_png(image)
        assert check_chunks(data, "x") == []
        assert unfiltered(data) == image.astype(image.dtype.newbyteorder(">")).tobytes()
        if dtype == np.uint8 or channels == 1:  # Pillow reads no 16-bit RGB
            pixels = np.asarray(Image.open(io.BytesIO(data)))
            np.testing.assert_array_equal(pixels.reshape(image.shape), image)


def test_a_part_of_an_array_is_encoded_as_its_copy(library: str) -> None:
    whole = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
    part = whole[2:11, ::3]
    assert encode_png(part) == encode_png(part.copy())


def test_eyes_take_about_as_many_bytes_as_from_pillow(library: str) -> None:
    source = ProceduralEyes("synthetic", count=16)
    ours = theirs = 0
    for index in range(16):
        pixels = source.read(index)
        buffer = io.BytesIO()
        Image.fromarray(pixels[..., 0]).save(buffer, "PNG")
        ours += len(encode_png(pixels))
        theirs += len(buffer.getvalue())
    assert ours < 1.1 * theirs
