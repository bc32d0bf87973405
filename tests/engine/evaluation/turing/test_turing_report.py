"""What the answers say: the paper's own numbers, rows by rater and image, and the files."""

import csv
import io

import pytest
from tiny_turing import play, tiny_design, tiny_panel, truth_of

from simgan.engine.evaluation.turing.panel import Panel
from simgan.engine.evaluation.turing.report import answers_csv, own_rows, plan, report


def papers_panel() -> Panel:
    """Ten raters of a hundred images each; 224 of 500 real and 293 of 500 refined ones right."""
    panel = tiny_panel(tiny_design(100), raters=10)
    for number in range(10):
        rater = panel.join(f"rater {number}")
        left = {"real": 23 if number < 4 else 22, "synthetic": 30 if number < 3 else 29}
        while rater.upcoming(1):
            (image,) = rater.upcoming(1)
            truth = truth_of(panel, image)
            left[truth] -= 1
            other = "synthetic" if truth == "real" else "real"
            panel.answer(rater, image, truth if left[truth] >= 0 else other, 2.0)
        panel.finish(rater)
    return panel


def test_the_papers_table_comes_out() -> None:
    (part,) = report(papers_panel())["parts"]
    pooled = part["pooled"]
    assert (pooled["right"], pooled["answers"]) == (517, 1000)
    assert pooled["confusion"] == {
        "real": {"real": 224, "synthetic": 276},
        "refined": {"real": 207, "synthetic": 293},
    }
    assert pooled["accuracy"] == 0.517
    assert pooled["p_better"] == pytest.approx(0.148, abs=5e-4)
    assert pooled["p"] == pytest.approx(0.297, abs=5e-4)
    stats = pytest.importorskip("scipy.stats", reason="needs scipy to compare with")
    exact = stats.binomtest(517, 1000).proportion_ci(0.95, method="exact")
    assert pooled["interval"] == pytest.approx(exact)
    assert 0 < pooled["p_by_image"] <= 1


def test_rows_of_raters_add_up() -> None:
    panel = papers_panel()
    (part,) = report(panel)["parts"]
    assert [row["answers"] for row in part["raters"]] == [100] * 10
    assert sum(row["right"] for row in part["raters"]) == 517
    assert part["raters"][0]["right"] == 53 and part["raters"][0]["median_seconds"] == 2.0
    (own,) = own_rows(panel, panel.join("rater 9"))
    assert own == {"part": "refined", **part["raters"][9]}


def test_images_go_from_hardest_to_easiest() -> None:
    panel = tiny_panel(raters=2)
    play(panel, "Ann", wrong=(0, 5))
    play(panel, "Bob", wrong=(0,))
    rows = report(panel)["images"]
    assert [row["image"] for row in rows[:2]] == [0, 5]
    assert [row["right"] for row in rows] == [0, 1] + [2] * 6
    assert rows[0] == {
        "part": "refined", "image": 0, "truth": "refined", "name": "name-000", "answers": 2,
        "right": 0, "share": 0.0, "median_seconds": 1.0,
    }  # fmt: skip


def test_wrong_at_once_is_hardest_and_right_at_once_easiest() -> None:
    panel = tiny_panel(tiny_design(4))
    rater = panel.join("Ann")
    seconds = {0: 1.0, 1: 5.0, 2: 1.0, 3: 5.0}
    while rater.upcoming(1):
        (image,) = rater.upcoming(1)
        truth = truth_of(panel, image)
        wrong = "synthetic" if truth == "real" else "real"
        panel.answer(rater, image, wrong if image < 2 else truth, seconds[image])
    assert [row["image"] for row in report(panel)["images"]] == [0, 1, 3, 2]


def test_both_parts_are_reported_and_practice_is_not() -> None:
    panel = tiny_panel(tiny_design(4, practice=2, control=2))
    play(panel, "Ann")
    found = report(panel)
    assert [(p["part"], p["pooled"]["answers"]) for p in found["parts"]] == [
        ("refined", 4), ("synthetic", 2),
    ]  # fmt: skip
    assert set(found["parts"][1]["pooled"]["confusion"]) == {"real", "synthetic"}
    assert {row["image"] for row in found["images"]} == {2, 3, 4, 5, 6, 7}


def test_nobody_and_nothing_can_be_reported() -> None:
    panel = tiny_panel()
    assert report(panel)["parts"][0]["pooled"]["accuracy"] is None
    panel.join("Ann")
    row = report(panel)["parts"][0]["raters"][0]
    assert (row["answers"], row["p"], row["interval"], row["finished"]) == (0, None, None, False)


def test_the_plan_states_power_for_one_and_for_all() -> None:
    first, second = plan(tiny_design(100, control=4), 10)
    assert (first["answers"], second["answers"]) == (1000, 40)
    assert first["alone"] == pytest.approx(0.645, abs=1e-3)
    assert first["pooled"] == pytest.approx(0.545, abs=1e-3)
    assert second["alone"] is None and second["pooled"] is not None


def test_the_csv_has_a_line_per_answer_and_no_formulas() -> None:
    panel = tiny_panel(tiny_design(4, practice=2))
    rater = play(panel, "=1+1", wrong=(2,))
    rows = list(csv.DictReader(io.StringIO(answers_csv(panel))))
    assert [int(row["image"]) for row in rows] == rater.order["refined"]
    assert {row["rater"] for row in rows} == {"'=1+1"}
    for row in rows:
        truth = truth_of(panel, int(row["image"]))
        assert row["right"] == str(int(row["answer"] == truth)) == str(int(row["image"] != "2"))
        assert row["name"] == f"name-{int(row['image']):03}" and row["seconds"] == "1.0"
