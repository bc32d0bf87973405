"""Checkpoint folders: what is written is read, names sort, leftovers go, pickles are refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from simgan.engine.checkpoint import (
    checkpoints,
    clean_leftovers,
    load_checkpoint,
    newest_checkpoint,
    prune,
    save_checkpoint,
    spoken,
    verified_file,
)
from simgan.engine.errors import CheckpointError
from simgan.engine.run_state import Place


def save(folder: Path, name: str = "step-00000001", value: float = 1.0) -> Path:
    tensors = {"refiner": {"w": torch.full((2, 3), value)}, "history": {"images": torch.ones(1)}}
    return save_checkpoint(folder, name, tensors, {"step": value}, {"refiner": {"shape": "tiny"}})


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    tensors = {
        "refiner": {"w": torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)},
        "optim_r": {},
        "history": {"slots": torch.arange(5, dtype=torch.uint8), "x": torch.tensor(float("nan"))},
    }
    path = save_checkpoint(tmp_path, "step-00000001", tensors, {"a": [1, None, "x"]})
    loaded = load_checkpoint(path)
    assert loaded.state == {"a": [1, None, "x"]}
    assert loaded.tensors.keys() == tensors.keys()
    assert loaded.tensors["refiner"]["w"].equal(tensors["refiner"]["w"])
    assert loaded.tensors["history"]["slots"].dtype is torch.uint8
    assert loaded.tensors["optim_r"] == {}


def test_the_refiner_file_carries_its_header(tmp_path: Path) -> None:
    path = save(tmp_path)
    with safe_open(path / "refiner.safetensors", framework="pt") as file:
        assert file.metadata() == {"shape": "tiny"}


def test_the_manifest_lists_size_and_hash_of_every_file(tmp_path: Path) -> None:
    path = save(tmp_path)
    listed = json.loads((path / "manifest.json").read_bytes())["files"]
    assert {"manifest.json", *listed} == {file.name for file in path.iterdir()}
    assert all(listed[name]["size"] == (path / name).stat().st_size for name in listed)


def test_pre_training_sorts_before_step_zero(tmp_path: Path) -> None:
    places = [Place(0, 0), Place(0, 999), Place(1, 0), Place(1, 40), Place(2, 0), Place(2, 10_000)]
    for place in reversed(places):
        save(tmp_path, place.name)
    assert [path.name for path in checkpoints(tmp_path)] == [place.name for place in places]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(2, 1300), "step 1,300"),
        (Place(2, 0), "step 0"),
        (Place(0, 5), "step 5 of pre-training R"),
        (Place(1, 1200), "step 1,200 of pre-training D"),
    ],
)
def test_a_name_is_spoken_in_words(place: Place, words: str) -> None:
    assert spoken(place.name) == words


def test_pruning_keeps_the_newest(tmp_path: Path) -> None:
    for step in range(5):
        save(tmp_path, f"step-{step:08d}")
    prune(tmp_path, 2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000003", "step-00000004"]
    assert not list(tmp_path.glob(".del-*"))


def test_latest_names_the_newest(tmp_path: Path) -> None:
    save(tmp_path)
    save(tmp_path, "step-00000002")
    assert (tmp_path / "latest").read_text() == "step-00000002\n"


def test_saving_the_same_place_again_replaces_it(tmp_path: Path) -> None:
    save(tmp_path, value=1.0)
    assert load_checkpoint(save(tmp_path, value=2.0)).state == {"step": 2.0}


def test_only_complete_checkpoints_are_listed(tmp_path: Path) -> None:
    save(tmp_path)
    for name in (".tmp-step-00000002", ".del-step-00000000", "step-00000003.bad", "notes"):
        (tmp_path / name).mkdir()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000001"]
    assert newest_checkpoint(tmp_path).name == "step-00000001"


def test_leftovers_are_cleaned_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / ".tmp-step-00000002").mkdir()
    (tmp_path / ".tmp-step-00000002" / "x").touch()
    (tmp_path / ".del-step-00000000").mkdir()
    (tmp_path / ".tmp-12-latest").touch()
    clean_leftovers(tmp_path, tmp_path / "not-there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-00000001"]


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        newest_checkpoint(tmp_path)


def test_a_verified_file_is_found_from_a_run_a_checkpoint_or_itself(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    path = save(tmp_path / "checkpoints")
    file = path / "refiner.safetensors"
    for place in (tmp_path, path, file):
        assert verified_file(place, "refiner.safetensors") == file


def test_a_missing_path_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere does not exist"):
        verified_file(tmp_path / "nowhere", "refiner.safetensors")
