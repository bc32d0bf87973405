"""Throughput, remaining time and the share of time spent waiting for data."""

import time

from simgan.engine.run_state import PHASES, Training

PULSE_S = 10.0  # signs of life come at least this often, however far apart the ticks are
LONG_S = 4 * 3600.0  # a run estimated longer than this on a CPU is worth a word
DISCRIMINATOR_COST = 0.5  # of a refiner update's time, about


class Clock:
    """Measures from one tick to the next."""

    def restart(self, training: Training) -> None:
        """Begin to measure here."""
        self._time = time.perf_counter()
        self._pulse = self._time
        self._step = training.place.step
        self._waited = training.synthetic.waited + training.real.waited

    def read(self, training: Training, total: int) -> dict[str, float]:
        """images_per_s, eta_s (of the phase) and data_wait since the last read; starts over."""
        found = self._measure(training, total)
        self.restart(training)
        return found

    def pulse(self, training: Training, total: int) -> dict[str, float] | None:
        """The same without starting over, when nothing was said for PULSE_S; else None."""
        now = time.perf_counter()
        if now - self._pulse < PULSE_S:
            return None
        self._pulse = now
        return self._measure(training, total)

    def _measure(self, training: Training, total: int) -> dict[str, float]:
        config, place = training.config, training.place
        steps = max(place.step - self._step, 1)
        seconds = max(time.perf_counter() - self._time, 1e-9)
        waited = training.synthetic.waited + training.real.waited - self._waited
        updates = config.k_g + config.k_d if PHASES[place.phase] == "train" else 1
        return {
            "images_per_s": steps * updates * config.batch / seconds,
            "eta_s": seconds / steps * (total - place.step),
            "data_wait": waited / seconds,
        }


def whole_run_s(training: Training, images_per_s: float) -> float:
    """Seconds that the rest of the run takes at the speed of refiner updates, about."""
    config, place = training.config, training.place
    per_update = config.batch / max(images_per_s, 1e-9)
    left = float(config.pretrain_refiner_steps - place.step)
    left += config.pretrain_discriminator_steps * DISCRIMINATOR_COST
    left += config.steps * (config.k_g + config.k_d * DISCRIMINATOR_COST)
    return left * per_update
