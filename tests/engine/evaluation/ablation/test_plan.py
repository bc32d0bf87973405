"""Which arms and runs an ablation has, and what its settings may be."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tiny_ablation import TINY

from simgan.engine.config import TrainConfig, train_config
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.ablation.config import (
    ABLATIONS,
    QUICK,
    ablate_config,
    base_values,
    parse_arms,
    parse_lambdas,
)
from simgan.engine.evaluation.ablation.plan import Plan, look_steps, make_plan, run_config


def plan_of(channels: int = 1, **changes: Any) -> Plan:
    return make_plan(ablate_config({**TINY, "arms": ",".join(ABLATIONS), **changes}), channels)


def names(plan: Plan) -> list[str]:
    return [arm.name for arm in plan.arms]


def test_each_arm_differs_from_the_base_in_one_thing() -> None:
    plan = plan_of(channels=3)
    changes = {arm.name: (dict(arm.changes), arm.parts) for arm in plan.arms}
    assert changes == {
        "base": ({}, 1),
        "no-history": ({"history": False}, 1),
        "global": ({"adversarial": "global"}, 1),
        "lambda-0.03": ({"lambda_reg": 0.03}, 1),
        "lambda-3": ({"lambda_reg": 3.0}, 1),
        "psi-derivative": ({"feature_transform": "derivative"}, 1),
        "psi-mean-channel": ({"feature_transform": "mean-channel"}, 1),
        "k_g-50": ({"k_g": 50}, 1),
        "data-1x": ({}, 4),
    }


def test_an_arm_that_is_the_base_is_not_run_twice() -> None:
    plan = plan_of(
        channels=3, lambda_reg=3.0, feature_transform="derivative", k_g=50, history=False,
        adversarial="global",
    )  # fmt: skip
    assert names(plan) == [
        *("base", "history", "local", "lambda-0.03", "lambda-0.3"),
        *("psi-identity", "psi-mean-channel", "k_g-2", "data-1x"),
    ]


@pytest.mark.parametrize(
    ("base", "left"), [("identity", ["derivative"]), ("mean-channel", ["derivative"]),
                       ("derivative", ["identity"])],
)  # fmt: skip
def test_on_gray_images_the_mean_channel_is_no_arm_of_its_own(base: str, left: list[str]) -> None:
    plan = plan_of(arms="psi", feature_transform=base)
    assert names(plan) == ["base", *(f"psi-{psi}" for psi in left)]
    assert any("gray images" in note for note in plan.notes)


def test_k_g_shares_refiner_updates_or_steps_with_the_base() -> None:
    base, other = (plan_of(arms="k-g", steps=100, looks=2).runs[n] for n in (0, 1))
    assert (base.looks, base.updates) == ((50, 100), (100, 200))
    assert (other.looks, other.updates) == ((2, 4), (100, 200))
    # Both networks' updates before each look; pre-training before the first.
    assert (base.work, other.work) == ((152, 150), (104, 102))
    equal = plan_of(arms="k-g", steps=100, looks=2, equal="steps").runs[1]
    assert (equal.looks, equal.updates) == ((50, 100), (2500, 5000))


def test_looks_are_even_and_end_with_the_last_step() -> None:
    assert look_steps(10, 4) == (2, 5, 8, 10)
    assert look_steps(400, 4) == (100, 200, 300, 400)
    assert look_steps(3, 8) == (1, 2, 3)


def test_runs_go_seed_by_seed_and_pair_their_estimators() -> None:
    config = ablate_config({**TINY, "seeds": 2, "seed": 5, "estimator_seeds": 2})
    plan = make_plan(config, 1)
    assert [run.name for run in plan.runs] == [
        *("base-seed5", "no-history-seed5", "base-seed6", "no-history-seed6")
    ]
    seeds = [run.estimator_seeds(config) for run in plan.runs]
    assert seeds[0] == seeds[1] and seeds[2] == seeds[3]
    assert not set(seeds[0]) & set(seeds[2]), "refiner seeds must be independent"


def test_every_setting_of_train_reaches_the_runs() -> None:
    config = ablate_config({**TINY, "lr": 0.004, "data": {"limit": 40}, "k_d": 3})
    run = make_plan(config, 1).runs[1]
    settings = run_config(run, config, Path("place"), "images")
    differ = {"history", "seed", "steps", "out", "synthetic"}
    for item in dataclasses.fields(TrainConfig):
        if item.name not in differ:
            assert getattr(settings, item.name) == base_values(config)[item.name], item.name
    assert (settings.history, settings.steps, settings.out) == (False, 1, "place")
    assert type(settings) is TrainConfig and settings.synthetic == "images"


def test_without_data_it_is_a_quick_look_and_with_data_it_is_not() -> None:
    quick = ablate_config()
    assert {name: getattr(quick, name) for name in QUICK} == QUICK
    assert quick.preset == "demo"
    data = ablate_config({"synthetic": "a", "real": "b"})
    assert (data.preset, data.steps, data.batch) == ("gaze", 10_000, 512)
    assert ablate_config({"preset": "demo"}).steps == train_config({"preset": "demo"}).steps
    assert ablate_config({"seeds": 7}).seeds == 7


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"arms": "histroy"}, r"got 'histroy'\. Did you mean history\?"),
        ({"arms": " , "}, "arms must be of history"),
        ({"lambdas": "0.3,x"}, "lambdas must be numbers of at least 0, got 'x'"),
        ({"lambdas": "-1"}, "got '-1'"),
        ({"lambdas": "inf"}, "got 'inf'"),
        ({"steps": 3, "looks": 4}, r"steps must be at least looks \(4\)"),
        ({"sample": 3}, "sample must be at least 20"),
        ({"estimator_step": 3}, "Did you mean estimator_step"),
        ({"label_unit": "rad"}, "label_unit must be"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_wrong_settings_are_sentences(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ablate_config(values)


def test_small_languages() -> None:
    assert parse_arms("k_g, history") == ("history", "k-g")
    assert parse_lambdas("3, 0.03,3") == (0.03, 3.0)
