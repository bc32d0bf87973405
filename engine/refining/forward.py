"""Stored pixels in, refined stored pixels out: any batch, split and tiled until it fits."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simgan.engine.data.batches import to_unit
from simgan.engine.errors import CheckpointError, DeviceMemoryError
from simgan.engine.failpoints import failpoint
from simgan.engine.precision import Precision
from simgan.engine.refining.host_memory import free_memory, is_out_of_memory
from simgan.engine.refining.tiling import MIN_TILE, forward_tiled

# On a CPU more pixels at once gain nothing: 58 images/s were measured at 64 of 35x55, and 44 to 52
# at 128 to 512.
CPU_PIXELS = 128 * 1024
CPU_TILE = 224
# cuDNN leaves its fast kernels for tensors of more elements (pytorch#128936).
MOST_ELEMENTS = 2**31 - 1
LIVE_TENSORS = 5  # feature maps alive at once in a residual block, with a copy in another layout
MEMORY_SHARE = 0.6  # of the free host memory that activations may take


@dataclass
class Pending:
    """Refined images that may still be on their way from the device."""

    parts: list[tuple[Tensor, Tensor, Any]]  # (stored [N, H, W, C] on the host, finite, event)
    dtype: np.dtype[Any]

    def result(self) -> NDArray[Any]:
        """uint8 or uint16 [N, H, W, C].

        Raises:
            CheckpointError: the refiner gave NaN or infinity.
        """
        arrays = []
        for stored, finite, event in self.parts:
            if event is not None:
                event.synchronize()
            if not bool(finite):
                raise CheckpointError(
                    "the refiner gives values that are not finite",
                    fix="Use another checkpoint, or run without --amp.",
                )
            arrays.append(stored.numpy().view(self.dtype))
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


class RefiningForward:
    """Runs a refiner over stored images.

    The result does not depend on `batch`, on how it is split, or on tiles; on a CPU, within
    `steady_threads`, not by a bit. For that one image is padded to two: convolutions of one round
    differently.

    Args:
        refiner: on any device; it is moved.
        receptive_field: of the refiner, px.
        width: features of the refiner, for the estimate of its memory.
        precision: device, arithmetic and memory format.
        batch: images at once, at most.
        tile: side of the tiles in which larger images are refined, or None for no tiles unless
            needed.
        say: takes one sentence when memory was short.

    Attributes:
        used: most images that went through the network at once, since memory was last short.
    """

    def __init__(
        self,
        refiner: nn.Module,
        *,
        receptive_field: int,
        width: int,
        precision: Precision,
        batch: int,
        tile: int | None,
        say: Callable[[str], None],
    ) -> None:
        self.precision = precision
        self.refiner = precision.module(refiner).eval()
        self.receptive_field = receptive_field
        self.batch = batch
        self.tile = tile
        self._say = say
        self._width = width
        self._pixels = self._first_limit()
        self.used = 0
        self._fitting = batch

    def _first_limit(self) -> float:
        limit = MOST_ELEMENTS / self._width
        if self.precision.device.type != "cuda":
            bytes_per_pixel = 4 * self._width * LIVE_TENSORS
            limit = min(limit, MEMORY_SHARE * free_memory() / bytes_per_pixel)
        return limit

    def at_once(self, height: int, width: int) -> int:
        """How many images of a size go through the network together: at least 1."""
        seen = self._seen_pixels(height, width)
        limit = self._pixels
        if self.precision.device.type != "cuda":
            limit = min(limit, CPU_PIXELS)
        return max(1, min(self.batch, int(limit // seen)))

    def _seen_pixels(self, height: int, width: int) -> int:
        side = self._side(height, width)
        halo = self.receptive_field - 1
        return (
            height * width if side is None else min(height, side + halo) * min(width, side + halo)
        )

    def _side(self, height: int, width: int) -> int | None:
        """Side of the tiles for images of a size, or None for no tiles."""
        if self.tile is None and height * width > self._pixels:
            fitting = int(math.sqrt(self._pixels)) - (self.receptive_field - 1)
            self._use_tiles(max(MIN_TILE, fitting // MIN_TILE * MIN_TILE), height, width)
        tile = self._comfortable_tile(height, width) if self.tile is None else self.tile
        return None if tile is None or max(height, width) <= tile else tile

    def _comfortable_tile(self, height: int, width: int) -> int | None:
        """A CPU is fastest with pieces of a few hundred pixels, the halo a small part of them."""
        if self.precision.device.type == "cuda" or 2 * height * width <= CPU_PIXELS:
            return None
        return max(CPU_TILE, 4 * (self.receptive_field - 1))

    def _use_tiles(self, side: int, height: int, width: int) -> None:
        self.tile = side
        self._say(
            f"an image of {height}\u00d7{width} does not fit; "
            f"refining it in tiles of {side}\u00d7{side}"
        )

    def submit(self, images: Sequence[NDArray[Any]], value_range: tuple[float, float]) -> Pending:
        """Refine images of one size and dtype.

        On a GPU this returns while the device computes.

        Args:
            images: uint8 or uint16 [H, W, C] each.
            value_range: stored values that are -1 and 1. Values outside are clamped on the way in
                and never come out; results are rounded half to even.
        Raises:
            DeviceMemoryError: not even one tile of one image fits.
        """
        height, width = images[0].shape[:2]
        pending = Pending([], images[0].dtype)
        start = 0
        asked = 0
        while start < len(images):
            asked = min(self.at_once(height, width), len(images) - start)
            part = self._attempt(images[start : start + asked], value_range)
            if part is None:
                self._shrink(asked, height, width)
                continue
            pending.parts.append(part)
            self.used = max(self.used, asked)
            start += asked
        self._report(height, width)
        return pending

    def _attempt(
        self, images: Sequence[NDArray[Any]], value_range: tuple[float, float]
    ) -> tuple[Tensor, Tensor, Any] | None:
        """The refined images, or None when memory is short."""
        try:
            return self._refine(images, value_range)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler: the exception holds the tensors that are in the way.
        if self.precision.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _shrink(self, count: int, height: int, width: int) -> None:
        self.used = 0
        if count > 1:
            self._pixels = (count // 2) * self._seen_pixels(height, width)
            return
        side = self._side(height, width)
        smaller = (max(height, width) if side is None else side) // 2
        if smaller < MIN_TILE:
            device, tried = self.precision.device, side or max(height, width)
            raise DeviceMemoryError(
                f"one image of {height}\u00d7{width} does not fit into the memory of {device}, "
                f"not even in tiles of {tried}\u00d7{tried}",
                fix="Free memory, or use --device cpu.",
            )
        self._use_tiles(smaller, height, width)
        self._pixels = max(self._pixels, self._seen_pixels(height, width))

    def _report(self, height: int, width: int) -> None:
        fitting = max(1, min(self.batch, int(self._pixels // self._seen_pixels(height, width))))
        if fitting < self._fitting:
            self._say(f"batch {self.batch} does not fit; refining {fitting:,} at a time")
        self._fitting = min(self._fitting, fitting)

    @torch.inference_mode()
    def _refine(
        self, images: Sequence[NDArray[Any]], value_range: tuple[float, float]
    ) -> tuple[Tensor, Tensor, Any]:
        failpoint("refine.batch")
        gpu = self.precision.device.type == "cuda"
        stored = upload(images, pinned=gpu).to(self.precision.device, non_blocking=True)
        x = to_unit(stored, value_range).clamp_(-1.0, 1.0)
        with self.precision.autocast():
            side = self._side(*x.shape[-2:])
            if side is None:
                y = self._network(x)
            else:
                field, pieces = self.receptive_field, 2 if len(x) == 1 else 1
                y = forward_tiled(
                    self._network, x, tile=side, receptive_field=field, at_once=pieces
                )
        y = y.float()
        finite = torch.isfinite(y).all()
        values = from_unit(y, value_range, images[0].dtype)
        if not gpu:
            return values, finite, None
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        finite_host = torch.empty((), dtype=torch.bool, pin_memory=True)
        finite_host.copy_(finite, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        return host, finite_host, event

    def _network(self, x: Tensor) -> Tensor:
        alone = len(x) == 1 and (
            x.device.type != "cuda" or 2 * x.shape[-1] * x.shape[-2] <= CPU_PIXELS
        )
        if alone:
            x = torch.cat((x, x))
        y: Tensor = self.refiner(self.precision.images(x))
        return y[:1] if alone else y


@contextmanager
def steady_threads(device: torch.device) -> Iterator[None]:
    """At least two CPU threads for the length of a `with` block.

    With one thread torch 2.13 takes another convolution for less than 16 images (its rule for
    oneDNN), and results would depend on the batch. Two threads on one core cost nothing.
    """
    before = torch.get_num_threads()
    if device.type == "cuda" or before > 1:
        yield
        return
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def upload(images: Sequence[NDArray[Any]], *, pinned: bool) -> Tensor:
    """Images as one tensor [N, H, W, C]; uint16 as int16, which every device supports."""
    dtype = torch.uint8 if images[0].dtype == np.uint8 else torch.int16
    batch = torch.empty((len(images), *images[0].shape), dtype=dtype, pin_memory=pinned)
    np.stack(images, out=batch.numpy().view(images[0].dtype))
    return batch


def from_unit(y: Tensor, value_range: tuple[float, float], dtype: np.dtype[Any]) -> Tensor:
    """The reverse of `to_unit`: float [N, C, H, W] to stored values [N, H, W, C].

    uint8, or uint16 seen as int16. Rounds half to even; clamps to the part of `value_range` that
    the dtype can hold.
    """
    low, high = value_range
    limits = np.iinfo(dtype)
    values = (y + 1.0).mul_((high - low) / 2.0).add_(low).round_()
    values.clamp_(max(math.ceil(low), limits.min), min(math.floor(high), limits.max))
    values = values.permute(0, 2, 3, 1)
    if dtype == np.uint8:
        return values.to(torch.uint8).contiguous()
    # Through int32: a float beyond 32767 has no defined conversion to int16.
    return values.to(torch.int32).to(torch.int16).contiguous()
