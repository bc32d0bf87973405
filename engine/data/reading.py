"""Reading a whole source with a pool of threads, in order, with bounded memory."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from simgan.engine.data.source import Source
from simgan.engine.errors import DataError

CHUNK = 32  # images per task: small images decode in microseconds
Item = tuple[int, NDArray[Any] | DataError]


def read_in_order(source: Source, workers: int = 0) -> Iterator[Item]:
    """Every image as (index, pixels), or as (index, error) where reading failed.

    Args:
        source: what to read.
        workers: threads; 0 for one per core.
    """
    workers = workers or os.cpu_count() or 1
    starts = iter(range(0, len(source), CHUNK))
    pending: deque[Future[list[Item]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for start in starts:
                pending.append(pool.submit(_read_chunk, source, start))
                if len(pending) > 2 * workers:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _read_chunk(source: Source, start: int) -> list[Item]:
    items: list[Item] = []
    for index in range(start, min(start + CHUNK, len(source))):
        try:
            items.append((index, source.read(index)))
        except DataError as error:
            items.append((index, error))
    return items
