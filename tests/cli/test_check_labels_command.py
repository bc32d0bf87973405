"""The words of `simgan-engine check-labels`, and its exit code."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from moved_eyes import moved_irises

from simgan.cli import main
from simgan.cli.check_labels import command

EYES = "procedural:synthetic?count=30&seed=5"
QUICK = ["--device", "cpu", "--resamples", "100"]
QUICK += ["--estimator-steps", "4", "--estimator-batch", "8"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*QUICK, *arguments], catch_exceptions=False)


def moved_by_two(folder: Path) -> list[str]:
    for name, move in (("a", (0.0, 0.0)), ("b", (2.0, 0.0))):
        np.savez(folder / f"{name}.npz", images=moved_irises("synthetic", 30, 5, move).images())
    return ["--synthetic", str(folder / "a.npz"), "--refined", str(folder / "b.npz")]


def test_the_table_names_every_measure_in_100_columns() -> None:
    eyes = EYES.replace("30", "70")
    result = invoke("--synthetic", eyes, "--refined", eyes)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    for words in (
        "what moved in 70 of 70 pairs, px at a width of 55 px (95% bootstrap)",
        "pupil centre 69 0.00 +- 0.00 0.00 .. 0.00 0.00 0.00 .. 0.00 > 0.00 fit against label 69",
        "points (pupil_center) 70",
        "flow, 99 % of pixels 70",
        "edges, overlap 70 1.00 +- 0.00",
        "an estimator trained on 42 synthetic images, on 23 others, degrees",
        "note: the pupil's centre moved by (+0.00, +0.00) px in the mean, right and down",
        "not moved labels alone, but the new look, too",
    ):
        assert words in text, (words, text)
    tables = [line for line in result.stdout.splitlines() if not line.startswith("note:")]
    assert max(map(len, tables)) <= 100


def test_labels_that_moved_too_far_end_with_9(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*moved_by_two(tmp_path), "--measure", "pupil", "--json"]
    with pytest.raises(SystemExit) as info:
        main.run(["check-labels", *QUICK, *arguments, "--max-shift", "1.1"])
    captured = capsys.readouterr()
    assert info.value.code == 9
    assert "Error: the pupil's centre moved by 2.0" in captured.err
    assert "px in the median, more than 1.1 px" in captured.err
    assert json.loads(captured.out)["failures"][0] in captured.err
    with pytest.raises(SystemExit) as info:
        main.run(["check-labels", *QUICK, *arguments, "--max-shift", "2.5"])
    assert info.value.code == 0


def test_the_folder_can_hold_the_settings(in_tmp: Path) -> None:
    Path("simgan.toml").write_text(
        f'[check-labels]\nsynthetic = "{EYES}"\nrefined = "{EYES}"\nmeasure = ["edges"]\n'
    )
    assert list(json.loads(invoke("--json").stdout)["measures"]) == ["edges"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 4, "Error: there is no run in"),
        (["--refined", EYES], 3, "Error: --refined is given alone"),
        (["--synthetic", "no", "--refined", EYES], 3, "Error: no does not exist"),
        (["--measure", "nose"], 3, "measure must be one of pupil, points, edges, flow, estimator"),
        (["--sample", "9"], 2, "--sample"),
    ],
    ids=["no-run", "alone", "no-such-set", "measure", "sample"],
)
def test_faults_of_a_user_are_sentences(
    arguments: list[str],
    code: int,
    sentence: str,
    in_tmp: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as info:
        main.run(["check-labels", *QUICK, *arguments])
    captured = capsys.readouterr()
    assert info.value.code == code
    assert sentence in captured.err
    assert "Traceback" not in captured.err and captured.out == ""
