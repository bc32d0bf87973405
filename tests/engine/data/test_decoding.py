"""What each odd or damaged image becomes, or the sentence it gets."""

import io

import numpy as np
import pytest
from corpus import (
    HEIGHT,
    WIDTH,
    animation,
    damaged,
    encode,
    flip_byte,
    gray16_image,
    gray_images,
    png_16bit_rgb,
    png_bomb,
    rgb_image,
    with_orientation,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from simgan.engine.config import DataPolicy
from simgan.engine.data.decoding import decode_image, image_warnings
from simgan.engine.data.problems import BadImage
from simgan.engine.errors import DataError

GRAY = gray_images(1)[0]
WHOLE_PNG = encode(GRAY, "PNG")
WHOLE_JPEG = encode(rgb_image(), "JPEG", quality=90)


def decode(
    data: bytes, name: str = "x.png", labelled: bool = False, **policy: object
) -> np.ndarray:
    return decode_image(data, name, DataPolicy(**policy), labelled=labelled)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(damaged()))
def test_damaged_images_are_quarantined(name: str) -> None:
    with pytest.raises(BadImage) as caught:
        decode(damaged()[name], name)
    assert caught.value.reason
    assert str(caught.value).startswith(f"{name}: ")


def test_reasons_say_what_is_wrong() -> None:
    def reason(name: str) -> str:
        with pytest.raises(BadImage) as caught:
            decode(damaged()[name], name)
        return caught.value.reason

    assert reason("zero.png") == "empty file"
    assert reason("page.jpg") == "an HTML page, not an image"
    assert reason("garbage.jpg") == "not an image of a known format"
    assert reason("half.jpg") == "Premature end of JPEG file"
    assert reason("flipped.png") == "wrong checksum in IDAT"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(WHOLE_PNG) - 1))
def test_a_cut_png_is_refused_or_whole(cut: int) -> None:
    try:
        pixels = decode(WHOLE_PNG[:cut])
    except BadImage:
        return
    assert np.array_equal(pixels[..., 0], GRAY)
    assert image_warnings(WHOLE_PNG[:cut], "x.png")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(WHOLE_JPEG) - 1))
def test_a_cut_jpeg_is_refused(cut: int) -> None:
    with pytest.raises(BadImage):
        decode(WHOLE_JPEG[:cut], "x.jpg")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"]), st.integers(0, 10**6))
def test_a_flipped_byte_never_escapes_as_another_error(kind: str, position: int) -> None:
    data = encode(rgb_image(), kind)
    try:
        pixels = decode(flip_byte(data, position % len(data)))
    except DataError:
        return
    assert pixels.dtype in (np.uint8, np.uint16)
    assert pixels.ndim == 3


@pytest.mark.parametrize("position", range(60, len(WHOLE_PNG) - 16, 37))
def test_any_flipped_byte_of_png_pixels_is_found(position: int) -> None:
    with pytest.raises(BadImage):
        decode(flip_byte(WHOLE_PNG, position))


def test_jpeg_bit_rot_is_found_by_the_strict_decoder() -> None:
    scan = WHOLE_JPEG.index(b"\xff\xda") + 14
    rotten = [
        WHOLE_JPEG[:at] + b"\xff\xd3" + WHOLE_JPEG[at + 2 :]
        for at in range(scan, len(WHOLE_JPEG) - 4, 61)
    ]
    for data in rotten:
        with pytest.raises(BadImage, match=r"(?i)corrupt jpeg data|premature|marker"):
            decode(data, "b.jpg")


def test_png_without_end_is_read_and_warned_about() -> None:
    data = WHOLE_PNG[:-12]
    assert np.array_equal(decode(data)[..., 0], GRAY)
    assert image_warnings(data, "x.png") == ["no end (IEND); the file may be cut off"]


def test_content_decides_the_format_and_a_wrong_name_is_warned_about() -> None:
    assert np.array_equal(decode(WHOLE_PNG, "x.jpg")[..., 0], GRAY)
    assert image_warnings(WHOLE_PNG, "x.jpg") == ["named like jpeg but holds png"]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_stays_16_bit(kind: str) -> None:
    pixels = decode(encode(gray16_image(), kind))
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels[..., 0], gray16_image())


def test_16_bit_rgb_png_is_refused_not_degraded() -> None:
    with pytest.raises(DataError, match=r"x\.png is a PNG of 16 bits and 3 channels"):
        decode(png_16bit_rgb())


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_16_bit_rgb_tiff_is_read_exactly(planar: str) -> None:
    pixels = np.stack([gray16_image(seed) for seed in range(3)], axis=-1)
    stored = pixels if planar == "contig" else pixels.transpose(2, 0, 1)
    data = tiff(stored, photometric="rgb", planarconfig=planar)
    assert np.array_equal(decode(data, "y.tif"), pixels)


def test_float_tiff_is_refused_not_degraded() -> None:
    with pytest.raises(DataError, match=r"^y\.tif: float32;"):
        decode(tiff(GRAY.astype(np.float32)), "y.tif")


