"""Stop signals: the first is remembered, handlers are put back, other threads are left alone."""

import os
import signal
import threading

import pytest

from simgan.engine.signals import STOP_SIGNALS, StopRequest, stop_on_signals


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_the_first_signal_is_remembered_and_nothing_else_happens(number: int) -> None:
    with stop_on_signals() as stop:
        assert stop.requested is None
        os.kill(os.getpid(), number)
        assert stop.requested == number


def test_the_handlers_that_were_there_are_put_back() -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with pytest.raises(KeyError), stop_on_signals():
        raise KeyError
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_outside_the_main_thread_no_handler_is_touched() -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    seen: list[object] = []

    def work() -> None:
        with stop_on_signals() as stop:
            seen.append(stop.requested)
            seen.extend(signal.getsignal(number) for number in STOP_SIGNALS)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None, *before]


def test_the_second_signal_says_the_last_words_and_ends_the_process() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 2)
        stop = StopRequest()
        stop.last_words = lambda: "forced stop; step 4 is the last complete checkpoint"
        stop.handle(signal.SIGINT, None)
        stop.handle(signal.SIGTERM, None)
        os._exit(1)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM
    with os.fdopen(reading) as said:
        assert said.read() == "forced stop; step 4 is the last complete checkpoint\n"
