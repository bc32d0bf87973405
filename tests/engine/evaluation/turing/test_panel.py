"""Raters: their orders, answers, undo, the end; and that a log gives back what was done."""

import pytest
from tiny_turing import Memory, play, tiny_design, tiny_panel

from simgan.engine.errors import DataError
from simgan.engine.evaluation.turing.config import Raters, parse_raters
from simgan.engine.evaluation.turing.panel import Panel, Refused


def test_each_rater_has_an_order_of_their_own_over_the_same_images() -> None:
    panel = tiny_panel(tiny_design(20, practice=2), raters=2)
    ann, bob = panel.join("Ann"), panel.join("Bob")
    assert ann.order["refined"] != bob.order["refined"]
    assert sorted(ann.order["refined"]) == sorted(bob.order["refined"])
    assert not set(ann.order["practice"]) & set(ann.order["refined"])
    again = tiny_panel(tiny_design(20, practice=2), raters=2)
    assert again.join("ann").order == ann.order, "an order follows from seed and name"


def test_orders_do_not_tell_the_truth() -> None:
    """The share of real images at each place, over 400 raters."""
    panel = tiny_panel(tiny_design(10), raters=400)
    real = [0] * 10
    for number in range(400):
        for place, image in enumerate(panel.join(f"rater {number}").order["refined"]):
            real[place] += panel.design.is_real(image)
    assert all(140 <= count <= 260 for count in real)  # 200 and six standard errors
    assert sum(real) == 2000


def test_blocks_come_in_their_order_and_practice_is_final() -> None:
    panel = tiny_panel(tiny_design(4, practice=2, control=2))
    rater = panel.join("Ann")
    blocks = []
    while rater.block is not None:
        blocks.append(rater.block)
        panel.answer(rater, rater.upcoming(1)[0], "real", 0.5)
        if blocks == ["practice", "practice"]:
            with pytest.raises(Refused, match="no answer to take back"):
                panel.undo(rater)
    assert blocks == ["practice"] * 2 + ["refined"] * 4 + ["synthetic"] * 2


def test_undo_takes_back_answer_by_answer_until_the_end_is_seen() -> None:
    panel = tiny_panel(tiny_design(4, control=2))
    rater = play(panel, "Ann", finish=False)
    images = [*rater.order["refined"], *rater.order["synthetic"]]
    for image in reversed(images):
        panel.undo(rater)
        assert rater.upcoming(1) == [image]
    with pytest.raises(Refused, match="no answer to take back"):
        panel.undo(rater)
    with pytest.raises(Refused, match="images left"):
        panel.finish(rater)
    play(panel, "Ann")
    with pytest.raises(Refused, match="no answer to take back"):
        panel.undo(rater)


def test_an_image_is_judged_once() -> None:
    panel = tiny_panel()
    rater = panel.join("Ann")
    first, second = rater.upcoming()
    assert panel.answer(rater, first, "real") == panel.design.is_real(first)
    for image in (first, rater.order["refined"][3], 99):
        with pytest.raises(Refused, match="judged already"):
            panel.answer(rater, image, "synthetic")
    with pytest.raises(Refused, match="one of real, synthetic"):
        panel.answer(rater, second, "refined")
    assert len(rater.answers["refined"]) == 1
    assert len(panel.log.acts) == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("seconds", [-1.0, 1e9, float("nan")])
def test_an_impossible_time_is_unknown(seconds: float) -> None:
    panel = tiny_panel()
    rater = panel.join("Ann")
    panel.answer(rater, rater.upcoming(1)[0], "real", seconds)
    assert rater.answers["refined"][0].seconds is None


def test_who_may_take_part() -> None:
    panel = tiny_panel(raters=2)
    ann = panel.join("  Ann   Lee ")
    assert panel.join("ann lee") is ann and ann.name == "Ann Lee"
    panel.join("J\u00f6rg")
    assert panel.join("Jo\u0308rg").name == "J\u00f6rg"
    with pytest.raises(Refused, match="is for 2 and all have begun"):
        panel.join("Cid")
    named = Panel(tiny_design(), log=Memory(), raters=parse_raters("Ann, Bob"))  # type: ignore[arg-type]
    assert named.join("bob").name == "Bob"
    with pytest.raises(Refused, match="not on the list"):
        named.join("Cid")
    for name in ("", " ", "x" * 41, "a\x00b", "a\u202eb"):
        with pytest.raises(Refused, match="enter a name"):
            panel.join(name)


def test_it_is_over_when_all_have_finished() -> None:
    panel = tiny_panel(raters=2)
    play(panel, "Ann")
    assert not panel.over
    play(panel, "Bob")
    assert panel.over


def test_the_log_gives_back_every_state() -> None:
    panel = tiny_panel(tiny_design(4, practice=2), raters=2)
    play(panel, "Ann", wrong=(2, 3))
    bob = panel.join("Bob")
    for said in ("real", "synthetic", "real"):
        panel.answer(bob, bob.upcoming(1)[0], said, 1.5)
    panel.undo(bob)
    acts = panel.log.acts  # type: ignore[union-attr]
    again = Panel(panel.design, acts, raters=Raters(2))
    assert again.raters == panel.raters


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"act": "guess"}, "unknown act"),
        ({"position": 1}, "not in order"),
        ({"image": 99}, "another image"),
        ({"answer": "maybe"}, "unknown answer"),
        ({"rater": "Bob"}, "bob"),
        ({"block": "practice"}, "not in order"),
        ({"seconds": "long"}, "could not convert"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_line_that_does_not_fit_is_named(change: dict[str, object], reason: str) -> None:
    panel = tiny_panel()
    rater = panel.join("Ann")
    panel.answer(rater, rater.upcoming(1)[0], "real", 1.0)
    joined, answer = panel.log.acts  # type: ignore[union-attr]
    with pytest.raises(DataError, match=f"do not fit the test: line 2 .*{reason}"):
        Panel(panel.design, [joined, {**answer, **change}])


def test_answers_to_another_test_are_refused() -> None:
    panel = tiny_panel()
    panel.join("Ann")
    with pytest.raises(DataError, match=r"line 1 of answers.jsonl .*other images"):
        Panel(tiny_design(10), panel.log.acts)  # type: ignore[union-attr]
