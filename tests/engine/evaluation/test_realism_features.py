"""Features: worse images are farther away; foreign networks and numbers are refused in words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_realism import eyes, images_of, worse
from torch import Tensor, nn

from simgan.engine.errors import ConfigError, DataError
from simgan.engine.evaluation.gaze_estimator import GazeEstimator, standardized
from simgan.engine.evaluation.realism.features import (
    RandomFeatures,
    Scale,
    estimator_features,
    exported_features,
    extract,
    random_features,
)
from simgan.engine.evaluation.realism.images import check_pair, distinct, random_rows
from simgan.engine.evaluation.realism.kernel_distance import kernel_distance

stats = pytest.importorskip("scipy.stats")
CPU = torch.device("cpu")
LEVELS = {
    "blur": (0, 1, 2, 3, 5, 8),
    "noise": (0, 4, 8, 16, 32, 64),
    "contrast": (0, 0.1, 0.2, 0.4, 0.6, 0.8),
}


@pytest.mark.parametrize("how", LEVELS)
def test_the_distance_grows_with_every_kind_of_damage(how: str) -> None:
    extractor = random_features(1, CPU)
    real = extract(eyes("camera", 150, 1), extractor)
    scale = Scale.of(real)
    found = [
        kernel_distance(
            scale(extract(worse(eyes("camera", 150, 2), how, level), extractor)), scale(real)
        )
        for level in LEVELS[how]
    ]
    assert found[0].low <= 0 <= found[0].high, "two samples of one set"
    rank = stats.spearmanr(LEVELS[how], [its.value for its in found]).statistic
    assert rank >= 0.95
    assert found[-1].low > 0


def test_halves_of_one_set_of_eyes_are_seldom_called_different() -> None:
    """200 random halvings of 300 eyes."""
    features = extract(eyes("camera", 300, 7), random_features(1, CPU))
    scaled = Scale.of(features)(features)
    generator = np.random.default_rng(3)
    above, below, low_p = 0, 0, 0
    for number in range(200):
        order = generator.permutation(300)
        found = kernel_distance(
            scaled[order[:150]], scaled[order[150:]], permutations=19, seed=number
        )
        above += found.low > 0
        below += found.high < 0
        low_p += found.p is not None and found.p <= 0.05
    # Measured: 0 above and 15 below, where the distance happens to be least and its error small.
    assert above <= 5 and below <= 30
    # A binomial count of 200 at 0.05 lies in 2..21 with probability 0.998.
    assert 2 <= low_p <= 21


def test_random_filters_are_the_same_always_and_leave_the_callers_numbers_alone() -> None:
    before = torch.get_rng_state()
    first, second = RandomFeatures(1), RandomFeatures(1)
    assert torch.get_rng_state().equal(before)
    assert all(a.equal(b) for a, b in zip(first.filters, second.filters, strict=True))
    x = torch.rand(3, 1, 35, 55)
    assert first(x).shape == (3, 448)
    maps = torch.relu(nn.functional.conv2d(x, first.filters[0]))
    assert first(x)[:, :32].allclose(maps.mean(dim=(2, 3)))
    assert first(x)[:, 32:64].allclose(maps.flatten(2).std(dim=2, correction=0), atol=1e-6)


def test_units_of_features_do_not_count() -> None:
    real, other = np.random.default_rng(0).normal(size=(2, 50, 4))
    units = np.array([1e-3, 1.0, 30.0, 1e4])
    plain, scaled = Scale.of(real), Scale.of(real * units + 7)
    assert scaled(other * units + 7) == pytest.approx(plain(other))
    constant = np.ones((50, 4))
    assert Scale.of(constant)(constant + 2) == pytest.approx(np.arcsinh(np.full((50, 4), 2.0)))


def test_features_of_an_estimator_are_its_last_hidden_layer() -> None:
    network = GazeEstimator("small")
    images = eyes("camera", 60, 3)
    found = extract(images, estimator_features(network, "image"))
    with torch.no_grad():
        x = standardized(images.unit(slice(None)), "image")
        gaze = network.gaze(torch.from_numpy(found).float())
        assert gaze.allclose(network(x), atol=1e-6)
    with pytest.raises(DataError, match=r"need 1x35x55 images, these are 1x24x28"):
        extract(images_of(np.zeros((2, 24, 28, 1), np.uint8)), estimator_features(network, "image"))


class Exported(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "maps":
            return torch.cat((x, 2 * x), dim=1)
        if self.kind == "vectors":
            return x.flatten(1)[:, :5]
        if self.kind == "odd":
            return x[:, 0]
        return x.mean(dim=(2, 3)) / 0.0 * 0.0


def export(folder: Path, kind: str) -> Path:
    batch = torch.export.Dim("batch")
    sample = torch.rand(2, 1, 24, 28)
    program = torch.export.export(Exported(kind), (sample,), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / f"{kind}.pt2")
    return folder / f"{kind}.pt2"


def test_networks_of_torch_export_give_features(tmp_path: Path) -> None:
    images = images_of(np.random.default_rng(1).integers(0, 256, (7, 24, 28, 1), np.uint8))
    x = images.unit(slice(None)).double()
    mean = x.mean(dim=(1, 2, 3))
    found = extract(images, exported_features(export(tmp_path, "maps"), CPU))
    assert found == pytest.approx(torch.stack((mean, 2 * mean), 1).numpy(), abs=1e-6)
    vectors = extract(images, exported_features(export(tmp_path, "vectors"), CPU))
    assert vectors == pytest.approx(x.flatten(1)[:, :5].numpy())


def test_networks_that_give_no_features_are_refused(tmp_path: Path) -> None:
    images = images_of(np.zeros((4, 24, 28, 1), np.uint8))
    with pytest.raises(ConfigError, match=r"must give \[N, D\] .* got \[4, 24, 28\]"):
        extract(images, exported_features(export(tmp_path, "odd"), CPU))
    with pytest.raises(DataError, match="of 4 of 4 images are NaN or infinite"):
        extract(images, exported_features(export(tmp_path, "nan"), CPU))
    larger = images_of(np.zeros((4, 30, 28, 1), np.uint8))
    with pytest.raises(ConfigError, match="does not take images 4x1x30x28"):
        extract(larger, exported_features(export(tmp_path, "maps"), CPU))
    with pytest.raises(ConfigError, match=r"features: .*nowhere\.pt2 does not exist"):
        exported_features(tmp_path / "nowhere.pt2", CPU)
    (tmp_path / "text.pt2").write_text("no network")
    with pytest.raises(ConfigError, match=r"features: .*text\.pt2 is not a torch.export program"):
        exported_features(tmp_path / "text.pt2", CPU)


def noise(count: int, seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def test_samples_that_cannot_be_compared_are_refused() -> None:
    real = images_of(noise(60, 1, 24, 28, 1))
    few = images_of(noise(49, 2, 24, 28, 1))
    with pytest.raises(DataError, match="the refined set has 49 different images, at least 50"):
        check_pair("refined", few, "real", real)
    wide = images_of(noise(60, 3, 24, 30, 3))
    with pytest.raises(DataError, match=r"refined images are 3x24x30, real images are 1x24x28"):
        check_pair("refined", wide, "real", real)
    mixed = images_of(np.concatenate((noise(58, 4, 24, 28, 1), noise(2, 1, 24, 28, 1))), "r")
    with pytest.raises(DataError, match="2 images are in the refined set and in the real set"):
        check_pair("refined", mixed, "real", real)


def test_a_weighted_sample_follows_the_weights() -> None:
    weights = np.array([0.0, 1.0, 3.0, 0.0])
    first = [int(random_rows(4, 1, seed, weights)[0]) for seed in range(400)]
    # A binomial count of 400 at 3/4 lies in 272..327 with probability 0.998.
    assert 272 <= first.count(2) <= 327
    assert first.count(1) + first.count(2) == 400
    assert sorted(random_rows(4, 9, 0, weights).tolist()) == [1, 2]
    assert sorted(random_rows(4, 9, 0).tolist()) == [0, 1, 2, 3]


def test_a_picture_counts_once() -> None:
    pixels = noise(5, 1, 24, 28, 1)
    twice = images_of(pixels[[0, 1, 0, 2, 1]])
    found = distinct(twice)
    assert found.names == ["0", "1", "3"]
    assert found.stored.equal(torch.from_numpy(pixels[[0, 1, 2]]))
