"""Threads that write refined images into a sink, and the record of what is written."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from simgan.engine.data.refined_manifest import Entry
from simgan.engine.data.sinks import Sink
from simgan.engine.refining.decoders import CHUNK, Decoded

ON_THE_WAY = 2  # batches that may wait for the disk


class Encoders:
    """Writes batches with a pool of threads; claims them first and records them in order.

    Args:
        sink: where the images go.
        workers: threads.
        tick: called after each batch that is recorded.

    Attributes:
        done: images recorded.
    """

    def __init__(
        self, sink: Sink, *, workers: int, tick: Callable[[], None] = lambda: None
    ) -> None:
        self.sink = sink
        self.workers = workers
        self.tick = tick
        self.done = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="encode")
        self._writing: deque[list[Future[list[Entry]]]] = deque()

    def put(self, batch: Sequence[Decoded], images: NDArray[Any]) -> None:
        """Begin to write one batch; waits when several are on their way.

        Args:
            batch: what was refined.
            images: uint8 or uint16 [N, H, W, C], refined, in the order of `batch`.
        """
        self.sink.manifest.claim([file for item in batch for file in self.sink.claims(item.index)])
        chunk = max(1, min(CHUNK, len(batch) // self.workers))
        parts = (slice(start, start + chunk) for start in range(0, len(batch), chunk))
        self._writing.append(
            [self._pool.submit(self._write, batch[part], images[part]) for part in parts]
        )
        while len(self._writing) > ON_THE_WAY:
            self._record()

    def finish(self) -> None:
        """Wait until everything is written and recorded."""
        while self._writing:
            self._record()

    def close(self) -> None:
        """End the threads; what they have not begun is dropped."""
        self._pool.shutdown(cancel_futures=True)

    def _write(self, items: Sequence[Decoded], images: NDArray[Any]) -> list[Entry]:
        return [
            self.sink.write(item.index, image, item.origin)
            for item, image in zip(items, images, strict=True)
        ]

    def _record(self) -> None:
        entries = [entry for future in self._writing.popleft() for entry in future.result()]
        self.sink.manifest.record(entries)
        self.done += len(entries)
        self.tick()
