"""Endless shuffled mini-batches, resident on the device or streamed to it.

The order is a pure function of seed and position, so that the position - one integer - is all
there is to save, and a resumed run draws exactly the images it would have drawn.
"""

import hashlib
import queue
import threading
import time
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simgan.engine.data.packing import ImageArray

RESIDENT_SHARE = 0.4  # of the free device memory that the images may take
PREFETCH = 3  # batches on their way to the device


class Order:
    """Which images come when: one permutation of the set per epoch, drawn from (seed, name, epoch).

    Args:
        count: images in the set.
        seed: of the run.
        name: keeps the orders of several sets apart.

    Attributes:
        weights: [count] where images come as often as these say, else None.
    """

    def __init__(self, count: int, seed: int, name: str) -> None:
        self.count = count
        self.seed = seed
        self.name = name
        self.weights: NDArray[np.float64] | None = None
        self._cached: tuple[int, Tensor] | None = None

    def epoch(self, number: int) -> Tensor:
        """The permutation of one epoch, int64 [count]."""
        kept = self._cached  # one read: the prefetching thread may be in another epoch
        if kept is None or kept[0] != number:
            kept = (number, self._draw(number))
            self._cached = kept
        return kept[1]

    def _draw(self, number: int) -> Tensor:
        return torch.randperm(self.count, generator=self._generator(str(number)))

    def _generator(self, what: str) -> torch.Generator:
        key = hashlib.blake2b(f"{self.seed}/{self.name}/{what}".encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(key) >> 1)

    def forget(self) -> None:
        """Drop the kept permutation, after `name` has changed."""
        self._cached = None

    def slice(self, position: int, length: int) -> Tensor:
        """Indices of the `length` images from `position` on, across epochs, int64 [length]."""
        parts = [torch.empty(0, dtype=torch.int64)]
        while length > 0:
            epoch, offset = divmod(position, self.count)
            part = self.epoch(epoch)[offset : offset + length]
            parts.append(part)
            position += len(part)
            length -= len(part)
        return torch.cat(parts)


class WeightedOrder(Order):
    """An order in which images come as often as their weights say; each epoch as long as the set.

    In every epoch image i comes floor or ceil of N w_i / sum(w) times (systematic resampling with
    a start drawn for the epoch), in random places. Equal weights give the plain order.

    Args:
        weights: float64 [N], not negative, not all zero.
        seed, name: as of `Order`.
    """

    def __init__(self, weights: NDArray[np.float64], seed: int, name: str) -> None:
        super().__init__(len(weights), seed, name)
        self.weights: NDArray[np.float64] = weights

    def _draw(self, number: int) -> Tensor:
        start = torch.rand((), dtype=torch.float64, generator=self._generator(f"{number}/copies"))
        rows = np.repeat(np.arange(self.count), copies(self.weights, float(start)))
        return torch.from_numpy(rows)[super()._draw(number)]


def copies(weights: NDArray[np.float64], start: float) -> NDArray[np.int64]:
    """How often each of N images comes in N systematic draws, int64 [N], N in all.

    Args:
        weights: [N], not negative, not all zero.
        start: in [0, 1).
    """
    count = len(weights)
    upto = np.cumsum(weights)
    marks = np.floor(upto * (count / upto[-1]) + start + 1e-9).astype(np.int64)
    marks[np.flatnonzero(weights)[-1] :] = count  # rounding must not lose the last one
    found: NDArray[np.int64] = np.diff(marks, prepend=0)
    return found


