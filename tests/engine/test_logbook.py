"""metrics.jsonl: one row a line, cut back on resume, never half a row."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from simgan.engine.errors import DiskError
from simgan.engine.logbook import Logbook


def lines(book: Logbook) -> list[dict[str, Any]]:
    return [json.loads(line) for line in book.path.read_text().splitlines()]


def test_rows_are_appended_in_order(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "metrics.jsonl")
    for step in range(3):
        book.write({"phase": "train", "step": step, "loss": 0.5})
    assert [row["step"] for row in lines(book)] == [0, 1, 2]


def test_a_resume_cuts_back_to_the_offset_of_the_checkpoint(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "metrics.jsonl")
    book.write({"phase": "train", "step": 1})
    offset = book.offset
    book.write({"phase": "train", "step": 2})
    again = Logbook(tmp_path / "metrics.jsonl", offset=offset)
    again.write({"phase": "train", "step": 2, "again": True})
    assert lines(again) == [
        {"phase": "train", "step": 1},
        {"phase": "train", "step": 2, "again": True},
    ]


def test_without_an_offset_nothing_is_cut(tmp_path: Path) -> None:
    Logbook(tmp_path / "metrics.jsonl").write({"phase": "train", "step": 1})
    assert Logbook(tmp_path / "metrics.jsonl").offset > 0


def test_cutting_never_makes_a_file_longer(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "metrics.jsonl")
    book.write({"phase": "train", "step": 1})
    before = book.path.read_bytes()
    book.cut(10_000)
    assert book.path.read_bytes() == before


def test_a_row_that_does_not_fit_leaves_no_part_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Logbook(tmp_path / "metrics.jsonl")
    book.write({"phase": "train", "step": 1})
    monkeypatch.setenv("SIMGAN_FAILPOINT", "logbook.write:enospc:2")
    book.write({"phase": "train", "step": 2})
    with pytest.raises(DiskError, match=r"metrics\.jsonl: disk full"):
        book.write({"phase": "train", "step": 3})
    book.write({"phase": "train", "step": 4})
    assert [row["step"] for row in lines(book)] == [1, 2, 4]


def test_tensorboard_gets_the_numbers_of_each_phase(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    book = Logbook(tmp_path / "metrics.jsonl", tensorboard=tmp_path / "board")
    book.write({"phase": "train", "step": 3, "loss": 0.25})
    book.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "board")).Reload()
    (found,) = events.Scalars("train/loss")
    assert (found.step, found.value) == (3, 0.25)
    assert events.Tags()["scalars"] == ["train/loss"]


class FullBoard:
    """TensorBoard's writer once its thread has met a full disk: every call raises that error."""

    def __init__(self) -> None:
        self.calls = 0

    def add_scalar(self, *_: Any) -> None:
        self.calls += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    add_image = close = add_scalar


def test_tensorboard_on_a_full_disk_is_told_once_and_the_rows_go_on(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "metrics.jsonl")
    board = book._board = FullBoard()
    with pytest.raises(DiskError, match="disk full"):
        book.write({"phase": "train", "step": 1, "loss": 0.5})
    book.write({"phase": "train", "step": 2, "loss": 0.5})
    book.close()
    assert [row["step"] for row in lines(book)] == [1, 2]
    assert board.calls == 1


def test_closing_a_logbook_on_a_full_disk_hides_no_other_error(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "metrics.jsonl")
    book._board = FullBoard()
    with pytest.raises(KeyError, match="the other error"):
        try:
            raise KeyError("the other error")
        finally:
            book.close()
