"""Odd and damaged images, and small sets in every format: all generated, none shipped."""

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 30


def gray_images(count: int, seed: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """uint8 [count, H, W]: smooth ramps with noise, all different."""
    generator = np.random.default_rng(seed)
    ramp = np.linspace(20, 200, size[1])[None, None] + np.linspace(0, 40, size[0])[None, :, None]
    noise = generator.integers(0, 16, (count, *size))
    return (ramp + noise).astype(np.uint8)


def rgb_image(seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3]."""
    return np.stack(list(gray_images(3, seed)), axis=-1)


def gray16_image(seed: int = 0) -> np.ndarray:
    """uint16 [H, W] that uses both bytes."""
    generator = np.random.default_rng(seed)
    return generator.integers(300, 50_000, (HEIGHT, WIDTH)).astype(np.uint16)


def encode(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    """An image file of some pixels, by Pillow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, color: int, scanlines: bytes) -> bytes:
    """A PNG file from raw scanlines, each led by its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(scanlines, 9))
        + png_chunk(b"IEND", b"")
    )


def png_bomb(side: int) -> bytes:
    """A gray PNG of side x side zeros in a few kilobytes; decoding it would take side^2 bytes."""
    packer = zlib.compressobj(9)
    line = bytes(side + 1)
    packed = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_16bit_rgb() -> bytes:
    """16 bits and three channels, which Pillow would read at 8 bits."""
    return png(
        WIDTH, HEIGHT, 16, 2, (b"\0" + bytes(range(WIDTH * 6 % 256)).ljust(WIDTH * 6)) * HEIGHT
    )


def flip_byte(data: bytes, position: int) -> bytes:
    """One byte changed."""
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]


def animation(kind: str, frames: int = 4) -> bytes:
    """A GIF, WebP, PNG or TIFF file with several different frames."""
    images = [Image.fromarray(pixels) for pixels in gray_images(frames, 5)]
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    images[0].save(file, kind, save_all=True, append_images=images[1:], **options)
    return file.getvalue()


def with_orientation(pixels: np.ndarray, orientation: int) -> bytes:
    """A PNG whose EXIF says how it should be turned."""
    exif = Image.Exif()
    exif[274] = orientation
    return encode(pixels, "PNG", exif=exif)


def damaged() -> dict[str, bytes]:
    """Files that must be quarantined, by name."""
    jpeg = encode(rgb_image(), "JPEG", quality=90)
    whole = encode(gray_images(1)[0], "PNG")
    idat = whole.index(b"IDAT") + 12
    return {
        "zero.png": b"",
        "garbage.jpg": np.random.default_rng(1).bytes(400),
        "page.jpg": b"<!DOCTYPE html><html><body>404 not found</body></html>",
        "half.jpg": jpeg[: (jpeg.index(b"\xff\xda") + len(jpeg)) // 2],
        "two_bytes_short.jpg": jpeg[:-2],
        "half.png": whole[: len(whole) // 2],
        "flipped.png": flip_byte(whole, idat),
        "half.webp": encode(rgb_image(), "WEBP", lossless=True)[:300],
        "half.bmp": encode(rgb_image(), "BMP")[:600],
        "half.tif": encode(gray16_image(), "TIFF")[:500],
        "half.gif": encode(gray_images(1)[0], "GIF")[:900],
        "header_only.png": whole[:20],
        "header_only.tif": b"II*\0\x08\0\0\0",
    }


def write_folder(folder: Path, images: np.ndarray, kind: str = "PNG") -> list[str]:
    """Images as files 1.png, 2.png, ... of a new folder; their names."""
    folder.mkdir(parents=True)
    names = [f"{number}.{kind.lower()}" for number in range(1, len(images) + 1)]
    for name, pixels in zip(names, images, strict=True):
        options = {"lossless": True} if kind == "WEBP" else {}
        (folder / name).write_bytes(encode(pixels, kind, **options))
    return names


def unityeyes_facts(
    center: tuple[float, float], half_width: float, look: tuple[float, float, float]
) -> dict[str, Any]:
    """What a JSON file of UnityEyes says, for an eye around `center` (y up, from the bottom)."""
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    x = center[0] + half_width * np.cos(angles)
    y = center[1] + half_width / 3 * np.sin(angles)
    points = [f"({a:.4f}, {b:.4f}, 9.8)" for a, b in zip(x, y, strict=True)]
    iris = [
        f"({center[0] + 3 + 6 * np.cos(a):.4f}, {center[1] + 2 + 6 * np.sin(a):.4f}, 9.5)"
        for a in angles
    ]
    return {
        "interior_margin_2d": points,
        "caruncle_2d": points[8:9],
        "iris_2d": iris,
        "eye_details": {"look_vec": f"({look[0]}, {look[1]}, {look[2]}, 0.0000)"},
    }


def write_unityeyes(folder: Path, count: int) -> list[tuple[float, float, float]]:
    """`count` images of 160x120 with their JSON files; their gaze vectors."""
    folder.mkdir(parents=True)
    looks = []
    for number, pixels in enumerate(gray_images(count, 2, (120, 160)), start=1):
        look = (0.1 * number, -0.2, -float(np.sqrt(1 - 0.04 - (0.1 * number) ** 2)))
        facts = unityeyes_facts((80.0, 70.0), 40.0, look)
        rgb = np.repeat(pixels[..., None], 3, axis=-1)
        (folder / f"{number}.jpg").write_bytes(encode(rgb, "JPEG", quality=95))
        (folder / f"{number}.json").write_text(json.dumps(facts))
        looks.append(look)
    return looks


def write_mpiigaze(root: Path, images: np.ndarray, gaze: np.ndarray) -> None:
    """Data/Normalized/p00/day01.mat in the published structure; both eyes hold the same."""
    from scipy.io import savemat

    folder = root / "Data" / "Normalized" / "p00"
    folder.mkdir(parents=True)
    eye = {"gaze": gaze, "image": images, "pose": np.zeros_like(gaze)}
    savemat(folder / "day01.mat", {"data": {"left": eye, "right": eye}})


def write_nyu(folder: Path, depths: np.ndarray) -> np.ndarray:
    """depth_1_NNNNNNN.png from uint16 [N, H, W] mm, with joint_data.mat; its joints [N, 36, 3]."""
    from scipy.io import savemat

    folder.mkdir(parents=True)
    for number, depth in enumerate(depths, start=1):
        pixels = np.stack([np.zeros_like(depth), depth >> 8, depth & 255], -1).astype(np.uint8)
        (folder / f"depth_1_{number:07d}.png").write_bytes(encode(pixels, "PNG"))
    joints = np.random.default_rng(4).uniform(0, 20, (3, len(depths), 36, 3))
    savemat(folder / "joint_data.mat", {"joint_uvd": joints, "joint_xyz": joints + 1})
    return joints[0]
