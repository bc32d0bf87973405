"""TIFF images of more than 8 bits, which Pillow would degrade."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.headers import DAMAGE, Header, open_plugin
from simgan.engine.data.problems import BadImage
from simgan.engine.errors import DataError

WHITE_IS_ZERO = 0
PHOTOMETRIC = 262


def decode_tiff(data: bytes, header: Header, name: str, frame: int = 0) -> NDArray[Any]:
    """Pixels uint16 [H, W, C] of a 16-bit gray or RGB TIFF.

    Raises:
        BadImage: the file is damaged.
        DataError: another depth or number of channels, or the package that reads it is missing.
    """
    if header.number == "uint" and header.bits == 16 and header.samples == 1:
        return _gray16(data, name, frame)
    if header.number == "uint" and header.bits == 16 and header.samples == 3:
        return _by_tifffile(data, name, frame)
    channels = "" if header.samples == 1 else f" of {header.samples} channels"
    kind = f"{header.number}{header.bits}{channels}"
    raise DataError(
        f"{name}: {kind}; whole numbers of 8 or 16 bits in 1 or 3 channels are read",
        fix="Save it as 16-bit (uint16) gray and set data.range; it is never degraded silently.",
    )


def _gray16(data: bytes, name: str, frame: int) -> NDArray[Any]:
    image = open_plugin(data, "tiff", name)
    try:
        image.seek(frame)
        pixels = np.asarray(image).astype(np.uint16)
        inverted = image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO  # type: ignore[attr-defined]
    except DAMAGE as error:
        raise BadImage(name, str(error).strip() or type(error).__name__) from None
    return (65535 - pixels if inverted else pixels)[..., None]


def _by_tifffile(data: bytes, name: str, frame: int) -> NDArray[Any]:
    try:
        import tifffile
    except ImportError:
        raise DataError(
            f"{name}: 16-bit RGB; install simgan-engine[tiff] and set data.range"
        ) from None
    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            page = file.pages[frame]
            pixels = np.asarray(page.asarray())
            planar = int(page.planarconfig) == 2
    except (*DAMAGE, RuntimeError) as error:
        raise BadImage(name, str(error).strip() or type(error).__name__) from None
    if planar:
        pixels = pixels.transpose(1, 2, 0)
    return np.ascontiguousarray(pixels, np.uint16)
