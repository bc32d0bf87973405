"""Threads that read images ahead of the network, in an order that no thread decides."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from simgan.engine.data.pixels import resize
from simgan.engine.data.problems import BadImage, Problem
from simgan.engine.data.source import Origin, Source

CHUNK = 32  # images per task: small ones decode in microseconds
MOST_WAITING_BYTES = 512 * 2**20  # decoded pixels that may wait for the network


@dataclass(frozen=True)
class Decoded:
    """One image, ready to be refined."""

    index: int
    image: NDArray[Any]
    origin: Origin


class Decoders:
    """Reads a source with a pool of threads, in order, with bounded memory.

    Args:
        source: what to read.
        size: height and width that images are resized to, or None for their own.
        workers: threads.
        at_once: from height and width, how many images the network takes together.

    Attributes:
        problems: images that could not be read.
        waited: seconds in which the caller waited for decoded images.
    """

    def __init__(
        self,
        source: Source,
        *,
        size: tuple[int, int] | None,
        workers: int,
        at_once: Callable[[int, int], int],
    ) -> None:
        self.source = source
        self.size = size
        self.workers = workers
        self.problems: list[Problem] = []
        self.waited = 0.0
        self._at_once = at_once
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")

    def batches(self, todo: Sequence[int]) -> Iterator[list[Decoded]]:
        """Images of one size and dtype, a network's load at a time; rests come last.

        Args:
            todo: indices into the source, ascending.
        """
        groups: dict[tuple[Any, ...], list[Decoded]] = {}
        full: dict[tuple[Any, ...], int] = {}
        waiting = 0
        for item in self._images(todo):
            key = (*item.image.shape, item.image.dtype)
            group = groups.get(key)
            if group is None:
                group = groups[key] = []
                full[key] = self._at_once(*item.image.shape[:2])
            group.append(item)
            waiting += item.image.nbytes
            if len(group) >= full[key]:
                waiting -= sum(member.image.nbytes for member in group)
                yield groups.pop(key)
            elif waiting > MOST_WAITING_BYTES:
                oldest = groups.pop(next(iter(groups)))
                waiting -= sum(member.image.nbytes for member in oldest)
                yield oldest
        yield from groups.values()

    def close(self) -> None:
        """End the threads; what they have not begun is dropped."""
        self._pool.shutdown(cancel_futures=True)

    def _images(self, todo: Sequence[int]) -> Iterator[Decoded]:
        """Decoded images in order; as many ahead as the batch and the memory allow."""
        waiting: deque[Future[list[Decoded | Problem]]] = deque()
        position, chunk, ahead = 0, 1, self.workers  # until the size of an image is known
        while position < len(todo) or waiting:
            while position < len(todo) and len(waiting) < ahead:
                part = todo[position : position + chunk]
                waiting.append(self._pool.submit(self._decode, part))
                position += len(part)
            start = time.perf_counter()
            items = waiting.popleft().result()
            self.waited += time.perf_counter() - start
            self.problems += [item for item in items if isinstance(item, Problem)]
            images = [item for item in items if isinstance(item, Decoded)]
            if images:
                largest = max((item.image for item in images), key=lambda image: image.nbytes)
                room = max(1, MOST_WAITING_BYTES // largest.nbytes)
                chunk = min(CHUNK, max(1, room // (4 * self.workers)))
                wanted = 2 * self._at_once(*largest.shape[:2]) + 2 * chunk * self.workers
                ahead = max(self.workers, min(room, wanted) // chunk)
            yield from images

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
