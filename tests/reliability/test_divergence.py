"""Row 22: values that are not finite roll the run back, and never reach a checkpoint."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import Zygote, final_state, newest, rows, settings

from simgan.engine.checkpoint import checkpoints, load_checkpoint

ALWAYS = list(range(20))


def all_finite(run: Path) -> bool:
    found = [load_checkpoint(path) for path in checkpoints(run / "checkpoints")]
    assert found
    return all(
        bool(torch.isfinite(tensor).all())
        for checkpoint in found
        for group in checkpoint.tensors.values()
        for tensor in group.values()
        if tensor.is_floating_point()
    )


@pytest.mark.parametrize("source", ["refiner", "discriminator"])
def test_a_loss_that_is_not_finite_rolls_the_run_back_and_training_goes_on(
    zygote: Zygote, quick_folder: Path, source: str
) -> None:
    values = settings(quick_folder, steps=8, checkpoint_every=3, log_every=5, keep=20)
    nan = ["nan_loss", source, "train", [5], [0]]
    code, text = zygote.run(train=values, plants=[nan])
    run = Path(values["out"])
    assert code == 0, text
    assert (
        f"Warning: non-finite {source} loss at step 5. Rolled back to step 3 (attempt 1/3), "
        "lr 0.001->0.0005; names of the images of that step saved to " in text
    )
    assert all_finite(run)
    last = json.loads((newest(run) / "state.json").read_bytes())
    assert (last["step"], last["attempt"]) == (8, 1)
    assert [(row["phase"], row["step"]) for row in rows(run)][-2:] == [("train", 5), ("train", 8)]


def test_the_images_of_the_step_are_named(zygote: Zygote, quick_folder: Path) -> None:
    values = settings(quick_folder, steps=8, checkpoint_every=3, log_every=5)
    nan = ["nan_loss", "refiner", "train", [4], [0]]
    assert zygote.run(train=values, plants=[nan])[0] == 0
    (note,) = (Path(values["out"]) / "debug").iterdir()
    names = json.loads(note.read_bytes())
    # Two refiner batches and half a batch of synthetic images, one batch of real ones.
    assert len(names["synthetic"]) == 2 * 2 + 1
    assert len(names["real"]) == 2
    assert all(name.isdigit() for name in names["synthetic"] + names["real"])


def test_after_a_rollback_the_images_come_in_another_order(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder, steps=4, checkpoint_every=2, keep=20)
    plain = settings(quick_folder / "plain", steps=4, checkpoint_every=2, keep=20)
    assert zygote.run(train=plain)[0] == 0
    # The rate is halved by a rollback; doubled here, only the order is left to make a difference.
    nan = ["nan_loss", "refiner", "train", [3], [0]]
    code, text = zygote.run(train={**values, "lr": 0.002}, plants=[nan, ["drawn_names"]])
    assert code == 0, text
    drawn = [line.split() for line in text.splitlines() if line.startswith("drawn ")]
    attempts: dict[str, list[str]] = {}
    for _, attempt, step, *names in drawn:
        if step == "2":
            attempts[attempt] = names
    assert sorted(attempts) == ["0", "1"]
    assert attempts["0"] != attempts["1"]


def test_a_single_weight_that_is_not_finite_is_found_before_it_is_saved(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder, keep=20)
    code, text = zygote.run(train=values, plants=[["nan_weight", "train", 4]])
    assert code == 0, text
    assert "Warning: non-finite weights at step 4. Rolled back to step 2 (attempt 1/3)" in text
    assert all_finite(Path(values["out"]))


@pytest.mark.parametrize(
    ("phase", "source", "good"),
    [
        ("pretrain-refiner", "refiner", "step 2 of pre-training R"),
        ("pretrain-discriminator", "discriminator", "step 2 of pre-training D"),
    ],
)
def test_pre_training_is_rolled_back_too(
    zygote: Zygote, quick_folder: Path, phase: str, source: str, good: str
) -> None:
    values = settings(quick_folder, keep=20)
    nan = ["nan_loss", source, phase, [3], [0]]
    code, text = zygote.run(train=values, plants=[nan])
    assert code == 0, text
    assert f"non-finite {source} loss at step 3. Rolled back to {good} (attempt 1/3)" in text
    assert all_finite(Path(values["out"]))
    assert newest(Path(values["out"])).name == "step-00000006"


def test_a_first_step_of_a_phase_is_rolled_back_to_the_border(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder, keep=20)
    nan = ["nan_loss", "discriminator", "train", [1], [0, 1]]
    code, text = zygote.run(train=values, plants=[nan])
    assert code == 0, text
    assert "Rolled back to step 0 (attempt 1/3), lr 0.001->0.0005" in text
    assert "Rolled back to step 0 (attempt 2/3), lr 0.0005->0.00025" in text
    state = json.loads((newest(Path(values["out"])) / "state.json").read_bytes())
    assert state["attempt"] == 2


@pytest.mark.parametrize(
    ("phase", "good"), [("train", "step 2"), ("pretrain-refiner", "step 0 of pre-training R")]
)
def test_after_three_rollbacks_the_run_ends_with_exit_code_5_and_its_last_good_checkpoint(
    zygote: Zygote, quick_folder: Path, phase: str, good: str
) -> None:
    values = settings(quick_folder, keep=20)
    numbers = [3, 4, 5, 6] if phase == "train" else [1, 2, 3]
    nan = ["nan_loss", "refiner", phase, numbers, ALWAYS]
    code, text = zygote.run(train=values, plants=[nan])
    run = Path(values["out"])
    assert code == 5, text
    for attempt in (1, 2, 3):
        assert f"(attempt {attempt}/3)" in text
    assert "(attempt 4/3)" not in text
    assert f"after 3 rollbacks; {good} is the last complete checkpoint" in text
    assert "Lower --lr, or look at those images." in text
    assert all_finite(run)


def test_attempts_are_counted_over_a_resume(zygote: Zygote, quick_folder: Path) -> None:
    values = settings(quick_folder, steps=8, keep=20)
    first = ["nan_loss", "refiner", "train", [3], [0]]
    second = ["nan_loss", "refiner", "train", [7], [1]]
    stop = ["signal_after", "train", 5, 15]
    assert zygote.run(train=values, plants=[first, stop])[0] == 143
    code, text = zygote.run(resume=[values["out"], None], plants=[second])
    assert code == 0, text
    assert "(attempt 2/3), lr 0.0005->0.00025" in text


def test_a_run_with_a_rollback_that_is_killed_ends_like_one_that_was_not(
    zygote: Zygote, quick_folder: Path
) -> None:
    whole = settings(quick_folder / "whole", steps=8, checkpoint_every=4, log_every=3)
    parts = settings(quick_folder / "parts", steps=8, checkpoint_every=4, log_every=3)
    nan: list[Any] = ["nan_loss", "discriminator", "train", [6], [0]]
    assert zygote.run(train=whole, plants=[nan])[0] == 0
    assert zygote.run(train=parts, plants=[nan, ["kill_after", "train", 7]])[0] == -9
    assert zygote.run(resume=[parts["out"], None], plants=[nan])[0] == 0
    assert final_state(Path(parts["out"])) == final_state(Path(whole["out"]))


def test_no_row_of_metrics_stands_twice_after_a_rollback(
    zygote: Zygote, quick_folder: Path
) -> None:
    values = settings(quick_folder, steps=8, checkpoint_every=4, log_every=1)
    nan = ["nan_loss", "refiner", "train", [7], [0]]
    assert zygote.run(train=values, plants=[nan])[0] == 0
    trained = [row["step"] for row in rows(Path(values["out"])) if row["phase"] == "train"]
    assert trained == [1, 2, 3, 4, 5, 6, 7, 8]
