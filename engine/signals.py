"""SIGINT and SIGTERM: the first asks the work to stop safely, the second ends it at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from simgan.engine.errors import Interrupted
from simgan.engine.observer import Observer

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """What the signals have asked for so far.

    Attributes:
        requested: number of the first stop signal, or None.
        last_words: returns the line printed when a second signal forces the exit.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self.last_words: Callable[[], str] = lambda: "forced stop"

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: remember the first, exit on the second."""
        if self.requested is not None:
            os.write(
                sys.__stderr__.fileno() if sys.__stderr__ else 2,
                (self.last_words() + "\n").encode(),
            )
            os._exit(128 + number)
        self.requested = number


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Install the handlers for the length of a `with` block; outside the main thread do nothing."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StoppingObserver:
    """Passes everything on, and ends the work that reports to it once a stop signal has come.

    For work before a run has anything to save.

    Args:
        observer: hears everything.
        stop: what the signals ask for.
        what: of the error, for example "stopped while matching labels".
    """

    def __init__(self, observer: Observer, stop: StopRequest, what: str) -> None:
        self._observer = observer
        self._stop = stop
        self._what = what

    def phase(self, name: str, total: int, done: int) -> None:
        """See `Observer`.

        Raises:
            Interrupted: a signal came.
        """
        self._look()
        self._observer.phase(name, total, done)

    def tick(self, metrics: dict[str, float]) -> None:
        """See `Observer`.

        Raises:
            Interrupted: a signal came.
        """
        self._look()
        self._observer.tick(metrics)

    def message(self, text: str) -> None:
        """See `Observer`."""
        self._observer.message(text)

    def warning(self, text: str) -> None:
        """See `Observer`."""
        self._observer.warning(text)

    def _look(self) -> None:
        number = self._stop.requested
        if number is not None:
            raise Interrupted(f"{self._what}; nothing was written", signal_number=number)
