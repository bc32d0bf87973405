"""The page of a tiny run: whole, self-contained, and with the numbers of the run's files."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from html_page import Page
from tiny_report import PNG, copy_of, make, page_of

from simgan.engine.errors import CheckpointError, ConfigError, DiskError
from simgan.engine.reporting import page as page_module
from simgan.engine.reporting import report
from simgan.engine.reporting.scale import number

SECTIONS = (
    "summary", "pictures", "distributions", "evaluation", "not-measured", "training", "data",
    "settings", "speed", "warnings", "reproduction",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return page_of(run)


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_all_sections_are_there_with_headings_in_order(page: Page) -> None:
    assert tuple(page.sections) == SECTIONS
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    targets = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in page.of("a")} <= targets


def test_nothing_outside_of_the_page_is_referred_to(run: Path, page: Page) -> None:
    text = (run / "report.html").read_text()
    assert (run / "report.html").stat().st_size < 5_000_000
    assert not page.of("script") and not page.of("link") and not page.of("iframe")
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "srcset", "action"):
                assert value.startswith(("data:image/png;base64,", "#")), (tag, value)
    assert "url(" not in text and "@import" not in text
    (policy,) = [m["content"] for m in page.of("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'")


def test_images_have_words_and_tables_have_scopes(page: Page) -> None:
    assert len(page.of("img")) > 30
    assert all(image["alt"] for image in page.of("img"))
    assert all(cell.get("scope") in ("row", "col") for cell in page.of("th"))
    charts = [svg for svg in page.of("svg") if "aria-hidden" not in svg]
    assert len(charts) >= 8 and all(svg["role"] == "img" and svg["aria-label"] for svg in charts)


def test_curves_hold_the_numbers_of_the_metrics_file(run: Path, page: Page) -> None:
    told = page.sections["training"]
    for row in rows(run):
        if row["phase"] != "train":
            continue
        block = re.search(
            rf"step of Algorithm 1 {row['step']}\n(total: .*\n?)(realism: .*\n?)", told
        )
        assert block is not None
        assert block[1].strip() == f"total: {number(row['refiner_loss'])}"
        assert block[2].strip() == f"realism: {number(row['realism_loss'])}"
    last = rows(run)[-1]
    words = page.words("training")
    for name in ("mean_abs_change", "discriminator_loss", "self_regularization"):
        assert f"{name.replace('_', ' ')} {number(last[name])}" in words


def test_the_evaluation_is_that_of_its_file(run: Path, page: Page) -> None:
    found = json.loads((run / "evaluation/evaluation.json").read_text())
    words = page.words("evaluation")
    for arm in found["arms"]:
        mean = arm["mean"]
        assert f"{mean['value']:.2f} ({mean['low']:.2f} to {mean['high']:.2f})" in words
    (compared,) = found["comparisons"]
    assert f"{compared['difference']['value']:+.2f}" in words
    assert number(compared["p"], 2) in words
    verdict = "no reliable difference"
    if compared["gain"]["low"] > 0 or compared["gain"]["high"] < 0:
        verdict = "better" if compared["gain"]["low"] > 0 else "worse"
    assert verdict in page.words("summary")


def test_the_headline_is_honest_about_what_is_missing(page: Page) -> None:
    words = page.words("summary")
    assert "A refiner was trained for 6 steps on 11 synthetic images" in words
    assert "No label check was given" in words
    assert "No evaluation was given" not in words
    assert "No visual Turing test was given" in page.words("not-measured")


def test_settings_that_differ_come_first_and_lambda_has_both_conventions(page: Page) -> None:
    words = page.words("settings")
    differing = words[: words.index("All ")]
    assert "batch 4 512" in differing and "lambda_reg" not in differing
    pixels, patches = 24 * 28, 6 * 7
    assert f"sums over {patches} patches and {pixels} pixels" in words
    assert number(0.3 * pixels / patches, 3) in words


def test_data_and_reproduction_name_what_is_needed(run: Path, page: Page) -> None:
    state = json.loads((run / "checkpoints/step-00000006/state.json").read_text())
    words = page.words("data")
    assert state["data"]["synthetic"] in words and state["data"]["real"] in words
    assert "synthetic.npz 11 24x28 8-bit gray npz 0" in words
    again = page.words("reproduction")
    assert " ".join((run / "command.txt").read_text().split()) in again
    assert "seed 0" in again and "bit for bit" in again and "commit not recorded" in again


def test_making_a_page_changes_nothing_else(run: Path, tmp_path: Path) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        files = [path for path in run.rglob("*") if path.is_file()]
        return {f: (f.stat().st_size, f.stat().st_mtime_ns) for f in files}

    before = state()
    assert report(run, tmp_path / "page.html") == tmp_path / "page.html"
    assert state() == before


def test_a_run_before_its_first_checkpoint_has_a_page(run: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_bytes((run / "config.json").read_bytes())
    page = page_of(bare)
    assert "The run has no usable checkpoint" in page.words("summary")
    assert "No metrics were written yet" in page.words("training")
    assert "no checkpoint yet" in page.words("warnings")
    assert "No evaluation was given" in page.words("summary")


def test_data_that_has_moved_away_is_told(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    config = json.loads((copied / "config.json").read_text())
    config |= {"synthetic": str(tmp_path / "gone.npz")}
    (copied / "config.json").write_text(json.dumps(config))
    page = page_of(copied)
    assert f"{tmp_path / 'gone.npz'} does not exist" in page.words("warnings")
    assert "not there now" in page.words("data")
    alts = [image["alt"] for image in page.of("img")]
    assert any(alt.startswith("real image") for alt in alts)
    assert not any(alt.startswith("refined image") for alt in alts)


def test_damage_is_told_and_the_rest_is_shown(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    with open(copied / "metrics.jsonl", "a") as file:
        file.write('{"phase": "tra')
    newest = copied / "checkpoints/step-00000006/refiner.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    (copied / "environment.json").write_text("{")
    next((copied / "samples").glob("*6.png")).write_bytes(PNG[:20])
    (copied / "evaluation/evaluation.json").write_text('{"arms": 3}')
    page = page_of(copied)
    words = page.words("warnings")
    assert "1 of 7 lines of metrics.jsonl cannot be read" in words
    assert "step 6 is damaged (refiner.safetensors" in words and "Using step 4" in words
    assert "environment.json is damaged" in words
    assert "step-00000006.png cannot be" in words
    assert "The newest checkpoint has 4 of 6 planned steps" in page.words("summary")
    assert "evaluation.json cannot be shown (KeyError" in page.words("summary")


def test_rollbacks_and_health_warnings_are_marked(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    (copied / "debug").mkdir()
    (copied / "debug/step-00000003-images.json").write_text("{}")
    row = next(row for row in rows(run) if row["phase"] == "train")
    blind = row | {"d_accuracy_real": 1.0, "d_accuracy_refined": 0.0}
    lines = [json.dumps(blind | {"step": step}) for step in range(1, 7)]
    (copied / "metrics.jsonl").write_text("\n".join(lines))
    page = page_of(copied)
    words = page.words("warnings")
    assert "train, step 3: values that were not finite" in words
    assert "step 5: discriminator calls everything the same" in words
    marks = [a for tag, a in page.elements if tag == "path" and a.get("class") == "mark-tip"]
    assert len(marks) >= 10, "two on every chart"
    assert re.search(r"1 rollback after .* values, \d health warning", page.words("summary"))


def test_the_best_checkpoint_is_shown_where_the_run_names_one(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    best = copied / "checkpoints/best.json"
    best.write_text('{"checkpoint": "step-00000004"}')
    assert "The best checkpoint has 4 of 6 planned steps" in page_of(copied).words("summary")
    best.write_text('{"checkpoint": "../step-00000004"}')
    page = page_of(copied)
    assert "the best checkpoint cannot be used" in page.words("warnings")
    assert "trained for 6 steps" in page.words("summary")


def test_a_page_appears_whole_or_not_at_all(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "page.html"
    target.write_text("before")

    def fail(*_: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(page_module.tables, "versions", fail)
    with pytest.raises(RuntimeError, match="planted"):
        report(run, target)
    assert target.read_text() == "before" and list(tmp_path.iterdir()) == [target]


def test_what_is_no_run_or_no_place_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a run folder"):
        report(tmp_path)
    with pytest.raises(ConfigError, match=r"evaluation: .*nowhere does not exist"):
        report(run, parts={"evaluation": tmp_path / "nowhere"})
    with pytest.raises(ConfigError, match=r"label_check: .* holds no check\.json"):
        report(run, parts={"label_check": tmp_path})
    with pytest.raises(ConfigError, match="is a folder, expected a file"):
        report(run, tmp_path)
    with pytest.raises(DiskError, match="cannot write"):
        report(run, tmp_path / "no/page.html")
