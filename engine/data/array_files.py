"""Writes a finished array file: images from a staged array, everything else from the source."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from simgan.engine.data.array_images import ArraySource
from simgan.engine.data.source import Source, require

Rows = NDArray[Any]
IMAGES = "images"
BLOCK = 1 << 24
EPOCH = (1980, 1, 1, 0, 0, 0)  # of a zip member: the same content must give the same bytes


def write_header(file: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """The header of an .npy file in C order; its length depends on shape and dtype only."""
    descr = npy_format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(file, header)


def write_npy(path: Path, rows: Rows, kept: list[int], *, source: Source, mirror: bool) -> None:
    """The kept rows as an .npy file."""
    with open(path, "wb") as file:
        _write_rows(file, rows, kept)


def write_npz(path: Path, rows: Rows, kept: list[int], *, source: Source, mirror: bool) -> None:
    """The kept rows in an .npz file.

    A mirrored file has the members of the source's in their order; members other than the images
    are copied byte for byte, unless images were left out: then arrays with a row per image lose
    the same rows.
    """
    with zipfile.ZipFile(path, "w", allowZip64=True) as target:
        if mirror:
            _mirror_npz(target, rows, kept, source)
            return
        for key, values in _columns(rows, kept, source):
            with target.open(_member(f"{key}.npy"), "w", force_zip64=True) as file:
                if values is None:
                    _write_rows(file, rows, kept)
                else:
                    npy_format.write_array(file, values, allow_pickle=False)


def _mirror_npz(target: zipfile.ZipFile, rows: Rows, kept: list[int], source: Source) -> None:
    assert source.path is not None and isinstance(source, ArraySource)
    images = f"{image_key(source)}.npy"
    whole, chosen = _selection(source, kept)
    with zipfile.ZipFile(source.path) as origin:
        for member in origin.infolist():
            info = _member(member.filename, member.compress_type)
            with target.open(info, "w", force_zip64=True) as file, origin.open(member) as content:
                if member.filename == images:
                    _write_rows(file, rows, kept)
                elif whole or not _has_row_per_image(content, source):
                    content.seek(0)
                    shutil.copyfileobj(content, file, BLOCK)
                else:
                    content.seek(0)
                    values = npy_format.read_array(content, allow_pickle=False)
                    npy_format.write_array(file, values[chosen], allow_pickle=False)


def image_key(source: ArraySource) -> str:
    """Name of the array that holds the images, as the source chose it."""
    return str(source.key)  # type: ignore[attr-defined]


def _has_row_per_image(file: IO[bytes], source: ArraySource) -> bool:
    from simgan.engine.data.arrays import read_npy_header

    shape, _, _ = read_npy_header(file, source.location)
    return bool(shape[:1] == (len(source.images),))


def _selection(source: ArraySource, kept: list[int]) -> tuple[bool, NDArray[np.int64]]:
    """Whether all of the source's array is kept, and which of its rows are."""
    chosen = np.asarray([source.items[index] for index in kept], np.int64)
    return bool(np.array_equal(chosen, np.arange(len(source.images)))), chosen


def _member(name: str, compression: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = compression
    return info


def _write_rows(file: Any, rows: Rows, kept: list[int]) -> None:
    write_header(file, (len(kept), *rows.shape[1:]), rows.dtype)
    for block in _blocks(rows, kept):
        file.write(np.ascontiguousarray(block).data)


def _blocks(rows: Rows, kept: list[int]) -> Iterator[Rows]:
    count = max(1, BLOCK // max(1, rows[:1].nbytes))
    for start in range(0, len(kept), count):
        yield rows[kept[start : start + count]]


def _columns(
    rows: Rows, kept: list[int], source: Source
) -> Iterator[tuple[str, NDArray[Any] | None]]:
    """Arrays of a new file: the images (None: they come from the rows), names and labels."""
    yield IMAGES, None
    yield "names", np.asarray([source.names[index] for index in kept])
    for key, values in source.labels.items():
        yield (f"label_{key}" if key in (IMAGES, "names") else key), np.asarray(values)[kept]


def write_hdf5(path: Path, rows: Rows, kept: list[int], *, source: Source, mirror: bool) -> None:
    """The kept rows in an HDF5 file; a mirrored one keeps all else that the source has."""
    h5py = require("h5py", "hdf5", "HDF5")
    path.unlink(missing_ok=True)
    # No times in the file: the same content must give the same bytes.
    with h5py.File(path, "w", libver="latest", track_order=False) as target:
        if mirror:
            _mirror_hdf5(h5py, target, rows, kept, source)
            return
        for key, values in _columns(rows, kept, source):
            if values is None:
                _fill(
                    target.create_dataset(key, (len(kept), *rows.shape[1:]), rows.dtype), rows, kept
                )
            elif values.dtype.kind == "U":
                texts = h5py.string_dtype()
                target.create_dataset(key, data=values.astype(object), dtype=texts)
            else:
                target.create_dataset(key, data=values)


def _mirror_hdf5(h5py: Any, target: Any, rows: Rows, kept: list[int], source: Source) -> None:
    assert source.path is not None and isinstance(source, ArraySource)
    images = image_key(source).strip("/")
    whole, chosen = _selection(source, kept)
    with h5py.File(source.path, "r", locking=False) as origin:
        _copy_attributes(origin, target)

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                _copy_attributes(item, target.require_group(name))
            elif name == images:
                shape = (len(kept), *rows.shape[1:])
                made = target.create_dataset(
                    name,
                    shape,
                    rows.dtype,
                    chunks=_chunks(item, shape),
                    compression=item.compression,
                    compression_opts=item.compression_opts,
                    shuffle=item.shuffle,
                )
                _copy_attributes(item, made)
                _fill(made, rows, kept)
            elif whole or item.shape[:1] != (len(source.images),):
                # Links are copied as links and never followed out of the file.
                origin.copy(item, target, name, expand_external=False, expand_refs=False)
            else:
                made = target.create_dataset(name, data=item[...][chosen], dtype=item.dtype)
                _copy_attributes(item, made)

        origin.visititems(copy)


def _chunks(item: Any, shape: tuple[int, ...]) -> tuple[int, ...] | bool | None:
    """Chunks like those of the source's dataset; True lets h5py choose where the axes differ."""
    if item.chunks is None:
        return None
    if len(item.chunks) != len(shape):
        return True
    return tuple(min(a, b) for a, b in zip(item.chunks, shape, strict=True))


def _copy_attributes(origin: Any, target: Any) -> None:
    for name, value in origin.attrs.items():
        target.attrs[name] = value


def _fill(dataset: Any, rows: Rows, kept: list[int]) -> None:
    start = 0
    for block in _blocks(rows, kept):
        dataset[start : start + len(block)] = block
        start += len(block)
