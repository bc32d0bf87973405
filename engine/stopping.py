"""When a run stops by itself: the best figure so far, and how many looks did not better it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from simgan.engine.config import TrainConfig

WORDS = {"kid": "KID", "classifier": "fresh discriminator's accuracy", "task": "task error"}
FORMS = {"kid": "{:.4g}", "classifier": "{:.1%}", "task": "{:.2f} degrees"}


@dataclass(frozen=True)
class StopState:
    """What a rule knows: plain values, part of every checkpoint.

    Attributes:
        figure: that was measured, a `stop_on` other than "none".
        looks: made so far.
        last: step of the last one.
        best: step of the best one; 0 before the first.
        value: the figure there; smaller is better.
        waited: looks since then.
        unrefined: the figure of the same images before refinement.
    """

    figure: str
    looks: int = 0
    last: int = 0
    best: int = 0
    value: float | None = None
    waited: int = 0
    unrefined: float | None = None

    @property
    def checkpoint(self) -> str | None:
        """Name of the checkpoint of the best look."""
        return f"step-{self.best:08d}" if self.value is not None else None


@dataclass(frozen=True)
class StopRule:
    """Looks every so many steps; stops after so many looks without a better figure.

    Attributes:
        figure: "kid", "classifier" or "task"; "none" for no rule.
        every: steps between looks.
        patience: looks without a better figure that end the run.
        start: looks begin at this step of Algorithm 1.
    """

    figure: str
    every: int
    patience: int
    start: int

    @classmethod
    def of(cls, config: TrainConfig) -> "StopRule":
        """The rule that a run was given."""
        return cls(config.stop_on, config.stop_every, config.patience, config.stop_start)

    def fresh(self) -> StopState:
        """Before the first look."""
        return StopState(self.figure)

    def is_due(self, state: StopState, step: int) -> bool:
        """Whether a look belongs to this step of Algorithm 1 and was not made yet."""
        if self.figure == "none" or self.is_over(state):
            return False
        return step % self.every == 0 and step >= max(self.start, 1) and step > state.last

    def after(self, state: StopState, step: int, value: float) -> StopState:
        """The state after a look. A figure that only equals the best is not better."""
        seen = replace(state, looks=state.looks + 1, last=step)
        if state.value is None or value < state.value:
            return replace(seen, best=step, value=value, waited=0)
        return replace(seen, waited=state.waited + 1)

    def is_over(self, state: StopState) -> bool:
        """Whether the run has to end."""
        return self.figure != "none" and state.waited >= self.patience

    def verdict(self, state: StopState) -> str:
        """One sentence: whether and why the run stopped, and which step was best."""
        if state.value is None:
            return f"no {WORDS[self.figure]} was measured"
        best = (
            f"the best {WORDS[self.figure]} was {spoken(self.figure, state.value)} "
            f"at step {state.best:,}"
        )
        if state.unrefined is not None:
            best += f" (unrefined images: {spoken(self.figure, state.unrefined)})"
        if not self.is_over(state):
            return best
        looks = "the last look was no better" if self.patience == 1 else (
            f"{self.patience} looks in a row were no better"
        )  # fmt: skip
        return f"stopped after step {state.last:,}, because {looks}; {best}"


def spoken(figure: str, value: float) -> str:
    """A figure in its unit."""
    return FORMS[figure].format(value)


def to_values(state: StopState) -> dict[str, Any]:
    """For state.json."""
    return asdict(state)


def from_values(values: object) -> StopState | None:
    """The state in a state.json; None where there is none, or one that no run has written."""
    if not isinstance(values, Mapping) or set(values) != {f.name for f in fields(StopState)}:
        return None
    counts = [values[name] for name in ("looks", "last", "best", "waited")]
    numbers = [values[name] for name in ("value", "unrefined")]
    usable = (
        values["figure"] in WORDS
        and all(type(count) is int and count >= 0 for count in counts)
        and all(
            number is None or (type(number) in (int, float) and math.isfinite(number))
            for number in numbers
        )
    )
    return StopState(**values) if usable else None
