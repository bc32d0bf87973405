"""The words of `simgan-engine evaluate`."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from paths import SHARED_DATA, needs_shared_data
from rich.console import Console
from tiny_evaluate import CAMERA, SYNTHETIC, TINY, tiny_config

from simgan.cli import evaluate_table, main
from simgan.cli.evaluate import command
from simgan.engine import evaluate

QUICK = [
    *("--size", "small", "--steps", "4", "--batch", "8", "--validate-every", "2"),
    *("--seeds", "2", "--resamples", "100", "--device", "cpu"),
]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*QUICK, *arguments], catch_exceptions=False)


def test_tables_name_arms_seeds_baselines_and_the_comparison() -> None:
    result = invoke("--train", SYNTHETIC, "--train", f"real={CAMERA}7", "--test", CAMERA)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    for words in (
        "angular error on 40 test images, degrees (95% bootstrap over images and seeds)",
        "synthetic: CNN",
        "seed 1, step",
        "kNN, k =",
        "ridge, alpha =",
        "within 7 within 13",
        "better than synthetic by (same seeds and images; t test, seeds and images random)",
        "note: no persons are known",
    ):
        assert words in text, words
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "synthetic, seed 0: 4 steps" in result.stderr
    assert "validation" in result.stderr and "degrees" in result.stderr


def test_json_is_one_object_and_files_lie_in_the_folder(in_tmp: Path) -> None:
    result = invoke("--train", SYNTHETIC, "--test", CAMERA, "--json", "--out", "found")
    found = json.loads(result.stdout)
    assert found == json.loads(Path("found/evaluation.json").read_text())
    assert found["config"]["train"] == [SYNTHETIC]
    assert found["arms"][0]["seeds"][1]["seed"] == 1
    assert Path("found/errors.npz").is_file()


def test_the_command_and_the_python_interface_agree() -> None:
    found = json.loads(invoke("--train", SYNTHETIC, "--test", CAMERA, "--json").stdout)
    called = evaluate({**TINY, "train": SYNTHETIC, "test": CAMERA}).report
    assert [arm["mean"] for arm in found["arms"]] == [arm["mean"] for arm in called["arms"]]


def test_the_folder_can_hold_the_settings(in_tmp: Path) -> None:
    Path("simgan.toml").write_text(f'[evaluate]\ntrain = ["{SYNTHETIC}"]\ntest = "{CAMERA}"\n')
    assert json.loads(invoke("--json").stdout)["arms"][0]["name"] == "synthetic"


def test_persons_have_a_table(in_tmp: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 35, 55), np.uint8)
    gaze = np.random.default_rng(1).uniform(-0.3, 0.3, (40, 2))
    np.savez("a.npz", eyes_x=images, eyes_y=gaze, eyes_person=np.repeat([7, 9], 20), other=images)
    report = evaluate(tiny_config(test="a.npz#eyes_x")).report
    console = Console(width=100, record=True, file=io.StringIO())
    evaluate_table.show(report, console=console)
    text = " ".join(console.export_text().split())
    assert "mean (median) by person person images synthetic" in text
    assert "7 20" in text and "9 20" in text
    assert "bootstrap over persons and seeds" in text


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 3, "Error: --train is missing: evaluate needs labelled images to train on"),
        (["--train", SYNTHETIC], 3, "Error: --test is missing"),
        (["--train", SYNTHETIC, "--test", "no"], 3, "Error: no does not exist\n  test set: no"),
        (["--train", SYNTHETIC, "--test", CAMERA, "--label-unit", "rad"], 3, "label_unit must be"),
        (["--train", SYNTHETIC, "--test", CAMERA, "--seeds", "0"], 2, "--seeds"),
        (["--task", "feet"], 2, "'feet' is not"),
    ],
    ids=["no-train", "no-test", "no-such-set", "unit", "seeds", "task"],
)
def test_faults_of_a_user_are_sentences(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        main.run(["evaluate", *QUICK, *arguments])
    captured = capsys.readouterr()
    assert info.value.code == code
    assert sentence in captured.err
    assert "Traceback" not in captured.err and captured.out == ""


@needs_shared_data
def test_real_eyes_are_read_with_their_labels_and_people() -> None:
    file = f"{SHARED_DATA}/gaze_55x35.npz"
    arguments = ["--train", f"{file}#synthetic_x", "--test", f"{file}#columbia_test_x", "--json"]
    result = invoke(*arguments, "--no-baselines", "--seeds", "1")
    report = json.loads(result.stdout)
    assert report["images"] == 1468
    assert [row["person"] for row in report["persons"]] == list(range(19, 26))
    assert report["resampled"] == "persons"
    (mean,) = report["baselines"]
    # The mean rendered gaze is nearly into the camera; measured by hand with NumPy.
    assert mean["mean"]["value"] == pytest.approx(12.05, abs=0.02)
