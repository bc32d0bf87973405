"""The history of refined images that keeps the discriminator from forgetting (section 2.3)."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from simgan.kernels import draw_slots_, history_exchange_, history_replace_


class HistoryBuffer:
    """B refined images on the device. Starts empty, fills, then keeps its size.

    Slots are drawn without replacement, by a generator of its own that is part of `state_dict`:
    two equal slots in one update would race between threads and would not be "b/2 random entries".

    Args:
        capacity: B.
        image_shape: (C, H, W).
        device: where the images are.
        dtype: of the images, as they are kept and saved.
        memory_format: of the images: that of the networks, so that none is turned around.
        seed: of the slots.

    Attributes:
        images: [B, C, H, W], the first `len(history)` in use.
        slots: int64 [2] on the device, (seed, number of the next draw); the same slots on every
            kind of device.
    """

    def __init__(
        self,
        capacity: int,
        image_shape: tuple[int, int, int],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        memory_format: torch.memory_format = torch.contiguous_format,
        seed: int = 0,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.memory_format = memory_format
        self.images = torch.empty(
            (capacity, *image_shape), device=device, dtype=dtype, memory_format=memory_format
        ).zero_()
        self.size = 0
        self.slots = torch.tensor([seed, 0], device=device)

    def __len__(self) -> int:
        return self.size

    def exchange(self, refined: Tensor, backends: Mapping[str, str] | None = None) -> Tensor:
        """Take in k refined images and give k different older ones.

        A full history gives k random images and then replaces k random ones, both drawn from its
        old contents, in one op without waiting for the device. Before that, images go into free
        slots first.

        Args:
            refined: [k, C, H, W] with k <= `len(history)`.
            backends: op to the backend asked for; the other ops choose the best available.

        Returns:
            [k, C, H, W], a copy, in the dtype of the history.
        """
        count = refined.shape[0]
        if count > self.size:
            raise ValueError(
                f"refined must hold at most {self.size} images, as many as the history, got {count}"
            )
        if self.size == self.capacity:
            asked = (backends or {}).get("history_exchange")
            return history_exchange_(self.images, self._kept(refined), self.slots, backend=asked)
        sampled, replaced = draw_slots_(self.slots, count, self.size).unbind()
        old = self.images.index_select(0, sampled)
        self._write(refined, replaced, backends)
        return old

    def push(self, refined: Tensor, backends: Mapping[str, str] | None = None) -> None:
        """Take in new images: into free slots first, then over random distinct ones, in place.

        Args:
            refined: [k, C, H, W] with k <= capacity.
            backends: as in `exchange`.
        """
        count = refined.shape[0]
        if count > self.capacity:
            raise ValueError(f"at most {self.capacity} images fit into the history, got {count}")
        # Random slots are drawn among the older images, so that nothing just written is
        # overwritten.
        drawn = draw_slots_(self.slots, min(count, self.size), self.size)[1]
        self._write(refined, drawn, backends)

    def _write(self, refined: Tensor, replaced: Tensor, backends: Mapping[str, str] | None) -> None:
        """Into free slots, then into the first of `replaced`."""
        count = refined.shape[0]
        free = min(self.capacity - self.size, count)
        fresh = torch.arange(self.size, self.size + free, device=self.images.device)
        self.size += free
        slots = torch.cat((fresh, replaced[: count - free]))
        asked = (backends or {}).get("history_replace")
        history_replace_(self.images, self._kept(refined), slots, backend=asked)

    def _kept(self, refined: Tensor) -> Tensor:
        kept = refined.detach().to(self.images.dtype)
        return kept.contiguous(memory_format=self.memory_format)

    def state_dict(self) -> dict[str, Tensor]:
        """The images in use and the state of the slot generator."""
        return {"images": self.images[: self.size], "slots": self.slots}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`; the capacity may not have shrunk below its images.

        The generator state of an earlier version cannot go on; it then seeds the slots.
        """
        images = state["images"]
        if images.shape[0] > self.capacity or images.shape[1:] != self.images.shape[1:]:
            raise ValueError(
                f"history of {tuple(images.shape)} does not fit into {tuple(self.images.shape)}"
            )
        self.size = images.shape[0]
        self.images[: self.size].copy_(images)
        slots = state["slots"].cpu()
        if slots.dtype != torch.int64 or slots.shape != self.slots.shape:
            seed = hashlib.blake2b(slots.numpy().tobytes(), digest_size=7).digest()
            slots = torch.tensor([int.from_bytes(seed), 0])
        self.slots.copy_(slots)
