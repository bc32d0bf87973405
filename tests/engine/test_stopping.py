"""The rule that ends a run: what is due, what is better, when it is over, what it says."""

import pytest

from simgan.engine.config import TrainConfig, train_config
from simgan.engine.errors import ConfigError
from simgan.engine.stopping import StopRule, StopState, from_values, to_values

RULE = StopRule("kid", every=10, patience=3, start=0)


def after(values: list[float], rule: StopRule = RULE) -> StopState:
    state = rule.fresh()
    for number, value in enumerate(values, 1):
        state = rule.after(state, number * rule.every, value)
    return state


def test_the_least_value_is_the_best_and_a_tie_is_no_better() -> None:
    state = after([3.0, 1.0, 1.0, 2.0])
    assert (state.best, state.value, state.waited) == (20, 1.0, 2)
    assert state.checkpoint == "step-00000020"
    assert not RULE.is_over(state)


def test_patience_counts_looks_since_the_best() -> None:
    assert RULE.is_over(after([1.0, 2.0, 2.0, 2.0]))
    assert not RULE.is_over(after([1.0, 2.0, 2.0, 0.5]))
    assert not RULE.is_over(after([3.0, 2.0, 1.0]))
    negative = after([0.1, -0.2, -0.1])
    assert (negative.best, negative.value) == (20, -0.2), "an unbiased KID may be below 0"


def test_looks_are_due_every_so_often_from_a_step_on_and_once() -> None:
    rule = StopRule("kid", every=10, patience=3, start=25)
    due = [step for step in range(0, 61) if rule.is_due(rule.fresh(), step)]
    assert due == [30, 40, 50, 60]
    seen = rule.after(rule.fresh(), 40, 1.0)
    assert [step for step in due if rule.is_due(seen, step)] == [50, 60]
    assert not RULE.is_due(RULE.fresh(), 0), "nothing is trained yet"
    assert not RULE.is_due(after([1.0, 2.0, 2.0, 2.0]), 50), "it is over"


def test_no_rule_is_never_due_and_never_over() -> None:
    rule = StopRule.of(TrainConfig())
    assert not any(rule.is_due(rule.fresh(), step) for step in range(2000))
    assert not rule.is_over(StopState("none", waited=99))


def test_the_verdict_names_the_best_step_and_why() -> None:
    said = RULE.verdict(after([0.5, 0.25, 0.3, 0.3, 0.3]))
    assert said == (
        "stopped after step 50, because 3 looks in a row were no better; "
        "the best KID was 0.25 at step 20"
    )
    assert RULE.verdict(after([0.5])) == "the best KID was 0.5 at step 10"
    assert RULE.verdict(RULE.fresh()) == "no KID was measured"
    task = StopRule("task", every=1, patience=1, start=0)
    state = StopState("task", 2, 2, 1, 7.25, 1, unrefined=9.5)
    assert task.verdict(state) == (
        "stopped after step 2, because the last look was no better; "
        "the best task error was 7.25 degrees at step 1 (unrefined images: 9.50 degrees)"
    )


def test_a_state_survives_json_and_nonsense_does_not() -> None:
    state = after([3.0, 1.0])
    assert from_values(to_values(state)) == state
    for wrong in (None, [], {}, {**to_values(state), "extra": 1}):
        assert from_values(wrong) is None
    for name, value in (("figure", "fid"), ("best", -1), ("looks", True), ("value", "low")):
        assert from_values({**to_values(state), name: value}) is None, name
    assert from_values({**to_values(state), "value": float("nan")}) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stop_on": "task"}, "stop_task_set and stop_on task need each other"),
        ({"stop_on": "kid", "stop_task_set": "x"}, "need each other"),
        ({"stop_on": "kid", "stop_every": 50, "steps": 49}, "the run is never looked at"),
        ({"stop_on": "kid", "stop_start": 90, "steps": 80}, "at most the 80 steps"),
        ({"stop_on": "fid"}, "stop_on must be one of none, kid, classifier, task"),
        ({"patience": 0}, "patience must be at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_config({"preset": "demo", **values})
