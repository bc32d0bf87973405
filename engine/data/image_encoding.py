"""Turns pixels into the bytes of an image file: lossless wherever the format can be."""

import io

import numpy as np
from PIL import Image

from simgan.engine.data.png_encoding import encode_png
from simgan.engine.errors import DataError

JPEG_QUALITY = 98

# First bytes of a file -> format; the content decides, because names lie.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
)
_SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".webp": "WEBP",
    ".gif": "GIF",
}


def file_format(name: str, head: bytes) -> str:
    """The format of an image file from its first 16 bytes, or from its name when they say nothing.

    Raises:
        DataError: neither says anything that can be written.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    for magic, known in _MAGIC:
        if head.startswith(magic):
            return known
    suffix = "." + name.rpartition(".")[2].lower()
    if suffix not in _SUFFIXES:
        raise DataError(
            f"{name}: images of this format can be read but not written",
            fix="Use --format png.",
        )
    return _SUFFIXES[suffix]


def encode_image(image: np.ndarray, kind: str, name: str = "image") -> bytes:
    """The bytes of an image file.

    PNG, TIFF, BMP and WebP keep every bit. JPEG is written at quality 98 without chroma subsampling
    (4:4:4): it is the one format that cannot be exact.

    Args:
        image: uint8 or uint16 [H, W, C], C 1 or 3.
        kind: "PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", or "NYU": 16-bit depth as an RGB PNG
            with the high byte in green and the low byte in blue.
        name: for the message.
    Raises:
        DataError: the format has no room for these pixels.
    """
    image = np.ascontiguousarray(image)
    wide = image.dtype == np.uint16
    if kind == "NYU":
        return encode_png(_split_depth(image))
    if kind == "PNG":
        return encode_png(image)
    if kind == "TIFF":
        return _tiff(image)
    if kind == "JPEG" and not wide:
        return _jpeg(image)
    if kind in ("BMP", "WEBP", "GIF") and not wide and not (kind == "GIF" and image.shape[2] == 3):
        return _pillow(image, kind)
    bits = f"{16 if wide else 8}-bit {'RGB' if image.shape[2] == 3 else 'gray'}"
    raise DataError(f"{name}: {kind} cannot hold {bits} images", fix="Use --format png.")


def _split_depth(image: np.ndarray) -> np.ndarray:
    """Depth [H, W, 1] uint16 -> RGB uint8 with depth = G * 256 + B, as in the NYU hand set."""
    depth = image[..., 0]
    high, low = (depth >> 8).astype(np.uint8), (depth & 255).astype(np.uint8)
    return np.stack([np.zeros_like(high), high, low], axis=-1)


def _pillow(image: np.ndarray, kind: str) -> bytes:
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    buffer = io.BytesIO()
    picture.save(buffer, kind, lossless=True)
    return buffer.getvalue()


def _jpeg(image: np.ndarray) -> bytes:
    gray = image.shape[2] == 1
    try:
        import simplejpeg
    except ImportError:
        buffer = io.BytesIO()
        picture = Image.fromarray(image[..., 0] if gray else image)
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        return buffer.getvalue()
    data: bytes = simplejpeg.encode_jpeg(
        image,
        quality=JPEG_QUALITY,
        colorspace="GRAY" if gray else "RGB",
        colorsubsampling="Gray" if gray else "444",
    )
    return data


def _tiff(image: np.ndarray) -> bytes:
    try:
        import tifffile
    except ImportError as error:
        if image.dtype == np.uint8 or image.shape[2] == 1:
            return _pillow(image, "TIFF")
        raise DataError(
            "16-bit RGB TIFF needs tifffile", fix="Install simgan-engine[tiff]."
        ) from error
    buffer = io.BytesIO()
    gray = image.shape[2] == 1
    tifffile.imwrite(
        buffer,
        image[..., 0] if gray else image,
        photometric="minisblack" if gray else "rgb",
        # No date, no host: the same pixels must give the same bytes.
        metadata=None,
        software=False,
    )
    return buffer.getvalue()
