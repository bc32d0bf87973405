"""A test in its folder: begun, killed, gone on with, damaged, refused."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_data
from tiny_turing import play, settings_for, tiny_design

from simgan.engine.config import to_json, train_config
from simgan.engine.errors import ConfigError, DataError, DiskError, LockedError
from simgan.engine.evaluation.turing import design as designs
from simgan.engine.evaluation.turing.answers import ANSWERS_FILE, AnswerLog, read_lines
from simgan.engine.evaluation.turing.experiment import experiment, results


def test_a_design_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    design = tiny_design(8, practice=2, control=2)
    designs.make_folder(tmp_path / "a" / "b")
    designs.save(design, tmp_path / "a" / "b")
    again = designs.load(tmp_path / "a" / "b")
    assert (again.pixels == design.pixels).all()
    assert (again.settings, again.pictures, again.blocks) == (
        design.settings, design.pictures, design.blocks,
    )  # fmt: skip


def test_answers_survive_and_sets_may_change_or_go(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with experiment(settings) as test:
        rater = test.panel.join("Ann")
        for _ in range(5):
            test.panel.answer(rater, rater.upcoming(1)[0], "real", 1.0)
        pixels, order = test.design.pixels, rater.order
    for path in (tmp_path / "data").rglob("*.png"):
        path.unlink()
    with experiment({"out": settings["out"]}) as test:
        rater = test.panel.join("ann")
        assert rater.order == order and (test.design.pixels == pixels).all()
        assert sum(map(len, rater.answers.values())) == 5
        play(test.panel, "Ann")
    assert results(settings["out"]).raters["ann"].finished


def test_only_what_was_asked_for_must_agree(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with experiment(settings):
        pass
    out = settings["out"]
    with experiment({"out": out, "images": 8, "raters": "3"}) as test:
        assert test.panel.allowed.most == 3
    for change, spoken in (
        ({"images": 10}, "images 8, now 10"),
        ({"scaling": "nearest"}, "scaling smooth, now nearest"),
        ({"refined": settings["real"]}, "refined .*forge|refined .*made, now .*taken"),
        ({"synthetic": settings["real"]}, "synthetic None, now"),
    ):
        with (
            pytest.raises(ConfigError, match=f"holds another test: {spoken}"),
            experiment({"out": out, **change}),
        ):
            pass


def test_one_process_at_a_time(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with (
        experiment(settings),
        pytest.raises(LockedError, match="in use"),
        experiment(settings),
    ):
        pass


@pytest.mark.parametrize("missing", ["refined", "real"])
def test_a_missing_set_is_named(tmp_path: Path, missing: str) -> None:
    settings = {**settings_for(tmp_path), missing: None}
    with pytest.raises(ConfigError, match=f"--{missing} is missing"), experiment(settings):
        pass
    assert not Path(settings["out"]).exists(), "nothing was made"


def test_the_folder_must_not_lie_among_the_images(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    settings["out"] = f"{settings['refined']}/test"
    with pytest.raises(ConfigError, match="must not be inside the images"), experiment(settings):
        pass


def test_a_run_names_its_refined_and_real_images(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "0001-demo"
    run.mkdir(parents=True)
    sets = tiny_data(tmp_path / "data")
    (run / "config.json").write_text(to_json(train_config(sets)))
    settings = {"run": str(run), "images": 8, "practice": 2}
    with pytest.raises(ConfigError, match="no refined images in") as info, experiment(settings):
        pass
    assert info.value.fix == f"Make them with 'simgan-engine refine --run {run}'."
    (run / "refined").mkdir()
    os.rename(sets["synthetic"], run / "refined" / "synthetic.npz")
    with experiment(settings) as test:
        assert test.folder == run / "turing"
        assert test.design.settings["sets"] == {
            "refined": str(run / "refined" / "synthetic.npz"),
            "real": sets["real"],
        }


@pytest.mark.parametrize("cut", [1, 30])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    file = tmp_path / ANSWERS_FILE
    log = AnswerLog(file)
    for number in range(3):
        log.append({"act": "answer", "number": number, "name": "J\u00f6rg"})
    whole = file.read_bytes()
    os.truncate(file, len(whole) - cut)
    assert [line["number"] for line in read_lines(file)] == [0, 1]
    AnswerLog(file).append({"number": 9})
    assert [line["number"] for line in read_lines(file)] == [0, 1, 9]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    file = tmp_path / ANSWERS_FILE
    for line in (b"{}\n[1]\n{}\n", b"{}\n{\n{}\n", b"{}\n\n"):
        file.write_bytes(line)
        with pytest.raises(DataError, match="line 2 is no JSON object"):
            read_lines(file)


def test_a_failed_write_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AnswerLog(tmp_path / ANSWERS_FILE)
    log.append({"number": 0})
    monkeypatch.setattr("simgan.engine.failpoints._passed", {})
    monkeypatch.setenv("SIMGAN_FAILPOINT", "turing.answer:enospc")
    with pytest.raises(DiskError, match="disk full"):
        log.append({"number": 1})
    log.append({"number": 2})
    assert [line["number"] for line in read_lines(log.file)] == [0, 2]


def test_a_killed_process_loses_no_answer_that_was_given(tmp_path: Path) -> None:
    """SIGKILL in the middle of the fourth line."""
    code = (
        "import sys\nfrom simgan.engine.evaluation.turing.answers import AnswerLog\n"
        "from pathlib import Path\nlog = AnswerLog(Path(sys.argv[1]))\n"
        "for n in range(9): log.append({'n': n}); print(n, flush=True)"
    )
    file = tmp_path / ANSWERS_FILE
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        env={**os.environ, "SIMGAN_FAILPOINT": "turing.answer:kill:4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    told = [int(line) for line in done.stdout.split()]
    assert told == [0, 1, 2] == [line["n"] for line in read_lines(file)][:3]


@pytest.mark.parametrize(
    ("file", "data", "sentence"),
    [
        ("test.json", None, "holds no visual Turing test"),
        ("test.json", b"{", "test.json is damaged"),
        ("test.json", b"[]", "test.json is damaged"),
        ("test.json", b'{"format": 2}', "has format 2, 1 is expected"),
        ("images.npz", None, "cannot read .*images.npz"),
        ("images.npz", b"PK", "images.npz is damaged"),
    ],
)
def test_a_damaged_folder_is_named(
    tmp_path: Path, file: str, data: bytes | None, sentence: str
) -> None:
    designs.save(tiny_design(), tmp_path)
    if data is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(data)
    with pytest.raises(DataError, match=sentence):
        results(tmp_path)


def test_results_change_nothing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with experiment(settings) as test:
        play(test.panel, "Ann", finish=False)
    folder = Path(settings["out"])
    with open(folder / ANSWERS_FILE, "ab") as file:
        file.write(b'{"act": "ans')
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    panel = results(folder)
    assert panel.raters["ann"].block is None and not panel.raters["ann"].finished
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert json.loads((folder / "test.json").read_text())["tool"] == "simgan-engine turing"
