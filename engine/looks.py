"""Looks at a run from outside: every so many steps its figure, its best checkpoint, its end.

A look reads the refiner and changes nothing: its images are a fixed sample, its random numbers its
own, so that training is the same to the bit with looks and without.
"""

import time
from dataclasses import replace
from pathlib import Path

from simgan.engine.best_checkpoint import Best, write_best
from simgan.engine.checkpoint import Checkpoint
from simgan.engine.errors import DiskError, DivergedError
from simgan.engine.evaluation.realism.refined import refined_images
from simgan.engine.observer import Observer
from simgan.engine.run_state import PHASES, Training
from simgan.engine.signals import StopRequest
from simgan.engine.stopping import StopRule, from_values, spoken, to_values


class Looks:
    """Makes the looks of a run and keeps what its rule knows.

    Args:
        training: the run.
        folder: of its checkpoints.
        observer: is told of the best step.
        stop: a signal ends a look without a result; it is made again after a resume.
    """

    def __init__(
        self, training: Training, folder: Path, observer: Observer, stop: StopRequest
    ) -> None:
        self._training = training
        self._folder = folder
        self._observer = observer
        self._stop = stop
        self._rule = StopRule.of(training.config)
        self._state = self._before = self._rule.fresh()
        self._published: Best | None = None
        self._began = time.perf_counter()
        self._seconds = 0.0

    @property
    def enabled(self) -> bool:
        """Whether the run has a rule."""
        return self._training.figure is not None

    @property
    def rhythm(self) -> tuple[int, ...]:
        """Steps between looks, if there are any."""
        return (self._rule.every,) if self.enabled else ()

    @property
    def over(self) -> bool:
        """Whether the rule has ended the run."""
        return self._rule.is_over(self._state)

    @property
    def better(self) -> bool:
        """Whether this step is the best so far, so that its weights must be saved."""
        return self.best == self._training.place.name

    @property
    def best(self) -> str | None:
        """Name of the best checkpoint."""
        return self._state.checkpoint

    @property
    def due(self) -> bool:
        """Whether a look belongs to the run's place and was not made yet."""
        place = self._training.place
        return PHASES[place.phase] == "train" and self._rule.is_due(self._state, place.step)

    def look(self) -> dict[str, float]:
        """Metrics of a look at this step; none when none is due, or a signal came meanwhile.

        Raises:
            DivergedError: the refined images, or what was trained on them, are not finite.
        """
        if not self.due:
            return {}
        started = time.perf_counter()
        step = self._training.place.step
        try:
            value, metrics = self._measure()
        except _SignalCame:
            return {}
        except DivergedError as error:
            raise DivergedError(
                f"the look at step {step:,} failed: {error.what}", fix="Use another --stop-on."
            ) from error
        self._before, self._state = self._state, self._rule.after(self._state, step, value)
        seconds = time.perf_counter() - started
        self._seconds += seconds
        return {**metrics, "look_s": seconds}

    def _measure(self) -> tuple[float, dict[str, float]]:
        figure, players = self._training.figure, self._training.players
        assert figure is not None
        if self._state.unrefined is None:
            value, _ = figure.measure(figure.synthetic, self._give_way)
            self._state = replace(self._state, unrefined=value)
            told = spoken(self._rule.figure, value)
            self._observer.message(f"stop on {self._rule.figure}: unrefined images have {told}")
        refined = refined_images(
            figure.synthetic, players.refiner, players.precision, self._give_way
        )
        return figure.measure(refined, self._give_way)

    def _give_way(self) -> None:
        if self._stop.requested is not None:
            raise _SignalCame

    def entry(self) -> dict[str, object]:
        """What state.json of a checkpoint must hold to decide the same after a resume."""
        return {"stopping": to_values(self._state)} if self.enabled else {}

    def load(self, checkpoint: Checkpoint) -> None:
        """Go back to what was known at a checkpoint."""
        if not self.enabled:
            return
        found = from_values(checkpoint.state.get("stopping"))
        if found is None or found.figure != self._rule.figure:
            found = self._rule.fresh()
        if found.checkpoint is not None and not (self._folder / found.checkpoint).is_dir():
            self._observer.warning(
                f"the best checkpoint, {found.checkpoint}, is not there any more; "
                "the next look counts as the best"
            )
            found = self._rule.fresh()
        self._state = self._before = found
        self.publish()

    def not_saved(self) -> None:
        """The best weights of all could not be written: the best before them stays the best."""
        if self.better:
            waited = self._before.waited + (self._before.value is not None)
            self._state = replace(
                self._before, looks=self._state.looks, last=self._state.last, waited=waited
            )

    def publish(self) -> None:
        """Name the best checkpoint in `best.json`, after it was saved."""
        state = self._state
        if state.checkpoint is None or state.value is None:
            return
        stopped = state.last if self.over else None
        best = Best(
            state.checkpoint, state.best, state.figure, state.value, state.unrefined, stopped
        )
        if best == self._published:
            return
        try:
            write_best(self._folder, best)
        except DiskError as error:
            self._observer.warning(f"{error.what}. Training continues.")
            return
        self._published = best

    def verdict(self) -> str | None:
        """What the rule says at the end of a run."""
        return self._rule.verdict(self._state) if self.enabled else None

    def closing_words(self) -> None:
        """Tell how the run ended by its rule, and what the looks cost."""
        sentence = self.verdict()
        if sentence is None:
            return
        if self._seconds:
            share = self._seconds / max(time.perf_counter() - self._began, 1e-9)
            sentence += f"; the looks took {share:.1%} of the time"
        self._observer.message(sentence)


class _SignalCame(Exception):  # noqa: N818 - not an error
    """A signal asked for the end of the run during a look."""
