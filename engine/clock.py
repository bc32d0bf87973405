"""Throughput, remaining time and the share of time spent waiting for data."""

import time

from simgan.engine.run_state import PHASES, Training


class Clock:
    """Measures from one tick to the next."""

    def restart(self, training: Training) -> None:
        self._time = time.perf_counter()
        self._step = training.place.step
        self._waited = training.synthetic.waited + training.real.waited

    def read(self, training: Training, total: int) -> dict[str, float]:
        config, place = training.config, training.place
        steps = max(place.step - self._step, 1)
        seconds = max(time.perf_counter() - self._time, 1e-9)
        waited = training.synthetic.waited + training.real.waited - self._waited
        updates = config.k_g + config.k_d if PHASES[place.phase] == "train" else 1
        self.restart(training)
        return {
            "images_per_s": steps * updates * config.batch / seconds,
            "eta_s": seconds / steps * (total - place.step),
            "data_wait": waited / seconds,
        }
