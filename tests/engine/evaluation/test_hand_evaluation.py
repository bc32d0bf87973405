"""The hand task in a whole evaluation: figures, comparisons, what is refused, what is learned."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from corpus import write_nyu
from PIL import Image
from rich.console import Console
from tiny_hands import CAMERA_HANDS, SYNTHETIC_HANDS, tiny_hand_config

from simgan.cli import evaluate_table
from simgan.cli.evaluate import command
from simgan.engine import evaluate
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.config import evaluate_config
from simgan.engine.evaluation.hand.task import HAND, joint_error
from simgan.engine.evaluation.report import ArmPredictions, judge
from simgan.engine.evaluation.statistics import compare


def predictions(seed: int, spread: float, seeds: int = 3) -> tuple[ArmPredictions, np.ndarray]:
    """Made-up predictions of 30 hands, and the truth that they are of."""
    truth = np.random.default_rng(0).uniform(40, 180, (30, 14, 2))
    noise = np.random.default_rng(seed).normal(0, spread, (seeds, 30, 14, 2))
    mean = np.broadcast_to(truth.mean(axis=0), truth.shape)
    arm = ArmPredictions(f"arm {seed}", (truth + noise).astype(np.float32), [("mean", "", 9, mean)])
    return arm, truth


def errors_of(seed: int, spread: float) -> np.ndarray:
    """px [3, 30, 14] of made-up predictions."""
    arm, truth = predictions(seed, spread)
    return joint_error(arm.predicted, truth)


def judged(*arms: tuple[int, float], persons: np.ndarray | None = None) -> dict[str, Any]:
    made = [predictions(*arm) for arm in arms]
    config = tiny_hand_config(seeds=3)
    return judge([arm for arm, _ in made], made[0][1], persons, config)


def test_pck_is_the_share_of_joints_within_5_px() -> None:
    arm, truth = predictions(1, 4.0)
    report = judged((1, 4.0))
    near, total = 0, 0
    for seed in range(3):
        for image in range(30):
            for joint in range(14):
                u, v = arm.predicted[seed, image, joint].astype(float) - truth[image, joint]
                near += (u * u + v * v) ** 0.5 <= 5
                total += 1
    (found,) = report["arms"]
    assert found["within"]["5"]["value"] == pytest.approx(near / total)
    assert found["within"]["5"]["low"] < near / total < found["within"]["5"]["high"]
    curve = dict(zip(found["curve"]["px"], found["curve"]["share"], strict=True))
    assert curve[5.0] == pytest.approx(near / total) and max(curve.values()) == 1
    errors = joint_error(arm.predicted, truth)
    assert errors.shape == (3, 30, 14)
    assert found["mean"]["value"] == pytest.approx(errors.mean())
    assert found["median"]["value"] == pytest.approx(np.median(errors))
    assert report["images"] == 30 and report["unit"] == "px"
    assert "224x224" in " ".join(report["notes"])


def test_joints_have_a_table_and_persons_too() -> None:
    report = judged((1, 4.0), (2, 2.0), persons=np.repeat([4, 5, 6], 10))
    errors = [errors_of(1, 4.0), errors_of(2, 2.0)]
    assert [row["name"] for row in report["joints"]] == list(HAND.parts)
    for index, row in enumerate(report["joints"]):
        for arm, values in zip(("arm 1", "arm 2"), errors, strict=True):
            assert row["arms"][arm]["mean"] == pytest.approx(values[..., index].mean())
            expected = (values[..., index] <= 5).mean()
            assert row["arms"][arm]["within"]["5"] == pytest.approx(expected)
    person = report["persons"][1]
    assert (person["person"], person["images"]) == (5, 10)
    assert person["arms"]["arm 2"]["mean"] == pytest.approx(errors[1][:, 10:20].mean())


def test_the_comparison_is_of_images_and_also_of_the_share() -> None:
    """A hand is drawn as a whole: 14 joints of one image are no 14 images."""
    report = judged((1, 4.0), (2, 2.0))
    (row,) = report["comparisons"]
    a, b = errors_of(1, 4.0), errors_of(2, 2.0)
    by_image = compare(a.mean(axis=2), b.mean(axis=2), np.arange(30), 0.95)
    assert row["difference"]["value"] == pytest.approx(by_image.difference.value)
    assert row["difference"]["low"] == pytest.approx(by_image.difference.low)
    assert row["p"] == pytest.approx(by_image.p)
    share = row["within"]["5"]["difference"]
    assert share["value"] == pytest.approx((b <= 5).mean() - (a <= 5).mean())
    assert share["low"] > 0, "the arm that is twice as near is better"


def test_intervals_widen_when_the_joints_of_an_image_err_together() -> None:
    truth = np.zeros((60, 14, 2))
    generator = np.random.default_rng(0)
    together = np.repeat(generator.normal(0, 4, (1, 60, 1, 2)), 14, axis=2)
    apart = generator.normal(0, 4, (1, 60, 14, 2))
    config = tiny_hand_config(seeds=1, resamples=500)
    width = []
    for noise in (together, apart):
        arm = ArmPredictions("a", noise.astype(np.float32), [])
        (found,) = judge([arm], truth, None, config)["arms"]
        width.append(found["mean"]["high"] - found["mean"]["low"])
    assert width[0] > 2.5 * width[1]


def test_a_perfect_reference_leaves_no_gain() -> None:
    truth = predictions(1, 1.0)[1]
    perfect = ArmPredictions("a", np.stack([truth.astype(np.float32)] * 3), [])
    report = judge([perfect, predictions(2, 1e-9)[0]], truth, None, tiny_hand_config(seeds=3))
    (row,) = report["comparisons"]
    assert row["within"]["5"]["gain"]["value"] is None
    assert row["within"]["5"]["difference"]["value"] == 0
    json.dumps(report, allow_nan=False)


def test_an_evaluation_of_hands_is_whole(tmp_path: Path) -> None:
    config = tiny_hand_config(
        train=[SYNTHETIC_HANDS, "real=procedural:hand-camera?count=40&seed=3&size=48"],
        out=str(tmp_path / "out"),
    )
    found = evaluate(config)
    assert found.errors.shape == (2, 2, 24, 14)
    report = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert report["task"] == "hand" and len(report["joints"]) == 14
    assert {row["name"] for row in report["baselines"]} >= {"mean"}
    with np.load(tmp_path / "out/errors.npz") as held:
        assert np.array_equal(held["errors"], found.errors)
    if (tmp_path / "out/curves.png").exists():
        assert Image.open(tmp_path / "out/curves.png").size == (1050, 675)
    console = Console(width=100, record=True, file=io.StringIO())
    evaluate_table.show(found.report, console=console)
    text = " ".join(console.export_text().split())
    for words in ("joint error on 24 test images, px (95%", "share within 5",
                  "mean px (share within 5) by joint", "wrist, thumb side",
                  "px are those of a 224x224 image"):  # fmt: skip
        assert words in text, words


def test_the_same_evaluation_twice_is_the_same() -> None:
    first, second = (evaluate(tiny_hand_config(baselines=False)) for _ in range(2))
    assert np.array_equal(first.errors, second.errors)
    other = evaluate(tiny_hand_config(baselines=False, seed=9))
    assert not np.array_equal(first.errors, other.errors)


def test_training_and_test_images_may_differ_in_size() -> None:
    config = tiny_hand_config(
        test=CAMERA_HANDS.replace("size=48", "size=80"), baselines=True, seeds=1
    )
    report = evaluate(config).report
    (mean,) = (row for row in report["baselines"] if row["name"] == "mean")
    assert mean["mean"]["value"] < 40, "both are told in px of 224"


def test_cut_nyu_frames_can_be_trained_on(tmp_path: Path) -> None:
    y, x = np.mgrid[:480, :640]
    depth = np.where((x - 300) ** 2 + (y - 220) ** 2 < 3000, 700, 1500).astype(np.uint16)
    write_nyu(tmp_path / "nyu", np.stack([depth] * 24))
    given = {"train": [str(tmp_path / "nyu")], "test": str(tmp_path / "nyu")}
    with pytest.raises(DataError, match=r"16-bit; set data\.range"):
        evaluate(tiny_hand_config(**given))
    with pytest.raises(DataError, match="must be square, got 480x640"):
        evaluate(tiny_hand_config(**given, data={"range": "0..2000"}))
    report = evaluate(
        tiny_hand_config(**given, data={"crop": "joints"}, baselines=False, seeds=1)
    ).report
    assert "224x224 (nyu-hand-crops" in report["test"]["description"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"shift": 2}, "shift and jitter are for gaze; hands have rotate and crop"),
        ({"jitter": 0.5}, "shift and jitter are for gaze"),
        ({"size": "normalized"}, "size normalized and standardize equalize are"),
        ({"task": "gaze", "rotate": 10.0}, "rotate and crop are for hands"),
        ({"task": "gaze", "crop": 0.1}, "rotate and crop are for hands"),
        ({"crop": 0.9}, "crop must be between 0.0 and 0.5"),
        ({"data": {"channels": "rgb"}}, "the hand estimator takes gray"),
    ],
    ids=str,
)
def test_settings_of_another_task_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        tiny_hand_config(**given)


def test_hands_have_a_batch_and_steps_of_their_own_unless_told() -> None:
    plain = evaluate_config({"task": "hand"})
    assert (plain.batch, plain.steps) == (32, 10_000)
    told = evaluate_config({"task": "hand", "batch": 8})
    assert (told.batch, told.steps) == (8, 10_000)
    assert evaluate_config({}).batch == 512


def test_sets_of_two_sizes_are_not_joined() -> None:
    sets = [f"m={SYNTHETIC_HANDS}", "m=procedural:hand-camera?count=30&size=64"]
    with pytest.raises(DataError, match=r"images of .* are 48x48, those of .* 64x64"):
        evaluate(tiny_hand_config(train=sets))


def test_the_command_takes_hands() -> None:
    arguments = [
        "--task",
        "hand",
        "--size",
        "small",
        "--steps",
        "2",
        "--batch",
        "4",
        "--seeds",
        "1",
    ]
    arguments += ["--resamples", "100", "--device", "cpu", "--no-baselines", "--rotate", "5"]
    arguments += ["--train", SYNTHETIC_HANDS, "--test", CAMERA_HANDS, "--json"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["config"]["rotate"] == 5
    assert " px" in result.stderr


@pytest.mark.slow
def test_a_small_estimator_learns_hands_better_than_their_mean() -> None:
    report = evaluate(
        evaluate_config(
            {
                "task": "hand", "size": "small", "device": "cpu", "seeds": 1, "resamples": 100,
                "steps": 300, "batch": 16, "lr": 3e-3, "validate_every": 100, "baselines": False,
                "train": ["procedural:hand-synthetic?count=600&seed=1&size=64"],
                "test": "procedural:hand-synthetic?count=100&seed=2&size=64",
            }
        )
    ).report  # fmt: skip
    (arm,), (mean,) = report["arms"], report["baselines"]
    assert arm["mean"]["value"] < 0.75 * mean["mean"]["value"]
    assert arm["within"]["5"]["value"] > 2 * mean["within"]["5"]["value"]
