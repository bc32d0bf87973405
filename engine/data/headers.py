"""What an image file says about itself before any pixel is decoded: kind, size, depth, frames."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from simgan.engine.data.problems import BadImage
from simgan.engine.errors import DataError

Kind = Literal["png", "jpeg", "tiff", "bmp", "webp", "gif"]

# Everything that Pillow, struct and zlib are known to raise for damaged bytes.
DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError,
    TypeError, AttributeError, OverflowError, ZeroDivisionError, Image.DecompressionBombError,
)  # fmt: skip

# The plugin classes are used directly: Image.open would try formats that run other programs, and
# warns about size by a limit that belongs to the whole process.
PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
}
SUFFIX_KIND: dict[str, Kind] = {
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".tif": "tiff",
    ".tiff": "tiff", ".bmp": "bmp", ".webp": "webp", ".gif": "gif",
}  # fmt: skip
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
ORIENTATION = 274


@dataclass(frozen=True)
class Header:
    """Size in pixels, bits of one sample, frames, EXIF orientation (1: upright)."""

    kind: Kind
    height: int
    width: int
    bits: int = 8
    samples: int = 0  # 0: the decoder tells
    number: Literal["uint", "int", "float"] = "uint"
    frames: int = 1
    orientation: int = 1
    mode: str = ""  # Pillow's name of the layout
    adobe: bool = False  # a JPEG with Adobe's marker


def sniff(data: bytes, name: str) -> Kind:
    """The format of the bytes themselves, whatever the file is called; BadImage when unknown."""
    if not data:
        raise BadImage(name, "empty file")
    if data.startswith(PNG_MAGIC):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(TIFF_MAGIC):
        return "tiff"
    if data.startswith(b"BM"):
        return "bmp"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data[:256].lstrip().lower().startswith((b"<!doctype html", b"<html", b"<head")):
        raise BadImage(name, "an HTML page, not an image")
    raise BadImage(name, "not an image of a known format")


def open_plugin(data: bytes, kind: Kind, name: str) -> ImageFile.ImageFile:
    """The image opened by Pillow, nothing decoded yet; BadImage when its header is damaged."""
    try:
        return PLUGINS[kind](BytesIO(data))
    except DAMAGE as error:
        raise BadImage(name, _reason(error)) from None


def _reason(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return f"damaged header ({text})"


def read_header(data: bytes, name: str) -> Header:
    """Size, depth and frames of an image; the pixels stay undecoded.

    Raises:
        BadImage: the bytes are no image or the header is damaged.
    """
    return open_header(data, name)[0]


def open_header(data: bytes, name: str) -> tuple[Header, ImageFile.ImageFile | None]:
    """As `read_header`, with the image that Pillow opened to find out, for all kinds but TIFF.

    Raises:
        BadImage: the bytes are no image or the header is damaged.
    """
    kind = sniff(data, name)
    if kind == "tiff":
        return _tiff_header(data, name), None
    if kind == "png":
        # Read here, not by Pillow: its size check would come first and depth is lost in its modes.
        if len(data) < 33 or data[12:16] != b"IHDR":
            raise BadImage(name, "damaged header (no IHDR)")
        width, height, bits, color = struct.unpack(">IIBB", data[16:26])
        samples = {0: 1, 2: 3, 3: 0, 4: 2, 6: 4}.get(color, 0)
        if not (width and height):
            raise BadImage(name, "damaged header (no pixels)")
    image = open_plugin(data, kind, name)
    if kind != "png":
        (width, height), bits, samples = image.size, 8, 0
    try:
        frames = int(getattr(image, "n_frames", 1))
        orientation = int(image.getexif().get(ORIENTATION, 1)) if "exif" in image.info else 1
    except DAMAGE as error:
        raise BadImage(name, _reason(error)) from None
    if orientation not in range(1, 9):
        orientation = 1
    header = Header(
        kind,
        height,
        width,
        bits,
        samples,
        frames=frames,
        orientation=orientation,
        mode=image.mode,
        adobe="adobe" in image.info,
    )
    return header, image


def _tiff_header(data: bytes, name: str) -> Header:
    try:
        pages = list(_tiff_pages(data))
        tags = pages[0]
        bits = set(_many(tags.get(258, 1)))
        number = {1: "uint", 2: "int", 3: "float"}[_many(tags.get(339, 1))[0]]
        orientation = int(tags.get(ORIENTATION, 1))
        header = Header(
            "tiff",
            int(tags[257]),
            int(tags[256]),
            max(bits),
            int(tags.get(277, 1)),
            number,  # type: ignore[arg-type]
            len(pages),
            orientation if orientation in range(1, 9) else 1,
        )
    except DAMAGE as error:
        raise BadImage(name, _reason(error)) from None
    if header.height < 1 or header.width < 1:
        raise BadImage(name, "damaged header (no pixels)")
    return header


def _many(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _tiff_pages(data: bytes) -> Iterator[TiffImagePlugin.ImageFileDirectory_v2]:
    file = BytesIO(data)
    big = data[2] == 43 or data[3] == 43
    directory = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if big else 8])
    seen: set[int] = set()
    while directory.next and directory.next not in seen:
        seen.add(directory.next)
        file.seek(directory.next)
        start = data[: 16 if big else 8]
        page = TiffImagePlugin.ImageFileDirectory_v2(start)
        page.load(file)
        yield page
        directory = page
    if not seen:
        raise ValueError("no page")


def refuse_bomb(header: Header, name: str, max_pixels: int) -> None:
    """Raise DataError when the header announces more pixels than allowed."""
    pixels = header.height * header.width
    if pixels > max_pixels:
        raise DataError(
            f"{name}: {header.width}\u00d7{header.height} = {pixels / 1e6:.0f} MP > "
            f"limit {max_pixels / 1e6:g} MP (data.max_pixels)"
        )
