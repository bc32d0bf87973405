"""Planned draws: the images of the usual order, their indices on the device before a stretch."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import tiny_config, tiny_images

from simgan.engine.data.batches import Batches
from simgan.engine.data.packing import ImageArray
from simgan.engine.schedule import LONGEST, Schedule
from simgan.engine.stepper import obstacle
from simgan.engine.trainer import train

CPU = torch.device("cpu")


def sets(resident: bool = True) -> dict[str, Batches]:
    """Two sets of different sizes, 11 and 7."""
    return {
        kind: Batches(
            ImageArray(
                tiny_images(count, count),
                [str(index) for index in range(count)],
                {},
                (0.0, 255.0),
                "print",
                "npz",
                "here",
            ),
            seed=3,
            name=kind,
            device=CPU,
            resident=resident,
        )
        for kind, count in (("synthetic", 11), ("real", 7))
    }


def drawn(schedule: Schedule, *draws: tuple[str, int]) -> list[torch.Tensor]:
    """The images of one step."""
    schedule.begin_step()
    found = [schedule.draw(kind, count) for kind, count in draws]
    schedule.end_step()
    schedule.step_done()
    return found


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "streamed"])
def test_planned_draws_are_those_of_the_order_across_stretches_and_epochs(resident: bool) -> None:
    planned, usual = sets(resident), sets()
    schedule = Schedule(planned, CPU)
    draws = [("synthetic", 4), ("synthetic", 4), ("synthetic", 2), ("real", 4)]
    step = 0
    for length in (1, 3, 5, 1):
        schedule.plan(step, length, {"synthetic": 10, "real": 4})
        for _ in range(length):
            for images, (kind, count) in zip(drawn(schedule, *draws), draws, strict=True):
                assert images.equal(usual[kind].next(count))
            step += 1
            assert int(schedule.step) == step
    assert [planned[kind].position for kind in planned] == [10 * step, 4 * step]
    for each in planned.values():
        each.close()


def test_a_set_that_a_step_does_not_draw_from_stays_where_it_is() -> None:
    planned = sets()
    schedule = Schedule(planned, CPU)
    schedule.plan(0, 2, {"synthetic": 4})
    drawn(schedule, ("synthetic", 4))
    assert (planned["synthetic"].position, planned["real"].position) == (4, 0)


def test_a_plan_that_fits_is_written_where_the_last_one_was() -> None:
    schedule = Schedule(sets(), CPU)
    places = []
    for length in (3, LONGEST, 1):
        schedule.plan(0, length, {"synthetic": 4, "real": 2})
        places.append((schedule._indices["synthetic"].data_ptr(), schedule.step.data_ptr()))
        drawn(schedule, ("synthetic", 4), ("real", 2))
    assert len(set(places)) == 1


def test_a_step_cannot_draw_more_than_was_planned() -> None:
    schedule = Schedule(sets(), CPU)
    schedule.plan(0, 1, {"synthetic": 4})
    schedule.begin_step()
    schedule.draw("synthetic", 3)
    with pytest.raises(AssertionError, match="more than was planned"):
        schedule.draw("synthetic", 2)


def test_indices_are_uploaded_only_where_the_host_looks_at_the_run_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[tuple[int, int, dict[str, int]]] = []
    plan = Schedule.plan

    def noted(schedule: Schedule, step: int, length: int, widths: dict[str, int]) -> None:
        plans.append((step, length, dict(widths)))
        plan(schedule, step, length, widths)

    monkeypatch.setattr(Schedule, "plan", noted)
    every = {"log_every": 5, "checkpoint_every": 8, "sample_every": 100}
    phases = {"pretrain_refiner_steps": 7, "pretrain_discriminator_steps": 2}
    train(tiny_config(tmp_path, steps=12, history_capacity=4, **every, **phases))
    # Both phases of pre-training, two steps that fill a history of 4, ticks and checkpoints.
    full = {"synthetic": 2 * 4 + 2, "real": 4}
    assert plans == [
        (0, 5, {"synthetic": 4}),
        (5, 2, {"synthetic": 4}),
        (0, 2, {"synthetic": 4, "real": 4}),
        (0, 1, {"synthetic": 3 * 4, "real": 4}),
        (1, 1, full),
        (2, 3, full),
        (5, 3, full),
        (8, 2, full),
        (10, 2, full),
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"device": "cpu"}, "there is no GPU"),
        ({"graphs": False}, "--no-graphs"),
        ({"compile": True}, "--compile"),
        ({"scaler": True}, "fp16"),
        ({"feature_transform": "psi.pt2"}, ".pt2"),
        ({"streamed": "real"}, "do not fit into the device's memory: real"),
    ],
)
def test_a_run_says_why_its_steps_are_not_captured(
    changes: dict[str, Any], reason: str | None
) -> None:
    config = {"graphs": True, "compile": False, "feature_transform": "identity", **changes}
    precision = SimpleNamespace(
        device=torch.device(changes.get("device", "cuda")),
        needs_scaler=changes.get("scaler", False),
    )
    kinds = {
        kind: SimpleNamespace(
            order=SimpleNamespace(name=kind), resident=changes.get("streamed") != kind
        )
        for kind in ("synthetic", "real")
    }
    run: Any = SimpleNamespace(
        config=SimpleNamespace(**config), players=SimpleNamespace(precision=precision), **kinds
    )
    found = obstacle(run)
    assert found is None if reason is None else reason in str(found)
