"""What the coming steps draw, and which they are: on the device, so that no step asks the host.

The order of the images stays a function of seed and position. Before a stretch of steps the host
looks up the images of all of them and uploads their indices at once; a step then finds its own by a
counter on the device.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from simgan.engine.data.batches import Batches

LONGEST = 100  # steps of a stretch, at most


class Schedule:
    """Draws images for steps that are planned in stretches.

    Args:
        batches: the image sets by kind, "synthetic" and "real"; those that are streamed to the
            device are drawn from as they come.
        device: where the batches are.

    Attributes:
        step: int64 [], number of the step under way.
    """

    def __init__(self, batches: Mapping[str, Batches], device: torch.device) -> None:
        self._batches = batches
        self._counters = torch.zeros(2, dtype=torch.int64, device=device)
        self.step = self._counters[0]
        self._row = self._counters[1:]
        self._widths: dict[str, int] = {}
        self._indices: dict[str, Tensor] = {}  # [LONGEST, images per step]
        self._left: dict[str, Tensor] = {}  # of the step under way

    def plan(self, step: int, length: int, widths: Mapping[str, int]) -> None:
        """Prepare a stretch: the one time that indices go to the device.

        Args:
            step: number of its first step.
            length: steps in it, 1 to LONGEST.
            widths: images that each of them draws, by kind.
        """
        assert 1 <= length <= LONGEST
        self._counters.zero_()
        self.step.fill_(step)
        self._widths = dict(widths)
        for kind, width in widths.items():
            batches = self._batches[kind]
            if not batches.resident:
                continue
            # A captured step reads these addresses, so a buffer that fits is used again.
            if kind not in self._indices or self._indices[kind].shape[1] != width:
                self._indices[kind] = self._counters.new_zeros((LONGEST, width))
            coming = batches.coming(length * width).view(length, width)
            self._indices[kind][:length].copy_(coming, non_blocking=True)

    def begin_step(self) -> None:
        """Look up the images of the step that begins."""
        self._left = {
            kind: self._indices[kind].index_select(0, self._row)[0]
            for kind in self._widths
            if self._batches[kind].resident
        }

    def draw(self, kind: str, count: int) -> Tensor:
        """The next `count` images of a set, float [count, C, H, W] in [-1, 1]."""
        if not self._batches[kind].resident:
            return self._batches[kind].next(count)
        index, self._left[kind] = self._left[kind].tensor_split([count])
        assert index.shape[0] == count, "a step drew more than was planned"
        return self._batches[kind].gather(index)

    def end_step(self) -> None:
        """Count the step on the device."""
        self._counters.add_(1)

    def step_done(self) -> None:
        """Move the positions of the sets past a step, on the host; a replayed step cannot."""
        for kind, width in self._widths.items():
            if self._batches[kind].resident:
                self._batches[kind].skip(width)
