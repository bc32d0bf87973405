"""Running sums of metrics on the device; the host reads them once a tick."""

from collections.abc import Mapping

import torch
from torch import Tensor

NO_STEP = 2**62


class MetricSums:
    """Sums of named scalars since the last read, and the first step at which one was not finite.

    Nothing here waits for the device except `read` and `first_bad_step`.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._first_bad = torch.full((), NO_STEP, dtype=torch.int64, device=device)

    def add(self, values: Mapping[str, Tensor], step: int) -> None:
        """Add one value of each metric, scalars on the device; note whether all were finite.

        Args:
            values: detached scalars.
            step: number of the update they come from.
        """
        stacked = torch.stack([value.float() for value in values.values()])
        here = torch.where(torch.isfinite(stacked).all(), NO_STEP, step)
        self._first_bad = torch.minimum(self._first_bad, here)
        for name, value in zip(values, stacked.double().unbind(), strict=True):
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        """Mean of every metric since the last read; starts over."""
        if not self._sums:
            return {}
        names = list(self._sums)
        sums: list[float] = torch.stack([self._sums[name] for name in names]).tolist()
        means = {name: total / self._counts[name] for name, total in zip(names, sums, strict=True)}
        self._sums.clear()
        self._counts.clear()
        return means

    def first_bad_step(self) -> int | None:
        """The first step with a value that was not finite, or None."""
        step = int(self._first_bad.item())
        return None if step == NO_STEP else step

    def forgive(self) -> None:
        """Forget sums and bad steps, after a rollback."""
        self._sums.clear()
        self._counts.clear()
        self._first_bad.fill_(NO_STEP)

    def state_dict(self) -> dict[str, Tensor]:
        """Sums and counts, so that a resumed run reports the same means."""
        return {
            name: torch.stack((total.cpu(), torch.tensor(float(self._counts[name])).double()))
            for name, total in self._sums.items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a `state_dict`."""
        self.forgive()
        for name, pair in state.items():
            self._sums[name] = pair[0].to(self.device)
            self._counts[name] = int(pair[1].item())
