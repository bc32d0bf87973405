"""What a run looks like while it runs: a live line on a terminal, plain lines elsewhere."""

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import click

from simgan.cli import words

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_EVERY_S = 1.0  # plain lines come at most this often, besides the last of a phase

# metric -> (words, format); the order is the order on the line
COLUMNS = {
    "refiner_loss": ("R loss", "{:.4g}"),
    "realism_loss": ("realism", "{:.4g}"),
    "self_regularization": ("reg", "{:.4g}"),
    "discriminator_loss": ("D loss", "{:.4g}"),
    "d_accuracy_real": ("D real", "{:.0%}"),
    "d_accuracy_refined": ("D refined", "{:.0%}"),
    "mean_abs_change": ("mean |R(x)-x|", "{:.4f}"),
    "kid": ("KID", "{:.4g}"),
    "classifier": ("fresh D", "{:.1%}"),
    "task": ("task", "{:.2f} degrees"),
    "estimator_loss": ("loss", "{:.4g}"),
    "validation_error": ("validation", "{:.2f} degrees"),
    "validation_error_px": ("validation", "{:.2f} px"),
}
REFINING = "refining"  # the phase that counts images
MOST_BARS = 12  # what an ablation of dozens of runs leaves on the screen
SLOW_DATA = 0.1  # share of the time spent waiting for data above which the line says so


def describe(metrics: dict[str, float], *, eta: bool = True) -> str:
    """One line of metrics: speed, losses, accuracies, change, waiting, time left."""
    parts = []
    speed = metrics.get("images_per_s")
    if speed is not None:
        parts.append(f"{speed:,.0f} images/s")
    for name, (label, form) in COLUMNS.items():
        value = metrics.get(name)
        if value is not None:
            parts.append(f"{label} {form.format(value)}")
    if metrics.get("data_wait", 0.0) > SLOW_DATA:
        parts.append(f"waiting for data {metrics['data_wait']:.0%}")
    if eta and "eta_s" in metrics:
        parts.append(f"{words.duration(metrics['eta_s'])} left")
    return "  ".join(parts)


class PlainProgress:
    """Observer that prints lines; `quiet` keeps the warnings only."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        every_tick: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._every_tick = every_tick
        self._clock = clock
        self._phase = ("", 0)
        self._last = -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to put back."""

    def phase(self, name: str, total: int, done: int) -> None:
        """Announce the phase; its first line comes at once."""
        self._phase = (name, total)
        self._last = -math.inf
        unit = "images" if name == REFINING else "steps"
        from_step = f" from {done:,}" if done else ""
        if total > done:
            self.message(f"{name}: {total:,} {unit}{from_step}")

    def tick(self, metrics: dict[str, float]) -> None:
        """One line, unless the last is younger than a second."""
        name, total = self._phase
        step, now = int(metrics.get("step", 0)), self._clock()
        if self._quiet or not (
            self._every_tick or step >= total or now - self._last >= LINE_EVERY_S
        ):
            return
        self._last = now
        self._write(f"{name} {step:,}/{total:,}  {describe(metrics)}")

    def message(self, text: str) -> None:
        """Print the sentence."""
        if not self._quiet:
            self._write(text)

    def warning(self, text: str) -> None:
        """Print the sentence, quiet or not."""
        self._write(f"Warning: {text}")

    def _write(self, text: str) -> None:
        click.echo(text, file=self._stream or sys.stderr)


class LiveProgress:
    """Observer with a bar per phase and the newest metrics below them, redrawn in place (rich).

    rich itself falls back to ASCII bars where the encoding is not UTF-8, and honours NO_COLOR.
    """

    def __init__(self, stream: TextIO | None = None, **console: Any) -> None:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.text import Text

        self._console = Console(file=stream or sys.stderr, highlight=False, **console)
        columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
        self._bars = Progress(*columns, console=self._console)
        self._metrics = Text(overflow="fold")
        self._live = Live(Group(self._bars, self._metrics), console=self._console)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen and the cursor where it belongs."""
        self._live.stop()

    def phase(self, name: str, total: int, done: int) -> None:
        """Start a bar below those before, of which the oldest leave when there are many."""
        self._metrics.plain = ""
        for task in self._bars.tasks[: 1 - MOST_BARS]:
            self._bars.remove_task(task.id)
        self._task = self._bars.add_task(name, total=total, completed=done)

    def tick(self, metrics: dict[str, float]) -> None:
        """Move the bar and rewrite the metrics."""
        if self._task is not None:
            self._bars.update(self._task, completed=int(metrics.get("step", 0)))
        if any(name in metrics for name in COLUMNS) or not self._metrics.plain:
            self._metrics.plain = describe(metrics)

    def message(self, text: str) -> None:
        """Print the sentence above the bars."""
        self._console.print(text, markup=False, soft_wrap=True)

    def warning(self, text: str) -> None:
        """Print the sentence above the bars, in yellow."""
        self._console.print(f"Warning: {text}", markup=False, style="yellow", soft_wrap=True)


def progress(*, quiet: bool, verbose: bool) -> PlainProgress | LiveProgress:
    """The observer that suits stderr: live on a terminal, else lines; all of it goes to stderr."""
    if quiet or verbose or not sys.stderr.isatty():
        return PlainProgress(quiet=quiet, every_tick=verbose)
    return LiveProgress()
