"""The history of refined images that keeps the discriminator from forgetting (section 2.3)."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from simgan.kernels import history_replace_


class HistoryBuffer:
    """B refined images on the device. Starts empty, fills, then keeps its size.

    Slots are drawn without replacement, by a generator of its own that is part of `state_dict`:
    two equal slots in one update would race between threads and would not be "b/2 random entries".

    Args:
        capacity: B.
        image_shape: (C, H, W).
        device: where the images are.
        dtype: of the images, as they are kept and saved.
        seed: of the slots.
    """

    def __init__(
        self,
        capacity: int,
        image_shape: tuple[int, int, int],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.images = torch.zeros((capacity, *image_shape), device=device, dtype=dtype)
        self.size = 0
        self._slots = torch.Generator(device).manual_seed(seed)

    def __len__(self) -> int:
        return self.size

    def draw_slots(self, count: int) -> Tensor:
        """`count` distinct random slots of those in use, int64 [count] on the device."""
        if count > self.size:
            raise ValueError(
                f"count must be at most the {self.size} images in the history, got {count}"
            )
        order = torch.randperm(self.size, generator=self._slots, device=self.images.device)
        return order[:count]

    def sample(self, count: int) -> Tensor:
        """`count` different images of the history, [count, C, H, W]."""
        return self.images.index_select(0, self.draw_slots(count))

    def push(self, refined: Tensor, backend: str | None = None) -> None:
        """Take in new images: into free slots first, then over random distinct ones, in place.

        Args:
            refined: [k, C, H, W] with k <= capacity.
        """
        count = refined.shape[0]
        if count > self.capacity:
            raise ValueError(f"at most {self.capacity} images fit into the history, got {count}")
        free = min(self.capacity - self.size, count)
        # Random slots are drawn among the older images, so that nothing just written is
        # overwritten.
        drawn = self.draw_slots(count - free)
        fresh = torch.arange(self.size, self.size + free, device=self.images.device)
        self.size += free
        new = refined.detach().to(self.images.dtype).contiguous()
        history_replace_(self.images, new, torch.cat((fresh, drawn)), backend=backend)

    def state_dict(self) -> dict[str, Tensor]:
        """The images in use and the state of the slot generator."""
        return {"images": self.images[: self.size], "slots": self._slots.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`; the capacity may not have shrunk below its images.

        The generator of another kind of device cannot go on; a new one is then seeded by its state.
        """
        images = state["images"]
        if images.shape[0] > self.capacity or images.shape[1:] != self.images.shape[1:]:
            raise ValueError(
                f"history of {tuple(images.shape)} does not fit into {tuple(self.images.shape)}"
            )
        self.size = images.shape[0]
        self.images[: self.size].copy_(images)
        slots = state["slots"].cpu()
        if slots.shape == self._slots.get_state().shape:
            self._slots.set_state(slots)
        else:
            seed = hashlib.blake2b(slots.numpy().tobytes(), digest_size=7).digest()
            self._slots.manual_seed(int.from_bytes(seed))
