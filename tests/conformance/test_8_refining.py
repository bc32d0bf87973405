"""Bug 7: per-image stretch, a lost last batch, weights that did not load."""

from pathlib import Path

import numpy as np
import pytest
from tiny_refine import (
    expected,
    identity_refiner,
    make_folder,
    make_run,
    pixels_of,
    random_images,
    random_refiner,
    refine_here,
    tree,
)

from simgan.engine.errors import CheckpointError


def test_every_image_is_refined_the_last_partial_batch_included(tmp_path: Path) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "simulator", 7)
    result = refine_here(run, source, tmp_path / "refined", batch=4)
    assert result.count == 7
    images = [name for name in tree(source) if name.endswith(".png")]
    refiner = random_refiner()
    for name in images:
        got = pixels_of(tmp_path / "refined" / name)
        assert np.array_equal(got, expected(refiner, pixels_of(source / name))), name


def test_names_tree_and_labels_stay(tmp_path: Path) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "simulator")
    refine_here(run, source, tmp_path / "refined")
    before, after = tree(source), tree(tmp_path / "refined")
    assert set(before) <= set(after)
    for name, content in before.items():
        if not name.endswith(".png"):
            assert after[name] == content, "labels are carried byte for byte"


def test_one_gray_scale_for_all_images_and_no_stretch(tmp_path: Path) -> None:
    """A dark, flat image stays dark and flat: nothing is scaled to its own minimum and maximum."""
    images = np.stack(
        [
            np.full((24, 24), 40, np.uint8),
            np.full((24, 24), 41, np.uint8),
            random_images(1, 24, 24)[0],
        ]
    )
    np.save(tmp_path / "images.npy", images)
    run = make_run(tmp_path, identity_refiner())
    refine_here(run, tmp_path / "images.npy", tmp_path / "refined.npy")
    assert np.array_equal(np.load(tmp_path / "refined.npy"), images)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bit_depth_size_and_order_stay(tmp_path: Path, dtype: type) -> None:
    images = random_images(5, 25, 31, dtype=dtype)
    gaze = np.arange(10.0).reshape(5, 2)
    np.savez(tmp_path / "set.npz", images=images, gaze=gaze)
    image = {"dtype": np.dtype(dtype).name, "value_range": [0, np.iinfo(dtype).max]}
    run = make_run(tmp_path, identity_refiner(), **image)
    refine_here(run, tmp_path / "set.npz", tmp_path / "refined.npz", batch=2)
    refined = np.load(tmp_path / "refined.npz")
    assert refined["images"].dtype == dtype and refined["images"].shape == images.shape
    assert np.abs(refined["images"].astype(int) - images.astype(int)).max() <= 1
    assert np.array_equal(refined["gaze"], gaze)


def test_nothing_is_refined_with_weights_that_do_not_load(tmp_path: Path) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "simulator", 2)
    weights = run / "checkpoints/step-00000001/refiner.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="hash mismatch"):
        refine_here(run, source, tmp_path / "refined")
    assert not (tmp_path / "refined").exists()
