"""A whole evaluation on tiny sets: what it reports, what it must not look at, what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_evaluate import CAMERA, SYNTHETIC, TINY, Ears, angles, save, tiny_config

from simgan.engine import evaluate
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation import baselines, evaluation
from simgan.engine.evaluation.gaze import angular_error, to_vectors
from simgan.engine.evaluation.labelled_set import load_sets
from simgan.engine.evaluation.report import ArmPredictions
from simgan.engine.observer import SilentObserver


@pytest.fixture
def predictions(monkeypatch: pytest.MonkeyPatch) -> list[list[ArmPredictions]]:
    """What each evaluation predicted before it looked at labels."""
    kept: list[list[ArmPredictions]] = []
    judge = evaluation.judge

    def listen(arms: list[ArmPredictions], *rest: Any) -> dict[str, Any]:
        kept.append(arms)
        return judge(arms, *rest)

    monkeypatch.setattr(evaluation, "judge", listen)
    return kept


def test_labels_of_the_test_set_reach_no_prediction(
    tmp_path: Path, predictions: list[list[ArmPredictions]]
) -> None:
    truth, permuted = angles(40, 3), angles(40, 3)[::-1]
    results = [
        evaluate(tiny_config(test=save(tmp_path / f"{i}.npz", seed=3, gaze=gaze, person=person)))
        for i, (gaze, person) in enumerate(
            [(truth, None), (permuted, np.arange(40) // 8), (truth * 0 + 0.3, None)]
        )
    ]
    first = predictions[0][0]
    for other in (predictions[1][0], predictions[2][0]):
        assert np.array_equal(other.predicted, first.predicted)
        for mine, yours in zip(first.baselines, other.baselines, strict=True):
            assert mine[:3] == yours[:3]
            assert np.array_equal(mine[3], yours[3])
    seeds = [[row["best_step"] for row in r.report["arms"][0]["seeds"]] for r in results]
    assert seeds[0] == seeds[1] == seeds[2]
    assert results[0].errors.mean() != results[1].errors.mean()


def test_the_report_holds_the_errors_of_the_predictions(
    predictions: list[list[ArmPredictions]],
) -> None:
    found = evaluate(tiny_config(train=[SYNTHETIC, f"camera={CAMERA}&height=36&width=60"]))
    sets = load_sets(tiny_config(), SilentObserver())
    errors = np.stack([angular_error(arm.predicted, sets.test.truth) for arm in predictions[0]])
    assert np.array_equal(found.errors, errors)
    report = json.loads(json.dumps(found.report, allow_nan=False))
    assert [arm["name"] for arm in report["arms"]] == ["synthetic", "camera"]
    for arm, values in zip(report["arms"], errors, strict=True):
        assert arm["mean"]["value"] == pytest.approx(values.mean())
        assert arm["median"]["value"] == pytest.approx(np.median(values))
        assert arm["within"]["13"]["value"] == pytest.approx((values <= 13).mean())
        assert arm["mean"]["low"] < arm["mean"]["value"] < arm["mean"]["high"]
        assert [row["mean"]["value"] for row in arm["seeds"]] == pytest.approx(values.mean(1))
        curve = dict(zip(arm["curve"]["degrees"], arm["curve"]["share"], strict=True))
        assert curve[7] == arm["within"]["7"]["value"]
        assert list(curve.values())[-1] == 1 and len(arm["seeds"][0]["history"]) == 2
    (comparison,) = report["comparisons"]
    assert comparison["difference"]["value"] == pytest.approx(errors[0].mean() - errors[1].mean())
    assert comparison["gain"]["value"] == pytest.approx(1 - errors[1].mean() / errors[0].mean())
    assert (comparison["reference"], comparison["arm"]) == ("synthetic", "camera")
    assert report["resampled"] == "images and seeds" and report["unit"] == "degrees"


def test_the_same_evaluation_twice_is_the_same(tmp_path: Path) -> None:
    first, second = evaluate(tiny_config()), evaluate(tiny_config())
    assert np.array_equal(first.errors, second.errors)
    drop = ("seconds",)
    assert {k: v for k, v in first.report.items() if k not in drop} == {
        k: v for k, v in second.report.items() if k not in drop
    }


def test_persons_are_resampled_and_listed_where_they_are_known(tmp_path: Path) -> None:
    persons = np.repeat([3, 8, 9], [20, 15, 5])
    found = evaluate(tiny_config(test=save(tmp_path / "a.npz", person=persons), seeds=1))
    report = found.report
    assert report["resampled"] == "persons"
    assert "3 persons are few" in " ".join(report["notes"])
    assert "one seed" in " ".join(report["notes"])
    assert [(row["person"], row["images"]) for row in report["persons"]] == [
        (3, 20), (8, 15), (9, 5)
    ]  # fmt: skip
    of_8 = report["persons"][1]["arms"]["synthetic"]
    assert of_8["mean"] == pytest.approx(found.errors[0, :, persons == 8].mean())


def test_one_person_is_not_resampled(tmp_path: Path) -> None:
    test = save(tmp_path / "a.npz", person=np.full(40, 5))
    report = evaluate(tiny_config(test=test)).report
    assert report["resampled"] == "images and seeds"
    assert "one person" in " ".join(report["notes"])


def test_a_validation_set_leaves_the_training_set_whole(tmp_path: Path) -> None:
    arm = evaluate(tiny_config(validation=save(tmp_path / "v.npz", 9))).report["arms"][0]
    assert (arm["trained_on"], arm["validated_on"]) == (60, 9)
    split = evaluate(tiny_config()).report["arms"][0]
    assert (split["trained_on"], split["validated_on"]) == (54, 6)


def test_files_are_written_whole_and_never_over_others(tmp_path: Path) -> None:
    found = evaluate(tiny_config(out=str(tmp_path / "out")))
    assert json.loads((tmp_path / "out/evaluation.json").read_text()) == json.loads(
        json.dumps(found.report)
    )
    with np.load(tmp_path / "out/errors.npz") as held:
        assert np.array_equal(held["errors"], found.errors)
        assert held["arms"].tolist() == ["synthetic"] and held["seeds"].tolist() == [0, 1]
        assert held["names"][2] == "eye_000002.png"
    with pytest.raises(ConfigError, match="out already holds an evaluation"):
        evaluate(tiny_config(out=str(tmp_path / "out")))


def test_the_curves_are_a_picture_of_the_shares(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    evaluate(tiny_config(train=[SYNTHETIC, CAMERA + "1"], out=str(tmp_path)))
    pixels = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).astype(int)
    assert pixels.shape == (675, 1050, 3)
    for color in ((0, 114, 178), (213, 94, 0)):
        assert (np.abs(pixels - color).sum(-1) < 12).sum() > 300, "a line of each arm"


def test_without_scikit_learn_only_the_mean_keeps_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "installed", lambda: False)
    ears = Ears()
    report = evaluate(tiny_config(), observer=ears).report
    assert [row["name"] for row in report["baselines"]] == ["mean"]
    assert "install simgan-engine[evaluate]" in " ".join(ears.warnings)
    quiet = Ears()
    evaluate(tiny_config(baselines=False), observer=quiet)
    assert quiet.warnings == []


NAN = angles(40)
NAN[2] = np.nan


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"train": []}, "--train is missing"),
        ({"test": None}, "--test is missing"),
        ({"train": ["nowhere"]}, "nowhere does not exist"),
        ({"train": ["a.npz", "b/a.npz"]}, "a.npz and b/a.npz are both called 'a'"),
        ({"label_unit": "miles"}, "label_unit must be auto, radians, degrees"),
        ({"label_unit": "tset=degrees"}, "label_unit names 'tset', which is none of synthetic, te"),
        ({"label": "look"}, "label: no set has look"),
        ({"data": {"size": "64x64"}}, "data.size must be 35x55 or not set"),
        ({"data": {"channels": "rgb"}}, "data.channels must be keep or gray"),
        ({"train": 3}, "train must be a list, got 3"),
        ({"seed": 3, "seeds": 0}, "seeds must be at least 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ConfigError, DataError), match=sentence) as info:
        evaluate({**TINY, "train": [SYNTHETIC], "test": CAMERA, **given})
    assert info.value.exit_code == 3


@pytest.mark.parametrize(
    ("count", "arrays", "sentence"),
    [
        (40, {"gaze": None}, "no gaze labels; the set has no labels at all"),
        (40, {"gaze": NAN}, "1 missing .first: 000002: gaze is NaN"),
        (40, {"gaze": to_vectors(angles(40))}, "holds unit vectors; which way is y"),
        (40, {"gaze": np.full((40, 2), 400.0)}, "gaze is not gaze in degrees: pitch reaches 400"),
        (9, {}, "the test set has 9 images, at least 10 are needed"),
    ],
    ids=["missing", "NaN", "vectors", "other-unit", "few"],
)
def test_test_sets_that_cannot_be_judged_are_refused(
    tmp_path: Path, count: int, arrays: dict[str, Any], sentence: str
) -> None:
    test = save(tmp_path / "a.npz", count, **arrays)
    with pytest.raises(DataError, match=sentence) as info:
        evaluate(tiny_config(test=test))
    assert info.value.exit_code == 3
    assert "test set: " in str(info.value) or test in str(info.value)


def test_too_few_training_images_are_refused(tmp_path: Path) -> None:
    few = save(tmp_path / "a.npz", 19)
    with pytest.raises(DataError, match="the train set has 19 images, at least 20 are needed"):
        evaluate(tiny_config(train=[few]))
    one = save(tmp_path / "b.npz", 30, person=np.repeat([1, 2], [5, 25]))
    with pytest.raises(DataError, match="5 images are left to train on after 25 were held out"):
        for seed in range(6):  # one of them holds out the second person
            evaluate(tiny_config(train=[one], seed=seed, seeds=1))
