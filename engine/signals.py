"""SIGINT and SIGTERM: the first asks the work to stop safely, the second ends it at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

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
