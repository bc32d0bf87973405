"""Row 5: every damaged checkpoint is found, told and set aside; the next older one is used."""

import random
import shutil
from pathlib import Path

import pytest
from forked import Zygote, final_state, newest, settings

from simgan.engine.checkpoint import checkpoints, newest_checkpoint, verify
from simgan.engine.errors import CheckpointError

FLIPS = 2_200


@pytest.fixture(scope="module")
def finished(zygote: Zygote, quick_root: Path) -> Path:
    """A run folder with checkpoints of steps 2, 4 and 6; tests work on copies."""
    values = settings(quick_root / "damage", keep=3)
    assert zygote.run(train=values)[0] == 0
    return Path(values["out"])


@pytest.fixture
def run(finished: Path, quick_folder: Path) -> Path:
    return Path(shutil.copytree(finished, quick_folder / "run"))


def flip(file: Path, position: int, bit: int) -> None:
    with open(file, "r+b") as opened:
        opened.seek(position)
        byte = opened.read(1)[0]
        opened.seek(position)
        opened.write(bytes([byte ^ (1 << bit)]))


def is_found(checkpoint: Path) -> bool:
    try:
        verify(checkpoint)
    except CheckpointError:
        return True
    return False


def test_every_single_flipped_bit_is_found(run: Path) -> None:
    generator = random.Random(5)
    checkpoint = newest(run)
    files = sorted(checkpoint.iterdir())
    sizes = {file: file.stat().st_size for file in files}
    missed = []
    for number in range(FLIPS):
        file = files[number % len(files)]
        position, bit = generator.randrange(sizes[file]), generator.randrange(8)
        flip(file, position, bit)
        if not is_found(checkpoint):
            missed.append((file.name, position, bit))
        flip(file, position, bit)
    assert missed == []
    verify(checkpoint)


def test_every_truncation_is_found(run: Path) -> None:
    checkpoint = newest(run)
    for file in sorted(checkpoint.iterdir()):
        whole = file.read_bytes()
        for length in {0, 1, 7, 8, 9, len(whole) // 2, len(whole) - 1}:
            file.write_bytes(whole[:length])
            assert is_found(checkpoint), f"{file.name} cut to {length} bytes"
        file.write_bytes(whole + b"\0")
        assert is_found(checkpoint) or file.name == "manifest.json", f"{file.name} made longer"
        file.unlink()
        assert is_found(checkpoint), f"{file.name} removed"
        file.write_bytes(whole)
    verify(checkpoint)


@pytest.mark.parametrize("name", ["discriminator.safetensors", "history.safetensors", "state.json"])
def test_files_swapped_between_two_checkpoints_are_found(run: Path, name: str) -> None:
    older, newer = checkpoints(run / "checkpoints")[-2:]
    (older / name).rename(run / "kept")
    (newer / name).rename(older / name)
    (run / "kept").rename(newer / name)
    assert is_found(older)
    assert is_found(newer)


def test_a_damaged_checkpoint_is_told_set_aside_and_the_next_older_one_is_used(
    zygote: Zygote, run: Path, finished: Path
) -> None:
    flip(newest(run) / "discriminator.safetensors", 5_000, 3)
    code, text = zygote.run(resume=[str(run), None])
    assert code == 0, text
    reason = "discriminator.safetensors: hash mismatch"
    expected = f"Warning: step 6 is damaged ({reason}). Using step 4."
    assert expected in text
    assert f"resuming {run} at step 4 " in text
    assert (run / "checkpoints" / "step-00000006.bad").is_dir()
    assert final_state(run) == final_state(finished), "the lost steps are repeated exactly"


def test_several_damaged_checkpoints_are_told_one_by_one(run: Path) -> None:
    for name in ("step-00000004", "step-00000006"):
        (run / "checkpoints" / name / "manifest.json").unlink()
    said: list[str] = []
    found = newest_checkpoint(run / "checkpoints", said.append, quarantine=True)
    assert found.name == "step-00000002"
    assert said == [
        f"{step} is not a checkpoint (manifest.json: missing). Using step 2."
        for step in ("step 6", "step 4")
    ]
    assert len(list((run / "checkpoints").glob("*.bad"))) == 2


def test_damage_at_the_same_step_again_is_set_aside_again(zygote: Zygote, run: Path) -> None:
    for _ in range(2):
        flip(run / "checkpoints" / "step-00000006" / "history.safetensors", 300, 0)
        code, text = zygote.run(resume=[str(run), None])
        assert code == 0, text
        assert "Using step 4" in text


def test_nothing_is_set_aside_without_being_asked(run: Path) -> None:
    flip(newest(run) / "history.safetensors", 300, 0)
    assert newest_checkpoint(run / "checkpoints").name == "step-00000004"
    assert not list((run / "checkpoints").glob("*.bad"))


def test_when_every_checkpoint_is_damaged_the_resume_ends_with_exit_code_4(
    zygote: Zygote, run: Path
) -> None:
    for path in checkpoints(run / "checkpoints"):
        flip(path / "refiner.safetensors", 100, 1)
    code, text = zygote.run(resume=[str(run), None])
    assert code == 4
    assert f"CheckpointError: every checkpoint in {run / 'checkpoints'} is damaged" in text
    assert "step-00000006 is damaged (refiner.safetensors: hash mismatch)" in text
    assert not list((run / "checkpoints").glob("*.bad")), "nothing is renamed when nothing is left"


def test_a_run_whose_checkpoints_were_deleted_is_not_started_over(
    zygote: Zygote, run: Path
) -> None:
    shutil.rmtree(run / "checkpoints")
    before = (run / "metrics.jsonl").read_bytes()
    code, text = zygote.run(resume=[str(run), None])
    assert code == 4
    assert "has no checkpoint yet" in text
    assert (run / "metrics.jsonl").read_bytes() == before
