"""Results beside a run: whatever their file holds, the page has a section or a sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_report import PNG
from tiny_results import results

from simgan.engine.label_matching.found import Found
from simgan.engine.label_matching.report import build_report
from simgan.engine.reporting.content import Part
from simgan.engine.reporting.embedding import Embedder
from simgan.engine.reporting.parts import KINDS, find, generic, render
from simgan.engine.reporting.parts.kind import PartKind

BENCH = Path(__file__).parents[3] / "benchmarks/results/2026-11-25-cpu-amd-epyc-quick.json"


def kind(anchor: str) -> PartKind:
    return next(kind for kind in KINDS if kind.anchor == anchor)


def shown(values: Any, folder: Path, anchor: str = "realism") -> Part:
    file = folder / kind(anchor).files[0]
    file.write_text(values if isinstance(values, str) else json.dumps(values))
    return render(kind(anchor), file, Embedder())


def test_numbers_estimates_and_rows_become_tables() -> None:
    part = Part("Title", "anchor")
    generic.fill(
        part,
        {
            "verdict": "close",
            "kid": {"value": 0.0123456, "low": 0.01, "high": 0.02},
            "images": 1000,
            "confusion": {
                "real": {"real": 12, "refined": 8},
                "refined": {"real": 9, "refined": 11},
            },
            "sets": [{"name": "a", "mean": 1.5, "ok": True}, {"name": "b", "mean": None}],
            "curve": list(range(100)),
            "quantiles": {"50": 0.5, "95": 2.0},
            "pupil": {"shift": {"median": 0.5, "worst": {"px": 3}}, "images": 7, "curve": [[1]]},
            "notes": ["few images"],
        },
    )
    assert [s.text for s in part.sentences] == ["close"]
    assert part.notes == ["few images"]
    tables = {table.caption: table for table in part.tables}
    assert list(tables["Figures"].rows) == [("kid", "0.01235 (0.01 to 0.02)"), ("images", "1,000")]
    assert list(tables["confusion"].columns) == ["", "real", "refined"]
    assert list(tables["confusion"].rows) == [["real", "12", "8"], ["refined", "9", "11"]]
    assert list(tables["sets"].columns) == ["name", "mean", "ok"]
    assert list(tables["sets"].rows) == [["a", "1.5", "yes"], ["b", "-", "-"]]
    assert list(tables["quantiles"].rows) == [("50", "0.5"), ("95", "2")]
    pupil = [("shift, median", "0.5"), ("shift, worst, px", "3"), ("images", "7")]
    assert list(tables["pupil"].rows) == pupil
    assert "curve" not in tables


@pytest.mark.parametrize("kind", KINDS, ids=[kind.anchor for kind in KINDS])
@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "7", '{"a": NaN}', "{}", "[" * 50_000], ids=range(7)
)
def test_a_strange_file_is_a_sentence(kind: PartKind, text: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    part = render(kind, file, Embedder())
    assert part.given
    assert "file.json cannot be shown" in part.sentences[0].text


def test_figures_are_embedded_as_far_as_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "a_figure.png").write_bytes(PNG)
    (tmp_path / "broken.png").write_bytes(PNG[:30])
    part = shown({}, tmp_path)
    assert [figure.alt for figure in part.figures] == ["Realism: a figure"]
    assert [note[:10] for note in part.notes] == ["broken.png"]
    file = tmp_path / "realism.json"
    small = render(kind("realism"), file, Embedder(budget=10))
    assert small.figures == [] and "a_figure.png is left out" in small.notes[0]


def test_a_result_is_found_in_the_run_and_where_the_user_says(tmp_path: Path) -> None:
    elsewhere, run = tmp_path / "elsewhere", tmp_path / "run"
    for folder in (elsewhere, run / "turing"):
        folder.mkdir(parents=True)
        (folder / "results.json").write_text("{}")
    assert find(kind("turing"), run, None) == run / "turing/results.json"
    assert find(kind("turing"), run, elsewhere) == elsewhere / "results.json"
    assert find(kind("turing"), run, elsewhere / "results.json") == elsewhere / "results.json"
    assert find(kind("realism"), run, None) is None


def test_a_bench_tells_its_summary_and_every_time() -> None:
    values = json.loads(BENCH.read_text())
    part = render(kind("bench"), BENCH, Embedder())
    ratio = values["summary"]["refine_vs_best_torch"]
    assert f"{ratio:.3g} times as fast as" in part.sentences[0].text
    timed = [row for row in values["cases"] if row["seconds"]]
    assert len(part.tables[0].rows) == len(timed)


def test_label_matching_tells_what_is_drawn_and_how_labels_are_spread(tmp_path: Path) -> None:
    weights = np.array([2.0, 2.0, 0.0, 0.0])
    values = np.array([[0.0], [1.0], [5.0], [6.0]])
    target = np.array([[0.0], [1.0], [40.0]])
    found = Found(weights, ("yaw",), values, target, "degrees")
    (tmp_path / "label-match.png").write_bytes(PNG)
    (tmp_path / "samples.png").write_bytes(PNG)
    part = shown(build_report("real.npz", "set", found, weights), tmp_path, "label-match")
    assert part.sentences[0].text == (
        "Labels were matched to real.npz: 2 of 4 synthetic images were drawn, which count as 2 "
        "equally drawn ones."
    )
    assert (part.sentences[1].kind, part.sentences[1].text[:3]) == ("bad", "33%")
    rows = [row[:3] for row in part.tables[0].rows]
    assert rows == [
        ["yaw", "synthetic", "3"],
        ["yaw", "as drawn", "0.5"],
        ["yaw", "real", "13.67"],
    ]
    assert [figure.alt for figure in part.figures] == ["Label matching: label-match"]
    assert find(kind("label-match"), tmp_path, None) == tmp_path / "label-match.json"


def comparison(low: float | None, high: float | None) -> dict[str, Any]:
    estimate = {"value": 6.0, "low": 5.0, "high": 7.0}
    arm = {"mean": estimate, "median": estimate, "within": {"7": estimate},
           "seeds": [{}], "curve": {"degrees": [0, 1], "share": [0.0, 1.0]}}  # fmt: skip
    row = {"reference": "a", "arm": "b", "difference": estimate, "p": None, "per_seed": [1.0],
           "gain": {"value": 0.2, "low": low, "high": high}}  # fmt: skip
    return {
        "unit": "degrees", "images": 40, "confidence": 0.95, "resampled": "images", "persons": [],
        "arms": [{"name": "a", **arm}, {"name": "b", **arm}], "baselines": [], "notes": [],
        "comparisons": [row], "config": {}, "seconds": 1.0,
        "test": {"location": "here", "description": "eyes"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "kind", "words"),
    [
        (0.1, 0.3, "good", "20% better"),
        (-0.3, -0.1, "bad", "20% worse"),
        (-0.1, 0.3, "open", "no reliable difference"),
        (0.0, 0.3, "open", "no reliable difference"),
        (None, None, "open", "how sure that is, is not known"),
    ],
)
def test_a_difference_counts_only_when_its_interval_excludes_zero(
    low: float | None, high: float | None, kind: str, words: str, tmp_path: Path
) -> None:
    part = shown(comparison(low, high), tmp_path, "evaluation")
    assert part.sentences[0].kind == kind and words in part.sentences[0].text


def test_a_simple_estimator_that_is_better_is_told(tmp_path: Path) -> None:
    values = comparison(0.1, 0.3)
    better = {"value": 2.0, "low": 1.0, "high": 3.0}
    values["baselines"] = [{"arm": "a", "name": "kNN", "setting": "k = 5", "mean": better,
                            "median": better, "within": {"7": better}}]  # fmt: skip
    part = shown(values, tmp_path, "evaluation")
    assert "A simple estimator does better" in part.sentences[1].text
    assert list(part.tables[0].rows[1])[:2] == ["a: kNN, k = 5", "2.00 (1.00 to 3.00)"]


@pytest.mark.parametrize(
    ("anchor", "sentence", "rows"),
    [
        (
            "label-check",
            "refined moved by 0.5 px in the median, 95 % of images by less than 2 (measured in 30 "
            "of 40 pairs)",
            [["points", "30", "6 (5 to 7)", "0.5 (0.4 to 0.6)", "2 (1 to 3)"]],
        ),
        (
            "realism",
            "tells refined from real images in 75% of images and 62% of patches",
            [["refined", "6 (5 to 7)", "0.25", "62.5 (50.0 to 75.0)", "75.0 (50.0 to 87.5)"]],
        ),
        (
            "ablation",
            "of 1 variants: worse than the base setting: refined (95% intervals exclude 0;",
            [
                ["base", "6 (5 to 7)", "-", "-", "0.5", "0.25"],
                ["refined", "6 (5 to 7)", "-2 (-3 to -1)", "0.031", "unknown", "unknown"],
            ],
        ),
        (
            "turing",
            "1 rater told refined from real images in 57% of 40 answers (95% interval 41% to 72%, "
            "p = 0.43): that may be guessing",
            [["real", "13", "7"], ["refined", "10", "10"]],
        ),
    ],
    ids=["label-check", "realism", "ablation", "turing"],
)
def test_results_are_told_and_tabled(
    anchor: str, sentence: str, rows: list[list[str]], tmp_path: Path
) -> None:
    part = shown(results()[anchor], tmp_path, anchor)
    assert sentence in part.sentences[0].text
    assert [list(row) for row in part.tables[0].rows] == rows


def test_a_failed_limit_of_labels_is_the_first_thing_told(tmp_path: Path) -> None:
    values = results()["label-check"] | {"failures": ["points moved by 3 px, more than 2"]}
    first = shown(values, tmp_path, "label-check").sentences[0]
    assert first.kind == "bad" and "points moved by 3 px, more than 2" in first.text


@pytest.mark.parametrize(
    ("interval", "kind"),
    [([0.51, 0.9], "bad"), ([0.1, 0.49], "fact"), ([0.4, 0.6], "open")],
    ids=str,
)
def test_raters_count_only_when_their_interval_excludes_guessing(
    interval: list[float], kind: str, tmp_path: Path
) -> None:
    values = results()["turing"]
    values["parts"][0]["pooled"]["interval"] = interval
    assert shown(values, tmp_path, "turing").sentences[0].kind == kind