def test_multichannel_tiff_is_refused() -> None:
    data = tiff(np.zeros((HEIGHT, WIDTH, 8), np.uint16), photometric="minisblack", planarconfig=1)
    with pytest.raises(DataError, match=r"^y\.tif: uint16 of 8 channels;"):
        decode(data, "y.tif")


def test_white_is_zero_16_bit_tiff_is_turned_over() -> None:
    data = tiff(gray16_image(), photometric="miniswhite")
    assert np.array_equal(decode(data, "y.tif")[..., 0], 65535 - gray16_image())


def rgba(clear_rows: int) -> bytes:
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:clear_rows] = 0
    return encode(np.concatenate([rgb_image(), alpha], axis=-1), "PNG")


def test_transparency_needs_a_decision() -> None:
    with pytest.raises(
        DataError, match=r"z.png has transparency \(25 % of pixels\); choose data.alpha"
    ):
        decode(rgba(6), "z.png")


def test_opaque_alpha_is_no_transparency() -> None:
    assert np.array_equal(decode(rgba(0)), rgb_image())


def test_transparency_can_be_dropped_or_laid_over_a_color() -> None:
    assert np.array_equal(decode(rgba(6), alpha="drop"), rgb_image())
    laid = decode(rgba(6), alpha="composite:#102030")
    assert (laid[:6] == (0x10, 0x20, 0x30)).all()
    assert np.array_equal(laid[6:], rgb_image()[6:])


def test_palette_becomes_the_colors_it_means() -> None:
    image = Image.fromarray(rgb_image()).quantize(16)
    file = io.BytesIO()
    image.save(file, "PNG")
    assert np.array_equal(decode(file.getvalue()), np.asarray(image.convert("RGB")))


def test_bilevel_becomes_0_and_255() -> None:
    file = io.BytesIO()
    Image.fromarray(GRAY > 100).save(file, "PNG")
    assert np.array_equal(decode(file.getvalue())[..., 0], (GRAY > 100) * np.uint8(255))


def test_cmyk_jpeg_of_adobe_is_converted_with_its_inversion() -> None:
    red = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    red[..., 1:3] = 255  # magenta and yellow: red
    file = io.BytesIO()
    Image.fromarray(red, "CMYK").save(file, "JPEG", quality=100)
    data = file.getvalue()
    assert b"Adobe" in data
    assert np.abs(decode(data, "c.jpg").astype(int) - (255, 0, 0)).max() <= 2


def test_cmyk_jpeg_without_adobe_marker_is_refused() -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 4), np.uint8), "CMYK").save(file, "JPEG")
    data = file.getvalue()
    start = data.index(b"\xff\xee")
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    plain = data[:start] + data[start + 2 + length :]
    with pytest.raises(DataError, match=r"c\.jpg: CMYK JPEG without Adobe's marker"):
        decode(plain, "c.jpg")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_need_a_decision(kind: str) -> None:
    name = f"anim.{kind.lower()}"
    with pytest.raises(DataError, match=f"^{name} has 4 frames; set data.frames"):
        decode(animation(kind), name)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_can_be_chosen(kind: str) -> None:
    first = decode(animation(kind), frames="first")
    assert np.array_equal(first[..., 0], gray_images(4, 5)[0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_to_unlabelled_images(orientation: int) -> None:
    from PIL import ImageOps

    data = with_orientation(GRAY, orientation)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(decode(data)[..., 0], expected)
    assert np.array_equal(decode(data, labelled=True, exif="apply")[..., 0], expected)
    assert np.array_equal(decode(data, labelled=True, exif="ignore")[..., 0], GRAY)


def test_exif_rotation_of_labelled_images_needs_a_decision() -> None:
    expected = "img.jpg is rotated by EXIF 6 but has labels; set data.exif: ignore or apply"
    with pytest.raises(DataError, match=expected):
        decode(with_orientation(GRAY, 6), "img.jpg", labelled=True)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError) as caught:
        decode(png_bomb(12_000), "bomb.png")
    assert caught.value.what == (
        "bomb.png: 12000\u00d712000 = 144 MP > limit 64 MP (data.max_pixels)"
    )
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    )  # kB; decoded: 144,000


def test_the_pixel_limit_can_be_set() -> None:
    with pytest.raises(DataError, match=r"data\.max_pixels"):
        decode(WHOLE_PNG, max_pixels=HEIGHT * WIDTH - 1)
    decode(WHOLE_PNG, max_pixels=HEIGHT * WIDTH)


def test_decoding_equals_pillow_without_simplejpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = decode(WHOLE_JPEG, "x.jpg")
    monkeypatch.setattr("simgan.engine.data.decoding._simplejpeg", lambda: None)
    assert np.array_equal(decode(WHOLE_JPEG, "x.jpg"), fast)
    with pytest.raises(BadImage):
        decode(WHOLE_JPEG[: len(WHOLE_JPEG) // 2], "x.jpg")


def test_16_bit_rgb_tiff_names_the_extra_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff(np.zeros((HEIGHT, WIDTH, 3), np.uint16), photometric="rgb")
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(DataError, match=r"^y\.tif: 16-bit RGB; install simgan-engine\[tiff\]"):
        decode(data, "y.tif")
