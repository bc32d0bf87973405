"""The mirror of sources: where a refined set goes, in the container that it came from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.array_sink import ArraySink
from simgan.engine.data.folder_sink import FolderSink
from simgan.engine.data.refined_manifest import Entry, RefinedManifest
from simgan.engine.data.source import Origin, Source
from simgan.engine.errors import DataError
from simgan.engine.process_lock import hold

__all__ = ["Sink", "check_separate", "hold_output", "open_sink"]

SUFFIXES = {"npy": (".npy",), "npz": (".npz",), "hdf5": (".h5", ".hdf5")}


class Sink(Protocol):
    """Takes the images of one source in any order, from any number of threads.

    Attributes:
        location: the folder or file that is written.
        lock: file that one process at a time holds.
        manifest: journal and summary of the work.
        labels: in words, where the labels are afterwards.
    """

    location: Path
    lock: Path
    manifest: RefinedManifest
    labels: str

    def prepare(self) -> None:
        """Check that nothing foreign is in the way. Called under the lock, after `manifest.load`.

        Raises:
            DataError: a file that this set's runs did not write would be overwritten.
        """

    def claims(self, index: int) -> list[str]:
        """Output files that `write` makes for one image, to be claimed in the manifest first."""

    def write(self, index: int, image: NDArray[np.generic], origin: Origin) -> Entry:
        """Store one refined image, uint8 or uint16 [H, W, C], and its own label files."""

    def holds(self, index: int, entry: Entry) -> bool:
        """Whether an image is stored as its entry says, with the source's present labels."""

    def keep(self, done: list[int]) -> list[int]:
        """Of the images that are done, those that can stay; the others are refined again."""

    def publish(self, kept: list[int]) -> None:
        """Complete the set: shared labels, tables, and for an array the file itself."""

    def close(self) -> None:
        """Let go of open files."""


def open_sink(source: Source, output: Path, format: str) -> FolderSink | ArraySink:
    """Where the refined images of `source` go; writes nothing yet.

    Args:
        source: the images that will be refined.
        output: folder, or file with the suffix of its container. A container in a folder gets the
            name of the input file.
        format: "same" as the source (or as the suffix of `output` says), or "png", "npz", "npy",
            "hdf5".
    Raises:
        DataError: the output overlaps the input, or is a file where a folder is needed.
    """
    check_separate(source.path, output)
    container = format
    if format == "same":
        container = source.format if source.format in SUFFIXES else _container_of(output)
    if container not in SUFFIXES:
        if output.exists() and not output.is_dir():
            raise DataError(
                f"{output} is a file; images need a folder", fix="Choose another --output."
            )
        return FolderSink(source, output, always_png=format == "png")
    file = _array_file(source, output, container)
    check_separate(source.path, file)
    return ArraySink(source, file, container)


def _container_of(output: Path) -> str:
    """For images that come from files: what the output's suffix names, else files again."""
    named = (kind for kind, suffixes in SUFFIXES.items() if output.suffix.lower() in suffixes)
    return "files" if output.is_dir() else next(named, "files")


def _array_file(source: Source, output: Path, container: str) -> Path:
    if output.suffix.lower() in SUFFIXES[container] and not output.is_dir():
        return output
    if output.suffix.lower() in (".npy", ".npz", ".h5", ".hdf5", ".png") and not output.is_dir():
        raise DataError(
            f"{output} does not look like {container}",
            fix=f"Name it *{SUFFIXES[container][0]}, or choose another --format.",
        )
    stem = source.path.stem if source.path else source.format
    suffix = source.path.suffix if source.path and source.format == container else ""
    return output / (stem + (suffix or SUFFIXES[container][0]))


def check_separate(source: Path | None, output: Path) -> None:
    """Refuse an output that is, contains or lies in the input, links resolved.

    Raises:
        DataError: it does.
    """
    if source is None:
        return
    inside, outside = output.resolve(), source.resolve()
    if inside == outside or outside in inside.parents:
        raise DataError(
            "output must not be inside the input", where=f"{output} is in {source}", fix=_CHOOSE
        )
    if inside in outside.parents and not outside.is_file():
        raise DataError(
            "input must not be inside the output", where=f"{source} is in {output}", fix=_CHOOSE
        )


_CHOOSE = "Choose another --output."


@contextmanager
def hold_output(sink: Sink) -> Iterator[None]:
    """Hold an output for this process; the system frees it when the process dies, however it dies.

    Raises:
        LockedError: another process holds it.
    """
    sink.lock.parent.mkdir(parents=True, exist_ok=True)
    with hold(sink.lock, sink.location, remove=True):
        yield
