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
        """images_per_s, eta_s (of the phase) and data_wait since the last read; starts over.

        Nothing where no step was done since then.
        """
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
        steps = place.step - self._step
        if steps < 1:
            return {}
        seconds = max(time.perf_counter() - self._time, 1e-9)
        waited = training.synthetic.waited + training.real.waited - self._waited
        updates = config.k_g + config.k_d if PHASES[place.phase] == "train" else 1
        return {
            "images_per_s": steps * updates * config.batch / seconds,
            "eta_s": seconds / steps * (total - place.step),
            "data_wait": waited / seconds,
        }


def long_run_warning(training: Training, images_per_s: float) -> str | None:
    """What to say of a run that will be long on its CPU, at the speed of refiner updates."""
    seconds = _whole_run_s(training, images_per_s)
    if seconds <= LONG_S or training.players.precision.device.type != "cpu":
        return None
    return (
        f"at this speed the run takes about {seconds / 3600:,.0f} hours on this CPU; a smaller "
        "--batch, --width or --steps, --channels-last or --preset demo shorten it"
    )


def _whole_run_s(training: Training, images_per_s: float) -> float:
    config, place = training.config, training.place
    per_update = config.batch / max(images_per_s, 1e-9)
    left = float(config.pretrain_refiner_steps - place.step)
    left += config.pretrain_discriminator_steps * DISCRIMINATOR_COST
    left += config.steps * (config.k_g + config.k_d * DISCRIMINATOR_COST)
    return left * per_update
