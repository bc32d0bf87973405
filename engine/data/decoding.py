"""From the bytes of an image file to pixels; nothing is converted unless the policy says so.

8-bit and 16-bit gray and 8-bit RGB keep their values and depth. Palettes become RGB and bilevel
images 0 and 255, which is what they mean. All else is refused with a sentence, never degraded.
"""

import functools
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from simgan.engine.config import DataPolicy, parse_composite
from simgan.engine.data.headers import (
    DAMAGE,
    SUFFIX_KIND,
    Header,
    open_header,
    open_plugin,
    read_header,
    refuse_bomb,
)
from simgan.engine.data.pixels import flatten_alpha, turn_upright
from simgan.engine.data.png_chunks import check_chunks
from simgan.engine.data.problems import BadImage, transparency_error
from simgan.engine.data.tiff import decode_tiff
from simgan.engine.errors import DataError


def decode_image(
    data: bytes, name: str, policy: DataPolicy, *, labelled: bool = False, frame: int | None = None
) -> NDArray[Any]:
    """Decode one image file.

    Args:
        data: the bytes of the file.
        name: how messages call the image.
        policy: what may be done to it.
        labelled: whether labels exist that a rotation would invalidate.
        frame: which frame of a file with several; None applies `policy.frames`.
    Returns:
        uint8 or uint16 [H, W, C], C 1 or 3 as stored (`policy.channels` is applied by sources).
    Raises:
        BadImage: the bytes are damaged or no image.
        DataError: the policy does not say what to do with this image.
    """
    header, opened = open_header(data, name)
    refuse_bomb(header, name, policy.max_pixels)
    if header.frames > 1 and frame is None and policy.frames != "first":
        raise DataError(f"{name} has {header.frames} frames; set data.frames")
    upright = header.orientation == 1 or policy.exif == "ignore"
    if not upright and policy.exif == "auto" and labelled:
        raise DataError(
            f"{name} is rotated by EXIF {header.orientation} but has labels; "
            "set data.exif: ignore or apply"
        )
    pixels, alpha = _decode(data, header, opened, name, frame or 0)
    if alpha is not None:
        pixels = _apply_alpha(pixels, alpha, name, policy)
    if not upright:
        pixels = turn_upright(pixels, header.orientation)
    return pixels


def image_warnings(data: bytes, name: str) -> list[str]:
    """What is odd about an image that can be decoded all the same.

    Raises:
        BadImage: the bytes are damaged or no image.
    """
    header = read_header(data, name)
    warnings = check_chunks(data, name) if header.kind == "png" else []
    expected = SUFFIX_KIND.get("." + name.rpartition(".")[2].lower())
    if expected is not None and expected != header.kind:
        warnings.append(f"named like {expected} but holds {header.kind}")
    return warnings


def _decode(
    data: bytes, header: Header, opened: ImageFile.ImageFile | None, name: str, frame: int
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Pixels [H, W, C] and alpha [H, W] (uint8) or None."""
    if header.kind == "png":
        check_chunks(data, name)
        if header.bits == 16 and header.samples != 1:
            raise DataError(
                f"{name} is a PNG of 16 bits and {header.samples} channels; only gray PNG is read "
                "at 16 bits",
                fix="Save it as 16-bit RGB TIFF, or as 8-bit PNG.",
            )
    plain = header.number == "uint" and header.bits <= 8 and header.samples <= 4
    if header.kind == "tiff" and not plain:
        return decode_tiff(data, header, name, frame), None
    if header.kind == "jpeg":
        return _decode_jpeg(data, header, name), None
    # Counting the frames of a GIF or WebP has moved through it; a PNG is still at its start.
    image = opened if header.kind == "png" and opened else open_plugin(data, header.kind, name)
    try:
        if frame:
            image.seek(frame)
        image.load()
        return _to_arrays(image, name)
    except DataError:
        raise
    except DAMAGE as error:
        raise BadImage(name, str(error).strip() or type(error).__name__) from None


@functools.cache
def _simplejpeg() -> ModuleType | None:
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg  # type: ignore[no-any-return]


def _decode_jpeg(data: bytes, header: Header, name: str) -> NDArray[Any]:
    if header.mode not in ("L", "RGB", "CMYK"):
        raise DataError(f"{name}: JPEG of mode {header.mode} is not supported")
    if header.mode == "CMYK" and not header.adobe:
        # Adobe writes CMYK inverted and says so in its marker; without it nobody can know.
        raise DataError(f"{name}: CMYK JPEG without Adobe's marker; convert it to RGB")
    fast = _simplejpeg()
    try:
        if header.mode != "CMYK" and fast is not None:
            color = "GRAY" if header.mode == "L" else "RGB"
            decoded: NDArray[Any] = fast.decode_jpeg(data, colorspace=color, strict=True)
            return decoded
        pixels = np.asarray(open_plugin(data, "jpeg", name))
    except DAMAGE as error:
        raise BadImage(name, str(error).strip() or type(error).__name__) from None
    if header.mode == "CMYK":
        return _cmyk_to_rgb(pixels)
    return pixels.reshape(*pixels.shape[:2], -1)


def _cmyk_to_rgb(cmyk: NDArray[Any]) -> NDArray[Any]:
    light = 255 - cmyk.astype(np.uint16)
    rgb = (light[..., :3] * light[..., 3:] + 127) // 255
    return rgb.astype(np.uint8)


def _to_arrays(image: Image.Image, name: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Pixels and alpha of an opened image of any mode that Pillow keeps exactly."""
    keyed = "transparency" in image.info
    if image.mode == "P":
        image = image.convert("RGBA" if keyed else "RGB")
    elif image.mode == "PA":
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("L", "RGB") and keyed:
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    elif image.mode == "YCbCr":
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if image.mode == "L":
        return pixels[..., None], None
    if image.mode == "RGB":
        return pixels, None
    if image.mode in ("LA", "RGBA"):
        return pixels[..., :-1], pixels[..., -1]
    if image.mode.startswith("I;16"):
        deep = pixels.astype(np.uint16)
        alpha = np.where(deep == image.info["transparency"], 0, 255) if keyed else None
        return deep[..., None], None if alpha is None else alpha.astype(np.uint8)
    raise DataError(f"{name}: images of mode {image.mode} are not supported")


def _apply_alpha(
    pixels: NDArray[Any], alpha: NDArray[Any], name: str, policy: DataPolicy
) -> NDArray[Any]:
    clear = int(np.count_nonzero(alpha < 255))
    if clear == 0 or policy.alpha == "drop":
        return pixels
    if policy.alpha == "error":
        raise transparency_error(name, clear, alpha.size)
    return flatten_alpha(pixels, alpha, parse_composite(policy.alpha))