class Batches:
    """Endless batches of one image set, float [batch, C, H, W] in [-1, 1] on the device.

    Args:
        array: the packed images.
        seed: of the run.
        name: of the order; the synthetic and the real set have different ones.
        device: where the batches go.
        resident: keep all images on the device (default: when they fit).

    Attributes:
        position: images drawn so far; set it to continue elsewhere.
        waited: seconds spent waiting for data.
    """

    def __init__(
        self,
        array: ImageArray,
        *,
        seed: int,
        name: str,
        device: torch.device,
        resident: bool | None = None,
    ) -> None:
        self.array = array
        self.order = Order(len(array.names), seed, name)
        self.device = device
        self.resident = _fits(array, device) if resident is None else resident
        self.waited = 0.0
        self._position = 0
        self._images = stored_tensor(array.images)
        if self.resident:
            self._images = self._images.to(device)
        self._stream: _Stream | None = None
        self._left = self._images[:0].to(device)

    @property
    def position(self) -> int:
        return self._position

    @position.setter
    def position(self, value: int) -> None:
        self._position = value
        self.close()

    def next(self, batch: int) -> Tensor:
        """The next `batch` images."""
        start = time.perf_counter()
        if self.resident:
            index = self.order.slice(self._position, batch).to(self.device, non_blocking=True)
            stored = self._images.index_select(0, index)
        else:
            stored = self._streamed(batch)
        self._position += batch
        self.waited += time.perf_counter() - start
        return self._unit(stored)

    def coming(self, count: int) -> Tensor:
        """Which images the next `count` are, int64 [count], where a GPU can fetch it by itself."""
        start = time.perf_counter()
        index = self.order.slice(self._position, count)
        if self.device.type == "cuda":
            index = index.pin_memory()
        self.waited += time.perf_counter() - start
        return index

    def gather(self, index: Tensor) -> Tensor:
        """The images of an int64 [n] index on the device; for resident sets, and moves nothing."""
        return self._unit(self._images.index_select(0, index))

    def skip(self, count: int) -> None:
        """Move on by `count` images that were gathered."""
        self._position += count

    def pick(self, indices: list[int]) -> Tensor:
        """Particular images, as `next` gives them; moves nothing."""
        stored = self._images.index_select(0, torch.tensor(indices, device=self._images.device))
        return self._unit(stored.to(self.device))

    def _unit(self, stored: Tensor) -> Tensor:
        return to_unit(stored, self.array.value_range)

    def _streamed(self, batch: int) -> Tensor:
        """Updates ask for whole and half batches; chunks of one size are cut to measure."""
        if self._stream is None:
            self._stream = _Stream(self, self._position, batch)
        while self._left.shape[0] < batch:
            self._left = torch.cat((self._left, self._stream.get()))
        stored, self._left = self._left[:batch], self._left[batch:]
        return stored

    def close(self) -> None:
        """Stop the prefetching thread, if there is one."""
        if self._stream is not None:
            self._stream.stop()
            self._stream = None
        self._left = self._images[:0].to(self.device)


class _Stream:
    """A thread that gathers the coming batches from the memory map into pinned memory."""

    def __init__(self, owner: Batches, position: int, batch: int) -> None:
        self.batch = batch
        self._owner = owner
        self._ready: queue.Queue[Tensor | BaseException] = queue.Queue(PREFETCH)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(position,), daemon=True)
        self._thread.start()

    def _run(self, position: int) -> None:
        pinned = self._owner.device.type == "cuda"
        item: Tensor | BaseException
        while not self._stopped.is_set():
            try:
                index = self._owner.order.slice(position, self.batch)
                # Ascending reads are kind to the page cache; the batch is put back in its own
                # order.
                ascending, places = index.sort()
                gathered = self._owner._images.index_select(0, ascending)
                item = torch.empty_like(gathered, pin_memory=pinned)
                item[places] = gathered
            except BaseException as error:  # handed to the consumer, which raises it
                item = error
            position += self.batch
            while not self._stopped.is_set():
                try:
                    self._ready.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue

    def get(self) -> Tensor:
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item.to(self._owner.device, non_blocking=True)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


def stored_tensor(images: np.ndarray) -> Tensor:
    """The memory map as a tensor, no copy; uint16 as int16, which every operation supports."""
    if images.dtype == np.uint16:
        images = images.view(np.int16)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")  # nothing here writes
        return torch.from_numpy(images)


def _fits(array: ImageArray, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return array.images.nbytes <= RESIDENT_SHARE * free


def to_unit(
    stored: Tensor,  # [N, H, W, C] uint8, or uint16 seen as int16
    value_range: tuple[float, float],
) -> Tensor:
    """Stored values to float [N, C, H, W]: `value_range` linearly to [-1, 1], clamped."""
    eight_bit = stored.dtype == torch.uint8
    if stored.dtype == torch.int16:
        stored = stored.to(torch.int32) & 0xFFFF
    low, high = value_range
    x = stored.permute(0, 3, 1, 2).to(torch.float32)
    x = (x - low).mul_(2.0 / (high - low)).sub_(1.0)
    covers_dtype = eight_bit and (low, high) == (0.0, 255.0)
    return x if covers_dtype else x.clamp_(-1.0, 1.0)
