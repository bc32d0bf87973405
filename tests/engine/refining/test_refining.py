"""A refined set is the input set with other pixels: names, order, sizes, depths and labels stay."""

import json
from pathlib import Path

import numpy as np
import pytest
from corpus import write_unityeyes
from PIL import Image
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

from simgan.engine import open_source
from simgan.engine.checkpoint import checkpoints
from simgan.engine.config import DataPolicy
from simgan.engine.errors import CheckpointError, ConfigError, DataError
from simgan.engine.refining import refine


def test_refined_files_keep_their_names_and_labels(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    result = refine_here(make_run(tmp_path), source, tmp_path / "out")
    before, after = tree(source), tree(tmp_path / "out")
    assert after.keys() == before.keys() | {"manifest.jsonl", "manifest.json"}
    assert result.count == result.refined == 7
    for name, data in before.items():
        if not name.endswith(".png"):
            assert after[name] == data


def test_refined_pixels_are_those_of_the_refiner(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    refiner = random_refiner()
    refine_here(make_run(tmp_path, refiner), source, tmp_path / "out", batch=3)
    for path in source.rglob("*.png"):
        refined = pixels_of(tmp_path / "out" / path.relative_to(source))
        np.testing.assert_array_equal(refined, expected(refiner, pixels_of(path)))
        assert refined.std() > 0


def test_unityeyes_are_cropped_as_in_training(tmp_path: Path) -> None:
    write_unityeyes(tmp_path / "eyes", 3)
    policy = {"channels": "gray", "eye_crop": 1.25}
    eyes = str(tmp_path / "eyes")
    run = make_run(tmp_path, random_refiner(), data=policy, synthetic=eyes)
    result = refine_here(run, eyes, tmp_path / "out", format="npz")
    source = open_source(eyes, DataPolicy(channels="gray", eye_crop=1.25))
    with np.load(result.output) as arrays:
        refined = next(arrays[key] for key in arrays if arrays[key].ndim >= 3)
    for index, image in enumerate(refined.reshape(3, 35, 55)):
        plain = expected(random_refiner(), source.read(index)[..., 0])
        np.testing.assert_array_equal(image, plain)
    with pytest.raises((ConfigError, DataError), match="other data settings"):
        other = {"channels": "gray", "eye_crop": 1.5}
        refine_here(run, eyes, tmp_path / "out", format="npz", data=other)


def test_the_manifest_has_one_line_per_image_in_order(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    result = refine_here(make_run(tmp_path), source, tmp_path / "out", batch=2)
    lines = [json.loads(line) for line in result.manifest.read_text().splitlines()]
    names = ["0.png", "2.png", "4.png", "6.png", "sub/1.png", "sub/3.png", "sub/5.png"]
    assert [line["name"] for line in lines] == names
    assert lines[0]["size"] == [24, 30, 1] and lines[0]["dtype"] == "uint8"
    assert len({line["input"] for line in lines} | {line["output"] for line in lines}) == 14
    summary = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert summary["complete"] and summary["count"] == 7 and summary["skipped"] == []


@pytest.mark.parametrize("batch", [1, 2, 7, 4096])
def test_files_do_not_depend_on_the_batch(tmp_path: Path, batch: int) -> None:
    source = make_folder(tmp_path / "in", count=9)
    run = make_run(tmp_path, random_refiner(width=16, blocks=2))
    refine_here(run, source, tmp_path / "three", batch=3, workers=1)
    refine_here(run, source, tmp_path / "other", batch=batch, workers=5)
    three, other = tree(tmp_path / "three"), tree(tmp_path / "other")
    del three["manifest.json"], other["manifest.json"]  # it names the settings
    assert three == other


def test_mixed_sizes_keep_their_sizes_and_order(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    sizes = [(9, 9), (31, 5), (9, 9), (1, 1), (31, 5), (40, 33), (9, 9)]
    refiner = random_refiner()
    for index, size in enumerate(sizes):
        pixels = random_images(1, *size, seed=index)[0]
        Image.fromarray(pixels).save(tmp_path / "in" / f"{index}.png")
    result = refine_here(make_run(tmp_path, refiner), tmp_path / "in", tmp_path / "out", batch=2)
    lines = [json.loads(line) for line in result.manifest.read_text().splitlines()]
    assert [tuple(line["size"][:2]) for line in lines] == sizes
    for index in range(len(sizes)):
        refined = pixels_of(tmp_path / "out" / f"{index}.png")
        original = pixels_of(tmp_path / "in" / f"{index}.png")
        np.testing.assert_array_equal(refined, expected(refiner, original))


def test_color_images_stay_color_and_jpeg_stays_jpeg(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    smooth = np.linspace(0, 255, 24 * 30 * 3).reshape(24, 30, 3).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "in" / "a.jpg", quality=95)
    Image.fromarray(smooth).save(tmp_path / "in" / "b.png")
    Image.fromarray(smooth).save(tmp_path / "in" / "c.webp", lossless=True)
    Image.fromarray(smooth).save(tmp_path / "in" / "d.bmp")
    run = make_run(tmp_path, identity_refiner(3))
    refine_here(run, tmp_path / "in", tmp_path / "out")
    for name, kind in (("a.jpg", "JPEG"), ("b.png", "PNG"), ("c.webp", "WEBP"), ("d.bmp", "BMP")):
        before, after = (Image.open(tmp_path / place / name) for place in ("in", "out"))
        assert after.format == kind and after.mode == "RGB"
        distance = np.abs(np.asarray(before, int) - np.asarray(after, int)).max()
        assert distance <= (4 if kind == "JPEG" else 0)  # quality 98 without subsampling


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_16_bit_ramp_survives_an_identity_refiner_to_one_step(
    tmp_path: Path, suffix: str
) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    (tmp_path / "in").mkdir()
    Image.fromarray(ramp).save(tmp_path / "in" / f"ramp.{suffix}")
    run = make_run(tmp_path, identity_refiner())
    refine_here(run, tmp_path / "in", tmp_path / "out", data={"range": "full"})
    refined = pixels_of(tmp_path / "out" / f"ramp.{suffix}").astype(int)
    assert np.abs(refined - ramp).max() <= 1
    assert refined.max() == 65535 and len(np.unique(refined)) > 65000


def test_the_16_bit_range_of_the_training_is_used_and_never_stretched(tmp_path: Path) -> None:
    images = np.array([[[500, 1000], [1500, 700]], [[900, 901], [902, 903]]], np.uint16)
    np.save(tmp_path / "depth.npy", images)
    run = make_run(tmp_path, identity_refiner(), dtype="uint16", value_range=[500, 1500])
    refine_here(run, tmp_path / "depth.npy", tmp_path / "out.npy")
    refined = np.load(tmp_path / "out.npy").astype(int)
    assert np.abs(refined - images).max() <= 1


def test_16_bit_images_without_a_range_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", random_images(2, 8, 8, dtype=np.uint16))
    with pytest.raises(DataError, match=r"000000 is 16-bit; set data\.range: full"):
        refine_here(make_run(tmp_path), tmp_path / "depth.npy", tmp_path / "out.npy")


def test_other_channels_than_the_checkpoint_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rgb.npy", random_images(2, 64, 64, 3))
    sentence = "checkpoint is for 1\u00d735\u00d755 images, data is 3\u00d764\u00d764"
    with pytest.raises(CheckpointError, match=sentence):
        refine_here(make_run(tmp_path), tmp_path / "rgb.npy", tmp_path / "out.npy")
    refine_here(
        make_run(tmp_path / "b"),
        tmp_path / "rgb.npy",
        tmp_path / "b.npy",
        data={"channels": "gray"},
    )
    assert np.load(tmp_path / "b.npy").shape[:3] == (2, 64, 64)


def test_data_settings_of_the_training_apply_to_the_refining(tmp_path: Path) -> None:
    np.save(tmp_path / "rgb.npy", random_images(2, 8, 8, 3))
    run = make_run(tmp_path, data={"channels": "gray"}, synthetic=str(tmp_path / "rgb.npy"))
    result = refine({"run": str(run), "device": "cpu"})
    assert result.output == run / "refined" / "rgb.npy" and result.count == 2


def test_nothing_is_refined_without_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = make_folder(tmp_path / "in")
    with pytest.raises(CheckpointError, match="there is no run") as caught:
        refine({"input": str(source), "output": str(tmp_path / "out")})
    assert "simgan-engine train" in str(caught.value.fix)
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        refine_here(tmp_path / "empty", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    run = make_run(tmp_path)
    weights = checkpoints(run / "checkpoints")[0] / "refiner.safetensors"
    data = bytearray(weights.read_bytes())
    data[-9] ^= 1
    weights.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        refine_here(run, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_refiner_that_gives_nan_is_refused(tmp_path: Path) -> None:
    refiner = random_refiner()
    refiner.conv_out.bias.data.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="not finite"):
        refine_here(make_run(tmp_path, refiner), make_folder(tmp_path / "in"), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


@pytest.mark.parametrize("where", ["in", "in/deep", ".", "link/deep"])
def test_the_output_is_never_inside_the_input(tmp_path: Path, where: str) -> None:
    source = make_folder(tmp_path / "in")
    (tmp_path / "link").symlink_to(source)
    run = make_run(tmp_path / "elsewhere")
    before = tree(source)
    with pytest.raises(DataError, match="must not be inside"):
        refine_here(run, source, tmp_path / where)
    assert tree(source) == before


def test_a_statistic_of_the_training_set_is_not_invented(tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", random_images(2, 8, 8, dtype=np.uint16))
    with pytest.raises(ConfigError, match="statistic of the training set"):
        refine_here(
            make_run(tmp_path), tmp_path / "depth.npy", tmp_path / "o.npy", data={"range": "minmax"}
        )


def test_unreadable_images_are_skipped_with_their_labels_and_named(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in", count=10)
    (source / "4.png").write_bytes(b"<html>not found</html>")
    run = make_run(tmp_path)
    result = refine_here(run, source, tmp_path / "out", data={"max_bad": 0.1})
    assert [problem.name for problem in result.skipped] == ["4.png"] and result.count == 9
    assert not (tmp_path / "out" / "4.json").exists()
    summary = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert summary["skipped"][0]["name"] == "4.png" and summary["skipped"][0]["reason"]
    with pytest.raises(
        DataError, match=r"1 of 10 images unreadable \(10.0 % > 1 %\), first: 4.png"
    ):
        refine_here(run, source, tmp_path / "other")


def test_one_image_of_other_channels_among_many_is_named(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    Image.fromarray(random_images(1, 24, 30, 3)[0]).save(source / "sub" / "3.png")
    with pytest.raises(CheckpointError, match="data is 3\u00d724\u00d730") as caught:
        refine_here(make_run(tmp_path), source, tmp_path / "out")
    assert caught.value.where == "first: sub/3.png"


def test_the_suffix_of_the_output_names_its_container(tmp_path: Path) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "simulator", 3)
    result = refine_here(run, source, tmp_path / "refined.npz")
    assert result.output == tmp_path / "refined.npz"
    assert np.load(result.output)["images"].shape == (3, 24, 30)
    assert result.labels == str(tmp_path / "refined.npz.labels")


def test_a_backend_that_cannot_take_the_refiner_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path, random_refiner(kernel=11))
    source = make_folder(tmp_path / "simulator", 2)
    with pytest.raises(ConfigError, match="asks for 'cpp'"):
        refine_here(run, source, tmp_path / "refined", backend="residual_block=cpp")
    assert not (tmp_path / "refined").exists()
