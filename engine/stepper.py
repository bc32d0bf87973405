"""Does the steps of a run, in stretches between which host and device exchange something."""

from typing import NamedTuple

from torch.profiler import record_function

from simgan.engine.algorithm import is_settled, one_step, step_widths
from simgan.engine.capture import Capture
from simgan.engine.run_state import Training
from simgan.engine.schedule import LONGEST, Schedule


class _Moment(NamedTuple):
    """One step of a run; a rollback is another attempt."""

    phase: str
    attempt: int
    step: int


class Stepper:
    """Plans the draws of a stretch of steps, then does them one by one.

    On a GPU a step is replayed from a CUDA graph once all steps are alike, unless `obstacle` knows
    why not.

    Args:
        training: the run; its place says which step is next.
    """

    def __init__(self, training: Training) -> None:
        batches = {"synthetic": training.synthetic, "real": training.real}
        device = training.players.precision.device
        self.training = training
        self._schedule = Schedule(batches, device)
        self._capture = Capture(device) if obstacle(training) is None else None
        self._next: _Moment | None = None
        self._left = 0  # steps of the stretch

    def step(self, phase: str, ahead: int) -> None:
        """Do the step at the run's place.

        Args:
            phase: of the run's place.
            ahead: steps until the host has something to do in between, this one included.
        """
        place = self.training.place
        now = _Moment(phase, place.attempt, place.step)
        settled = is_settled(self.training, phase)
        if now != self._next or self._left == 0:
            self._left = min(ahead, LONGEST) if settled else 1
            self._schedule.plan(place.step, self._left, step_widths(self.training, phase))
        with record_function("step"):
            if settled and self._capture is not None:
                self._capture(
                    lambda: one_step(self.training, self._schedule, phase), (phase, place.attempt)
                )
            else:
                one_step(self.training, self._schedule, phase)
        self._schedule.step_done()
        self._next = now._replace(step=now.step + 1)
        self._left -= 1


def obstacle(training: Training) -> str | None:
    """Why the steps of a run are not captured into a CUDA graph; None if they are."""
    config, precision = training.config, training.players.precision
    if precision.device.type != "cuda":
        return "there is no GPU"
    if not config.graphs:
        return "--no-graphs"
    if config.compile:
        return "--compile launches the networks its own way"
    if precision.needs_scaler:
        return "the loss scaler of fp16 asks the host at every update"
    if config.feature_transform.endswith(".pt2"):
        return "a .pt2 feature transform may ask the host"
    streamed = [its.order.name for its in (training.synthetic, training.real) if not its.resident]
    if streamed:
        return f"the images do not fit into the device's memory: {', '.join(streamed)}"
    return None
