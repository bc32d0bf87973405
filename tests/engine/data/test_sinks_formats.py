"""Research formats come back as themselves, or as the folder that can hold them."""

from pathlib import Path

import numpy as np
import pytest
from paths import SHARED_DATA, needs_shared_data
from tiny_refine import identity_refiner, make_run, pixels_of, random_images, refine_here

from simgan.engine.config import DataPolicy
from simgan.engine.data.image_encoding import encode_image
from simgan.engine.data.sources import open_source


def test_nyu_depth_comes_back_the_way_it_was_stored(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    depth = random_images(1, 24, 30, 1, dtype=np.uint16)[0] % 4000
    frame = tmp_path / "in" / "depth_1_0000001.png"
    frame.write_bytes(encode_image(depth, "NYU"))
    run = make_run(tmp_path, identity_refiner(), dtype="uint16", value_range=[0, 4000])
    refine_here(run, tmp_path / "in", tmp_path / "out")
    refined = open_source(tmp_path / "out")
    assert refined.format == "nyu-hand" and refined.names == ["depth_1_0000001.png"]
    assert np.abs(refined.read(0).astype(int) - depth).max() <= 1
    assert pixels_of(tmp_path / "out" / frame.name).shape == (24, 30, 3)


@needs_shared_data
def test_unityeyes_become_crops_with_their_json(tmp_path: Path) -> None:
    assert SHARED_DATA is not None
    source = open_source(SHARED_DATA / "unityeyes_genuine", DataPolicy(limit=6))
    run = make_run(tmp_path, identity_refiner(3))
    refine_here(run, source.location, tmp_path / "out", data={"limit": 6})
    refined = open_source(tmp_path / "out")
    assert refined.format == "unityeyes" and refined.names == source.names
    np.testing.assert_array_equal(refined.labels["gaze"], source.labels["gaze"])
    for index, name in enumerate(source.names):
        label = name.replace(".jpg", ".json")
        carried = (tmp_path / "out" / label).read_bytes()
        assert carried == (SHARED_DATA / "unityeyes_genuine" / label).read_bytes()
        assert refined.read(index).shape == source.read(index).shape


def test_mpiigaze_becomes_png_files_with_a_label_table(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    (tmp_path / "in" / "p00").mkdir(parents=True)
    images = random_images(2, 36, 60)
    gaze = np.array([[0.1, 0.2, -0.9], [0.0, 0.1, -1.0]])
    eye = {"image": images, "gaze": gaze, "pose": np.zeros((2, 3))}
    scipy_io.savemat(tmp_path / "in" / "p00" / "day01.mat", {"data": {"left": eye, "right": eye}})
    refine_here(make_run(tmp_path, identity_refiner()), tmp_path / "in", tmp_path / "out")
    source = open_source(tmp_path / "in")
    lines = (tmp_path / "out" / "labels.csv").read_text().splitlines()
    assert lines[0] == "name,pitch,yaw,pose_0,pose_1,pose_2,person"
    assert [line.split(",")[0] for line in lines[1:]] == [f"{name}.png" for name in source.names]
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / f"{source.names[1]}.png"), images[1])
