"""A walk over the chunks of a PNG: finds what decoders forgive, bad checksums and a lost end."""

import struct
import zlib

from simgan.engine.data.problems import BadImage


def check_chunks(data: bytes, name: str) -> list[str]:
    """Check every chunk of a PNG.

    Returns:
        Warnings about a file whose pixels are whole all the same.
    Raises:
        BadImage: a chunk that holds pixels or the palette has a wrong checksum or is cut off.
    """
    warnings: list[str] = []
    view = memoryview(data)
    offset = 8
    while offset + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        label = kind.decode("ascii", "replace")
        end = offset + 12 + length
        critical = kind in (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"fdAT", b"fcTL")
        if end > len(data):
            if critical:
                raise BadImage(name, f"cut off inside {label}")
            return [*warnings, f"cut off inside {label}, after the pixels"]
        (stored,) = struct.unpack_from(">I", data, end - 4)
        if stored != zlib.crc32(view[offset + 4 : end - 4]):
            if critical:
                raise BadImage(name, f"wrong checksum in {label}")
            warnings.append(f"wrong checksum in {label}")
        if kind == b"IEND":
            if end < len(data):
                warnings.append(f"{len(data) - end:,} bytes after the end (IEND)")
            return warnings
        offset = end
    return [*warnings, "no end (IEND); the file may be cut off"]
