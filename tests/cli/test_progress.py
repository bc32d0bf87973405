"""What a run looks like: on a terminal, in a log file, in ASCII, without colors."""

import io
from typing import Any

import pytest

from simgan.cli.progress import LiveProgress, PlainProgress, describe, progress
from simgan.engine.observer import Observer, SilentObserver

METRICS = {
    "step": 2.0,
    "images_per_s": 1234.5,
    "refiner_loss": 250.0,
    "realism_loss": 120.0,
    "self_regularization": 433.3,
    "discriminator_loss": 160.0,
    "d_accuracy_real": 0.5,
    "d_accuracy_refined": 0.25,
    "mean_abs_change": 0.0312,
    "eta_s": 75.0,
    "data_wait": 0.4,
}


def tell(observer: Observer) -> None:
    """Two phases with two ticks each, a message and a warning."""
    observer.message("run folder runs/0001-demo")
    for name in ("pretrain-refiner", "train"):
        observer.phase(name, 4, 1)
        for step in (2.0, 4.0):
            observer.tick({**METRICS, "step": step})
    observer.warning("something [odd]")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def plain(**options: Any) -> list[str]:
    stream = io.StringIO()
    with PlainProgress(stream, **options) as view:
        tell(view)
    return stream.getvalue().splitlines()


def live(encoding: str, width: int = 80) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    with LiveProgress(stream, force_terminal=True, width=width, color_system="standard") as view:
        tell(view)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_every_view_is_an_observer() -> None:
    for view in (PlainProgress(), LiveProgress(io.StringIO()), SilentObserver()):
        assert isinstance(view, Observer)


def test_a_line_says_speed_losses_accuracies_change_waiting_and_time_left() -> None:
    assert describe(METRICS) == (
        "1,234 images/s  R loss 250  realism 120  reg 433.3  D loss 160  D real 50%  "
        "D refined 25%  mean |R(x)-x| 0.0312  waiting for data 40%  1:15 left"
    )


def test_a_log_file_gets_lines() -> None:
    lines = plain(every_tick=True)
    assert lines[0] == "run folder runs/0001-demo"
    assert lines[1] == "pretrain-refiner: 4 steps from 1"
    assert lines[2].startswith("pretrain-refiner 2/4  1,234 images/s")
    assert lines[-1] == "Warning: something [odd]"
    assert all(line.isascii() and "\x1b" not in line for line in lines)


def test_lines_come_at_most_once_a_second_but_the_last_always() -> None:
    stream, clock = io.StringIO(), Clock()
    view = PlainProgress(stream, clock=clock)
    view.phase("train", 100, 0)
    for step in range(1, 101):
        clock.now += 0.1
        view.tick({"step": float(step)})
    steps = [line.split()[1] for line in stream.getvalue().splitlines()[1:]]
    assert steps[0] == "1/100" and steps[-1] == "100/100"
    assert 10 <= len(steps) <= 12


def test_quiet_keeps_warnings() -> None:
    assert plain(quiet=True) == ["Warning: something [odd]"]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_a_terminal_of_any_encoding_and_width_shows_everything(encoding: str, width: int) -> None:
    text = live(encoding, width)
    for words in (
        "run folder runs/0001-demo",
        "pretrain-refiner",
        "4/4",
        "something [odd]",
        "D real",
    ):
        assert words in text
    assert "mean |R(x)-x| 0.0312" in " ".join(text.split())
    assert text.isascii() or encoding == "utf-8"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[33m" in live("utf-8")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in live("utf-8")


def test_without_a_terminal_there_is_no_live_view(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(progress(quiet=False, verbose=False), PlainProgress)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    assert isinstance(progress(quiet=False, verbose=False), LiveProgress)
    assert isinstance(progress(quiet=True, verbose=False), PlainProgress)
