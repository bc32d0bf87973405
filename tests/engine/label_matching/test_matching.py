"""What `--match-labels` accepts, refuses and finds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TINY, tiny_images

from simgan.engine.config import train_config
from simgan.engine.data.packing import pack
from simgan.engine.data.sources import open_source
from simgan.engine.errors import ConfigError, DataError
from simgan.engine.label_matching.matching import LabelMatch, match
from simgan.engine.label_matching.request import parse_request
from simgan.engine.observer import SilentObserver
from simgan.engine.precision import Precision

CPU = Precision.choose(torch.device("cpu"), amp=False, channels_last=False)


class Ears(SilentObserver):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def gaze(count: int, seed: int, spread: float = 0.4) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-spread, spread, (count, 2))


def save(path: Path, count: int = 200, **labels: Any) -> str:
    np.savez(path, images=tiny_images(count, 1), **labels)
    return str(path)


def found(asked: str, synthetic: str, ears: Ears | None = None) -> LabelMatch:
    config = train_config(
        {**TINY, "synthetic": synthetic, "real": synthetic, "match_labels": asked}
    )
    array = pack(open_source(synthetic), config.data)
    return match(config, array, array, CPU, ears or Ears())


def test_ranges_keep_what_lies_in_them(tmp_path: Path) -> None:
    angles = gaze(200, 0)
    result = found("pitch=-18..8,yaw=-9..20", save(tmp_path / "a.npz", gaze=angles))
    degrees = np.degrees(angles)
    inside = (degrees >= (-18, -9)).all(axis=1) & (degrees <= (8, 20)).all(axis=1)
    assert ((result.weights > 0) == inside).all()
    assert result.report["images_kept"] == inside.sum()
    assert result.report["effective_images"] == pytest.approx(inside.sum())
    assert result.report["labels"]["pitch"]["after"]["q95"] <= 8


def test_ranges_may_be_of_any_number(tmp_path: Path) -> None:
    depth = np.linspace(0, 100, 200)
    result = found("depth=20..60", save(tmp_path / "a.npz", depth=depth))
    assert ((result.weights > 0) == ((depth >= 20) & (depth <= 60))).all()


def test_weights_come_from_files(tmp_path: Path) -> None:
    synthetic = save(tmp_path / "a.npz")
    given = np.random.default_rng(0).random(200)
    np.save(tmp_path / "w.npy", given)
    np.savez(tmp_path / "label-match.npz", weights=given)
    np.savez(tmp_path / "my.npz", mine=given)
    rows = "".join(f"{i:06d},{w!r}\n" for i, w in reversed(list(enumerate(given.tolist()))))
    (tmp_path / "w.csv").write_text("name,weight\n" + rows)
    for name in ("w.npy", "label-match.npz", "my.npz#mine", "w.csv"):
        weights = found(str(tmp_path / name), synthetic).weights
        assert weights == pytest.approx(given / given.mean())


def test_a_labelled_set_is_followed(tmp_path: Path) -> None:
    synthetic = save(tmp_path / "a.npz", 2000, gaze=gaze(2000, 1))
    target = np.random.default_rng(2).normal((-0.15, 0.05), (0.06, 0.1), (500, 2))
    path = save(tmp_path / "real.npz", 500, gaze=target)
    result = found(path, synthetic)
    for column, name in enumerate(("pitch", "yaw")):
        item = result.report["labels"][name]
        assert item["distance_after"] < 0.15 * item["distance_before"]
        assert item["after"]["mean"] == pytest.approx(np.degrees(target[:, column].mean()), abs=0.7)
    assert result.report["target_without_synthetic"] < 0.02


def test_labels_that_the_simulator_lacks_are_told(tmp_path: Path) -> None:
    ears = Ears()
    target = np.r_[gaze(300, 2, 0.2), gaze(100, 3, 0.2) + np.array((1.0, 0.0))]
    path = save(tmp_path / "real.npz", 400, gaze=target)
    found(path, save(tmp_path / "a.npz", 1000, gaze=gaze(1000, 1)), ears)
    assert any("25% of the real labels have no synthetic label" in text for text in ears.warnings)


def test_few_images_are_warned_of_or_refused(tmp_path: Path) -> None:
    synthetic = save(tmp_path / "a.npz", 1000, depth=np.arange(1000.0))
    ears = Ears()
    found("depth=0..60", synthetic, ears)
    assert any("6.1% of the synthetic set" in text for text in ears.warnings)
    with pytest.raises(DataError, match="20 of 1,000 synthetic images keep a weight"):
        found("depth=0..19", synthetic)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (np.ones(3), r"shape \[3\], the set has 200 images"),
        (-np.ones(200), "finite and not negative, .* has -1 for image 0"),
        (np.full(200, np.nan), "finite and not negative, .* has nan"),
        (np.zeros(200), "all weights of .* are zero"),
        (np.array(["a"] * 200), "holds no numbers"),
    ],
)
def test_bad_weights_are_refused(tmp_path: Path, weights: np.ndarray, sentence: str) -> None:
    np.save(tmp_path / "w.npy", weights)
    with pytest.raises(DataError, match=sentence):
        found(str(tmp_path / "w.npy"), save(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,weight\n000000,1\n", r"no weight for 000001 \(199 images have none\)"),
        ("name,weight\n000000,1\n000000,2\n", "names 000000 twice"),
        ("name,weight\n000000\n", "row 1 has no weight"),
        ("name,weight\n000000,much\n", "could not convert"),
        ("name,size\n000000,1\n", "needs the columns name and weight"),
        ("", "needs the columns name and weight"),
    ],
)
def test_a_table_must_have_one_weight_for_every_image(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "w.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        found(str(tmp_path / "w.csv"), save(tmp_path / "a.npz"))


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    synthetic, path = save(tmp_path / "a.npz"), tmp_path / "label-match.npz"
    np.savez_compressed(path, weights=np.random.default_rng(0).random(200))
    whole = path.read_bytes()
    for damaged in (b"", whole[:300], whole[:200] + bytes(100) + whole[300:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read"):
            found(str(path), synthetic)


def test_ranges_may_mix_gaze_and_other_labels(tmp_path: Path) -> None:
    angles, depth = gaze(200, 0), np.linspace(0, 100, 200)
    path = save(tmp_path / "a.npz", gaze=angles, depth=depth)
    result = found("depth=20..90,yaw=-9..20", path)
    yaw = np.degrees(angles[:, 1])
    inside = (depth >= 20) & (depth <= 90) & (yaw >= -9) & (yaw <= 20)
    assert ((result.weights > 0) == inside).all()
    assert result.names == ("depth", "yaw")


def test_what_matching_leaves_apart_is_told(tmp_path: Path) -> None:
    ears = Ears()
    target = np.random.default_rng(2).normal((0.5, 0.0), 0.1, (400, 2))  # half of it out of reach
    found(
        save(tmp_path / "real.npz", 400, gaze=target),
        save(tmp_path / "a.npz", 2000, gaze=gaze(2000, 1)),
        ears,
    )
    assert any("matched pitch still lies" in text for text in ears.warnings)
    assert not any("matched yaw" in text for text in ears.warnings)


@pytest.mark.parametrize(
    ("asked", "labels", "sentence"),
    [
        ("pitch=0..1", {}, "no gaze labels"),
        ("pitch=0..1", {"gaze": np.full((200, 2), (0.1, 2.0))}, "can be radians or degrees"),
        ("size=0..1", {"depth": np.arange(200)}, "no label 'size'"),
        (
            "depth=0..50",
            {"depth": np.r_[np.full(3, np.nan), np.arange(197)]},
            "3 missing .*depth is NaN",
        ),
        ("depth=500..600", {"depth": np.arange(200)}, "no synthetic image lies in the ranges"),
        ("estimate", {"gaze": np.full((200, 2), 0.1)}, "takes gray images of 35x55"),
    ],
)
def test_what_cannot_be_matched_is_said(
    tmp_path: Path, asked: str, labels: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        found(asked, save(tmp_path / "a.npz", **labels))


@pytest.mark.parametrize("text", ["pitch=3..-3", "pitch=a..b", "=1..2", "", "pitch=nan..3"])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="match_labels must be"):
        parse_request(text)


@pytest.mark.slow
@pytest.mark.timeout(900)  # up to six estimators
def test_an_estimate_finds_the_gaze_of_unlabelled_eyes(tmp_path: Path) -> None:
    """Real eyes of the simulator's looks and a narrow gaze: the estimate has to find it."""
    source = open_source("procedural:synthetic?count=1500&seed=1")
    images = np.stack([source.read(i)[..., 0] for i in range(1500)])
    angles = source.labels["gaze"]
    pitch, yaw = np.degrees(angles).T
    narrow = np.flatnonzero((pitch > 0) & (np.abs(yaw) < 15))
    np.savez(tmp_path / "real.npz", images=images[narrow])
    config = train_config(
        {
            **TINY,
            "synthetic": "procedural:synthetic?count=1500&seed=0",
            "real": str(tmp_path / "real.npz"),
            "match_labels": "estimate",
        }
    )
    arrays = [pack(open_source(p), config.data) for p in (config.synthetic, config.real) if p]
    result = match(config, arrays[0], arrays[1], CPU, Ears())
    true = np.degrees(arrays[0].labels["gaze"])
    mean = (result.weights[:, None] * true).mean(axis=0)
    assert mean == pytest.approx([pitch[narrow].mean(), yaw[narrow].mean()], abs=2.0)
    inside = (true[:, 0] > -2) & (np.abs(true[:, 1]) < 17)
    assert result.weights[inside].sum() > 0.85 * result.weights.sum()
    assert inside.mean() < 0.5
    assert json.dumps(result.report, allow_nan=False)
