"""The experiments' own arithmetic: means, references, tables, settings; nothing is trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment_plans import ABLATION, PLANS, demo, real_plan
from experiment_tables import tables
from experiments import judged, main

from simgan.engine.config import train_config
from simgan.engine.evaluation.ablation.config import ablate_config
from simgan.engine.evaluation.config import evaluate_config


def errors_of(*arms: str) -> dict[str, np.ndarray]:
    """Errors [5, 200] that are 10, 8, 6, ... degrees, with noise that all arms share."""
    noise = np.random.default_rng(0).normal(0, 1, (5, 200))
    return {arm: 10.0 - 2 * index + noise for index, arm in enumerate(arms)}


def test_refined_is_compared_with_the_synthetic_images_it_was_made_of() -> None:
    found = judged(errors_of("synthetic", "synthetic, matched", "refined"), np.arange(200))
    compared = found["comparisons"]
    assert compared["synthetic, matched"]["reference"] == "synthetic"
    assert compared["refined"]["reference"] == "synthetic, matched"
    assert compared["refined"]["difference"]["value"] == pytest.approx(2)
    assert compared["refined"]["gain"]["value"] == pytest.approx(0.25, abs=0.01)
    assert len(found["errors"]["refined"]) == 5
    plain = judged(errors_of("synthetic", "refined"), np.arange(200))["comparisons"]
    assert plain["refined"]["reference"] == "synthetic"


def test_a_table_quotes_the_record() -> None:
    pupil = {"mean": {"value": 0.3}, "sd": 0.2, "median": {"value": 0.25}, "p95": {"value": 0.6},
             "failed": {"pairs": 7}}  # fmt: skip
    result: dict[str, Any] = {
        "name": "demo",
        "plan": {"replications": 5},
        "estimators": {"normalized": judged(errors_of("synthetic", "refined"), np.arange(200))},
        "labels": [{"pairs": 100, "measures": {"pupil": pupil}}],
        "environment": {"torch": "2.13.0"},
        "commit": "abc",
    }
    text = tables(result)
    assert "| 0 | 0.30 +- 0.20 | 0.25 | 0.60 | 7 of 100 |" in text
    assert "synthetic | +20." in text and "results/demo.json" in text


def test_plans_hold_settings_that_there_are(tmp_path: Path) -> None:
    plan = demo(tmp_path)
    changed = plan.changed({"lambda_reg": "0.5", "steps": "7", "padding": "zeros"})
    config = train_config(changed.train)
    assert (config.lambda_reg, config.steps, config.padding) == (0.5, 7, "zeros")
    for settings in plan.estimators.values():
        evaluate_config({**settings, "train": "x", "test": plan.test})
    assert ablate_config(ABLATION).seeds == 3
    assert plan.described()["estimators_of_a_replication"] == 3
    real = real_plan("mpiigaze", tmp_path)
    assert "/" not in str(real.described()["train"]["synthetic"])
    assert train_config(real.train).match_labels == real.match


def test_real_eyes_are_skipped_where_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(PLANS) == {"demo", "mpiigaze", "columbia"}
    assert main(["mpiigaze", "--data", str(tmp_path)]) == 0
    assert "skipped" in capsys.readouterr().out
    assert main(["elsewhere"]) == 2
