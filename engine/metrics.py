"""Running sums of metrics on the device; the host reads them once a tick."""

from collections.abc import Mapping

import torch
from torch import Tensor

NO_STEP = 2**62


class MetricSums:
    """Sums of named scalars since the last read, and the first step at which one was not finite.

    Nothing here waits for the device except `read` and `first_bad`.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._first_bad: dict[str, Tensor] = {}

    def add(self, source: str, values: Mapping[str, Tensor], step: int) -> None:
        """Add one value of each metric, scalars on the device; note whether all were finite.

        Args:
            source: whose update they come from, "refiner" or "discriminator".
            values: detached scalars.
            step: number of that update's step.
        """
        stacked = torch.stack([value.float() for value in values.values()])
        here = torch.where(torch.isfinite(stacked).all(), NO_STEP, step)
        self._first_bad[source] = torch.minimum(self._first_bad.get(source, here), here)
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

    def first_bad(self) -> tuple[str, int] | None:
        """Source and step of the first value that was not finite, or None. Waits for the device."""
        if not self._first_bad:
            return None
        sources = list(self._first_bad)
        steps: list[int] = torch.stack([self._first_bad[source] for source in sources]).tolist()
        # Within a step the refiner is updated first, and its trouble becomes the discriminator's.
        order = sorted(zip(steps, sources, strict=True), key=lambda it: (it[0], it[1] != "refiner"))
        step, source = order[0]
        return None if step == NO_STEP else (source, step)

    def forgive(self) -> None:
        """Forget sums and bad steps, after a rollback."""
        self._sums.clear()
        self._counts.clear()
        self._first_bad.clear()

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
