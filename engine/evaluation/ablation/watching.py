"""How an ablation watches its runs: each says whose it is, and a signal ends what has no end."""

from simgan.engine.errors import Interrupted
from simgan.engine.observer import Observer
from simgan.engine.signals import StopRequest

CONTINUE = "Run the same command again to go on where it stopped."


class RunObserver:
    """Passes on the progress of one run of many, under its title.

    Sentences about data and networks would come with every run, so only warnings are passed on.

    Args:
        observer: is told.
        title: of the run, for example `3/16 lambda 3, seed 0`.
        stop: at a tick, a request raises Interrupted; None where the work looks after it itself.
    """

    def __init__(self, observer: Observer, title: str, stop: StopRequest | None = None) -> None:
        self._observer = observer
        self._title = title
        self._stop = stop

    def phase(self, name: str, total: int, done: int) -> None:
        """A phase of this run."""
        self._observer.phase(f"{self._title}: {name}", total, done)

    def tick(self, metrics: dict[str, float]) -> None:
        """Metrics of this run.

        Raises:
            Interrupted: a signal came.
        """
        refuse_to_go_on(self._stop)
        self._observer.tick(metrics)

    def message(self, text: str) -> None:
        """Left out."""

    def warning(self, text: str) -> None:
        """With the title."""
        self._observer.warning(f"{self._title}: {text}")


def refuse_to_go_on(stop: StopRequest | None) -> None:
    """Raise Interrupted when a signal has come."""
    if stop is not None and stop.requested is not None:
        raise interrupted(stop.requested)


def interrupted(number: int) -> Interrupted:
    """What an ablation says when a signal ends it."""
    return Interrupted(
        "the ablation stopped: what is done is saved", signal_number=number, fix=CONTINUE
    )
