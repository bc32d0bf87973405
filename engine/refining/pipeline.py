"""Decode, refine and encode at the same time, in an order that no thread decides."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.problems import BadImage, Problem
from simgan.engine.data.sinks import Sink
from simgan.engine.data.source import Source
from simgan.engine.observer import Observer
from simgan.engine.refining.decoders import Decoded, Decoders
from simgan.engine.refining.encoders import Encoders
from simgan.engine.refining.forward import Pending, RefiningForward

ON_THE_WAY = 2  # batches in the network's queue, so that a GPU never waits for the host


class Pipeline:
    """Moves images from a source through the network into a sink.

    Args:
        source: what to read.
        sink: where it goes.
        forward: the network.
        value_range: from an image and its name; asked once for each dtype and number of channels.
        size: height and width that images are resized to, or None for their own.
        workers: threads that decode, and as many that encode; 0 for one per core.

    Attributes:
        decoders: the first part; its batches are what `refined` takes.
        encoders: the last part; takes what `refined` gives.
        clipped: images with values outside of the range.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        forward: RefiningForward,
        *,
        value_range: Callable[[NDArray[Any], str], tuple[float, float]],
        size: tuple[int, int] | None,
        workers: int,
    ) -> None:
        workers = workers or len(cores())
        self.source = source
        self.forward = forward
        self.decoders = Decoders(source, size=size, workers=workers, at_once=forward.at_once)
        self.encoders = Encoders(sink, workers=workers)
        self.clipped = 0
        self._value_range = value_range
        self._ranges: dict[tuple[np.dtype[Any], int], tuple[float, float]] = {}

    @property
    def problems(self) -> list[Problem]:
        """Images that could not be read."""
        return self.decoders.problems

    @property
    def done(self) -> int:
        """Images recorded in this run."""
        return self.encoders.done

    @property
    def waited(self) -> float:
        """Seconds in which the network waited for decoded images."""
        return self.decoders.waited

    def run(
        self, todo: Sequence[int], *, stopped: Callable[[], bool], tick: Callable[[], None]
    ) -> None:
        """Refine the images at `todo`; once.

        Args:
            todo: indices into the source, ascending.
            stopped: asked between batches; when true, what is on the way is finished and no more
                begun.
            tick: called after each batch that is recorded.
        """
        self.encoders.tick = tick
        try:
            for batch, images in self.refined(self.decoders.batches(todo), stopped):
                self.encoders.put(batch, images)
            self.encoders.finish()
        finally:
            self.close()

    def close(self) -> None:
        """End the threads; what they have not begun is dropped."""
        self.decoders.close()
        self.encoders.close()

    def refined(
        self, batches: Iterable[list[Decoded]], stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[list[Decoded], NDArray[Any]]]:
        """Each batch with its refined images, uint8 or uint16 [N, H, W, C], in order."""
        waiting: deque[tuple[list[Decoded], Pending]] = deque()
        depth = ON_THE_WAY if self.forward.precision.device.type == "cuda" else 0
        for batch in batches:
            if stopped():
                break
            waiting.append((batch, self._submit(batch)))
            while len(waiting) > depth:
                batch, pending = waiting.popleft()
                yield batch, pending.result()
        for batch, pending in waiting:
            yield batch, pending.result()

    def _submit(self, batch: list[Decoded]) -> Pending:
        first = batch[0]
        dtype = first.image.dtype
        kind = dtype, first.image.shape[2]
        if kind not in self._ranges:
            self._ranges[kind] = self._value_range(first.image, self.source.names[first.index])
        low, high = self._ranges[kind]
        limits = np.iinfo(dtype)
        if low > limits.min or high < limits.max:
            for item in batch:
                self.clipped += bool(((item.image < low) | (item.image > high)).any())
        return self.forward.submit([item.image for item in batch], (low, high))


class Ticks:
    """Tells an observer how far the work is."""

    def __init__(
        self, view: Observer, pipeline: Pipeline, before: int, total: int, start: float
    ) -> None:
        self.view = view
        self.pipeline = pipeline
        self.before = before
        self.total = total
        self.start = start

    def __call__(self) -> None:
        seconds = max(time.perf_counter() - self.start, 1e-9)
        speed = self.pipeline.done / seconds
        step = self.before + self.pipeline.done
        self.view.tick(
            {
                "step": step,
                "images_per_s": speed,
                "eta_s": (self.total - step) / max(speed, 1e-9),
                "data_wait": min(1.0, self.pipeline.waited / seconds),
            }
        )


def finished(
    source: Source, sink: Sink, workers: int = 0, stopped: Callable[[], bool] = lambda: False
) -> list[int]:
    """Indices of the images whose input, output and labels have the manifest's hashes.

    Args:
        stopped: once true, the images not yet looked at count as not finished.
    """
    entries = sink.manifest.entries
    listed = [index for index, name in enumerate(source.names) if name in entries]

    def check(index: int) -> bool:
        if stopped():
            return False
        entry = entries[source.names[index]]
        try:
            return sink.holds(index, entry) and source.input_digest(index) == entry.input
        except (BadImage, OSError):
            return False

    with ThreadPoolExecutor(workers or None, thread_name_prefix="verify") as pool:
        held = list(pool.map(check, listed))
    return [index for index, good in zip(listed, held, strict=True) if good]


def cores() -> Sequence[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)
