"""Decode, refine and encode at the same time, in an order that no thread decides."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.data.pixels import resize
from simgan.engine.data.problems import BadImage, Problem
from simgan.engine.data.refined_manifest import Entry
from simgan.engine.data.sinks import Sink
from simgan.engine.data.source import Origin, Source
from simgan.engine.observer import Observer
from simgan.engine.refining.forward import Pending, RefiningForward

CHUNK = 32  # images per task: small ones decode in microseconds
MOST_WAITING_BYTES = 512 * 2**20  # decoded pixels that may wait for the network
ON_THE_WAY = 2  # batches in the network's queue, so that a GPU never waits for the host


@dataclass(frozen=True)
class Decoded:
    """One image, ready to be refined."""

    index: int
    image: NDArray[Any]
    origin: Origin


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
        problems: images that could not be read.
        done: images recorded in this run.
        waited: seconds in which the network waited for decoded images.
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
        self.source = source
        self.sink = sink
        self.forward = forward
        self.size = size
        self.workers = workers or len(_cores())
        self.problems: list[Problem] = []
        self.done = 0
        self.clipped = 0
        self.waited = 0.0
        self._value_range = value_range
        self._ranges: dict[tuple[np.dtype[Any], int], tuple[float, float]] = {}
        self._encoding: deque[list[Future[list[Entry]]]] = deque()

    def run(
        self, todo: Sequence[int], *, stopped: Callable[[], bool], tick: Callable[[], None]
    ) -> None:
        """Refine the images at `todo`.

        Args:
            todo: indices into the source, ascending.
            stopped: asked between batches; when true, what is on the way is finished and no more
                begun.
            tick: called after each batch that is recorded.
        """
        decoders = ThreadPoolExecutor(self.workers, thread_name_prefix="decode")
        encoders = ThreadPoolExecutor(self.workers, thread_name_prefix="encode")
        refining: deque[tuple[list[Decoded], Pending]] = deque()
        depth = ON_THE_WAY if self.forward.precision.device.type == "cuda" else 0
        try:
            for batch in self._batches(self._decoded(decoders, todo)):
                if stopped():
                    break
                refining.append((batch, self._submit(batch)))
                while len(refining) > depth:
                    self._encode(encoders, *refining.popleft())
                while len(self._encoding) > ON_THE_WAY:
                    self._record(tick)
            while refining:
                self._encode(encoders, *refining.popleft())
            while self._encoding:
                self._record(tick)
        finally:
            decoders.shutdown(cancel_futures=True)
            encoders.shutdown(cancel_futures=True)

    def _decoded(self, pool: ThreadPoolExecutor, todo: Sequence[int]) -> Iterator[Decoded]:
        """Decoded images in order; as many ahead as the batch and the memory allow."""
        waiting: deque[Future[list[Decoded | Problem]]] = deque()
        position, chunk, ahead = 0, 1, self.workers  # until the size of an image is known
        while position < len(todo) or waiting:
            while position < len(todo) and len(waiting) < ahead:
                part = todo[position : position + chunk]
                waiting.append(pool.submit(self._decode, part))
                position += len(part)
            start = time.perf_counter()
            items = waiting.popleft().result()
            self.waited += time.perf_counter() - start
            for item in items:
                if isinstance(item, Problem):
                    self.problems.append(item)
                    continue
                room = max(1, MOST_WAITING_BYTES // item.image.nbytes)
                chunk = min(CHUNK, max(1, room // (4 * self.workers)))
                wanted = 2 * self.forward.at_once(*item.image.shape[:2]) + 2 * chunk * self.workers
                ahead = max(self.workers, min(room, wanted) // chunk)
                yield item

    def _decode(self, indices: Sequence[int]) -> list[Decoded | Problem]:
        items: list[Decoded | Problem] = []
        for index in indices:
            try:
                image, origin = self.source.load(index)
            except BadImage as error:
                items.append(Problem(self.source.names[index], error.reason))
                continue
            if self.size is not None:
                image = resize(image, *self.size)
            items.append(Decoded(index, image, origin))
        return items

    def _batches(self, images: Iterator[Decoded]) -> Iterator[list[Decoded]]:
        """Images of one size and dtype, a network's load at a time; rests come last."""
        groups: dict[tuple[Any, ...], list[Decoded]] = {}
        waiting = 0
        for item in images:
            key = (*item.image.shape, item.image.dtype)
            group = groups.setdefault(key, [])
            group.append(item)
            waiting += item.image.nbytes
            if len(group) >= self.forward.at_once(*item.image.shape[:2]):
                waiting -= sum(member.image.nbytes for member in group)
                yield groups.pop(key)
            elif waiting > MOST_WAITING_BYTES:
                oldest = groups.pop(next(iter(groups)))
                waiting -= sum(member.image.nbytes for member in oldest)
                yield oldest
        yield from groups.values()

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

    def _encode(self, pool: ThreadPoolExecutor, batch: list[Decoded], pending: Pending) -> None:
        images = pending.result()
        self.sink.manifest.claim([file for item in batch for file in self.sink.claims(item.index)])
        chunk = max(1, min(CHUNK, len(batch) // self.workers))
        futures = []
        for start in range(0, len(batch), chunk):
            part = slice(start, start + chunk)
            futures.append(pool.submit(self._write, batch[part], images[part]))
        self._encoding.append(futures)

    def _write(self, items: list[Decoded], images: NDArray[Any]) -> list[Entry]:
        return [
            self.sink.write(item.index, image, item.origin)
            for item, image in zip(items, images, strict=True)
        ]

    def _record(self, tick: Callable[[], None]) -> None:
        entries = [entry for future in self._encoding.popleft() for entry in future.result()]
        self.sink.manifest.record(entries)
        self.done += len(entries)
        tick()


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


def _cores() -> Sequence[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)
