"""Running sums of metrics on the device; the host reads them once a tick."""

from collections.abc import Mapping

import torch
from torch import Tensor

NO_STEP = 2**62


class _Sums:
    """What is known of one source: float64 [2, names], sums and how many values; its first bad."""

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self.names = names
        self.values = torch.zeros((2, len(names)), dtype=torch.float64, device=device)
        self.first_bad = torch.full((), NO_STEP, dtype=torch.int64, device=device)

    def pairs(self) -> dict[str, Tensor]:
        """[sum, number] of every metric."""
        return dict(zip(self.names, self.values.unbind(1), strict=True))


class MetricSums:
    """Sums of named scalars since the last read, and the first step at which one was not finite.

    Nothing here waits for the device except `read` and `first_bad`. `add` changes tensors that stay
    where they are and counts on the device, so it can be part of a CUDA graph.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._sources: dict[str, _Sums] = {}
        self._waiting: dict[str, Tensor] = {}  # [sum, number] by metrics that no source adds to yet

    def add(self, source: str, values: Mapping[str, Tensor], step: int | Tensor) -> None:
        """Add one value of each metric, scalars on the device; note whether all were finite.

        Args:
            source: whose update they come from, "refiner" or "discriminator".
            values: detached scalars.
            step: number of that update's step; int64 [] where it is counted on the device.
        """
        sums = self._sources.get(source)
        if sums is None or sums.names != tuple(values):
            sums = self._begin(source, tuple(values))
        stacked = torch.stack([value.float() for value in values.values()])
        sums.values[0].add_(stacked)
        sums.values[1].add_(1)
        total = stacked.sum(dtype=torch.float64)  # a sum of finite float32 values cannot overflow
        earliest = sums.first_bad.clamp(max=step)
        torch.where((total - total).isnan(), earliest, sums.first_bad, out=sums.first_bad)

    def _begin(self, source: str, names: tuple[str, ...]) -> _Sums:
        """Sums of a source that is new, or has other metrics than before."""
        begun, old = _Sums(names, self.device), self._sources.get(source)
        if old is not None:
            begun.first_bad.copy_(old.first_bad)
            self._waiting |= old.pairs()
        for name, pair in begun.pairs().items():
            if name in self._waiting:
                pair.copy_(self._waiting.pop(name))
        self._sources[source] = begun
        return begun

    def read(self) -> dict[str, float]:
        """Mean of every metric since the last read; starts over."""
        pairs = self._pairs()
        if not pairs:
            return {}
        rows: list[list[float]] = torch.stack(list(pairs.values())).tolist()
        self._clear()
        named = zip(pairs, rows, strict=True)
        return {name: total / count for name, (total, count) in named if count}

    def first_bad(self) -> tuple[str, int] | None:
        """Source and step of the first value that was not finite, or None. Waits for the device."""
        if not self._sources:
            return None
        steps: list[int] = torch.stack([sums.first_bad for sums in self._sources.values()]).tolist()
        # Within a step the refiner is updated first, and its trouble becomes the discriminator's.
        order = sorted(
            zip(steps, self._sources, strict=True), key=lambda it: (it[0], it[1] != "refiner")
        )
        step, source = order[0]
        return None if step == NO_STEP else (source, step)

    def forgive(self) -> None:
        """Forget sums and bad steps, after a rollback."""
        self._clear()
        for sums in self._sources.values():
            sums.first_bad.fill_(NO_STEP)

    def _clear(self) -> None:
        self._waiting.clear()
        for sums in self._sources.values():
            sums.values.zero_()

    def _pairs(self) -> dict[str, Tensor]:
        pairs = dict(self._waiting)
        for sums in self._sources.values():
            pairs |= sums.pairs()
        return pairs

    def state_dict(self) -> dict[str, Tensor]:
        """Sums and counts, so that a resumed run reports the same means."""
        pairs = self._pairs()
        if not pairs:
            return {}
        rows = torch.stack(list(pairs.values())).cpu()
        return {name: row.clone() for name, row in zip(pairs, rows, strict=True) if row[1]}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a `state_dict`."""
        self.forgive()
        self._sources.clear()
        self._waiting = {name: pair.to(self.device, torch.float64) for name, pair in state.items()}
