"""The images of a page are those that training sees; grids are cut where they were glued."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny_config, tiny_images
from tiny_report import page_of

from simgan.engine.config import DataPolicy
from simgan.engine.data.batches import Batches
from simgan.engine.data.packing import pack
from simgan.engine.data.sources import open_source
from simgan.engine.discriminator import Discriminator
from simgan.engine.errors import DataError
from simgan.engine.precision import Precision
from simgan.engine.refiner import Refiner
from simgan.engine.reporting.embedding import LARGEST, Embedder
from simgan.engine.reporting.evolution import choose, cut, evolution
from simgan.engine.reporting.pictures import sample
from simgan.engine.samples import SampleSet, draw_samples, save_grid, spread_indices
from simgan.engine.step import Players
from simgan.engine.trainer import train


def stored(kind: str) -> np.ndarray:
    images = tiny_images(23, 5, channels=3 if kind == "rgb" else 1)
    if kind == "deep":
        return images.astype(np.uint16) * 200 + 1000
    return images


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("gray", {}),
        ("rgb", {}),
        ("rgb", {"channels": "gray"}),
        ("gray", {"size": "30x40"}),
        ("gray", {"range": "10..200"}),
        ("deep", {"range": "minmax"}),
        ("deep", {"range": "full"}),
    ],
    ids=["gray", "rgb", "to-gray", "resized", "range", "16-bit-minmax", "16-bit-full"],
)
def test_a_sample_is_what_training_sees(kind: str, policy: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "set.npz"
    np.savez(file, images=stored(kind))
    rules = DataPolicy(**policy)
    found = sample(str(file), rules, 7, None)
    array = pack(open_source(file, rules), rules)
    batches = Batches(array, seed=0, name="x", device=torch.device("cpu"))
    indices = spread_indices(23, 7)
    assert torch.equal(found.images, batches.pick(indices))
    assert found.names == [array.names[i] for i in indices] and found.total == 23


def test_a_damaged_image_is_passed_over_and_another_size_is_refused(tmp_path: Path) -> None:
    for name in "abc":
        Image.new("L", (28, 24), 77).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    assert sample(str(tmp_path), DataPolicy(), 5, (1, 24, 28)).names == ["a.png", "c.png"]
    with pytest.raises(DataError, match=r"a\.png is 24x28 with 1 channels, expected 24x29"):
        sample(str(tmp_path), DataPolicy(), 5, (1, 24, 29))


@pytest.mark.parametrize("kind", ["rgb", "deep"])
def test_color_and_16_bit_runs_have_pages(kind: str, tmp_path: Path) -> None:
    files = {}
    for name in ("synthetic", "real"):
        files[name] = str(tmp_path / f"{name}.npz")
        np.savez(files[name], images=stored(kind))
    policy = {"range": "minmax"} if kind == "deep" else {}
    config = tiny_config(tmp_path, **files, data=policy, steps=2, adversarial="global")
    page = page_of(train(config).run)
    kinds = {"rgb": "24x28 8-bit RGB", "deep": "24x28 16-bit gray"}
    assert kinds[kind] in page.words("data") and "None." in page.words("warnings")
    assert "1x1 patches" in page.words("pictures")
    alts = [image["alt"] for image in page.of("img")]
    assert sum(alt.startswith("map of refined image") for alt in alts) == 6
    assert sum("refined at step" in alt for alt in alts) == 4


def grid_of(rows: int, size: tuple[int, int], folder: Path, step: int) -> SampleSet:
    refiner, discriminator = Refiner(1, width=2, blocks=1), Discriminator(1, image_size=size)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (refiner, discriminator)]
    players = Players(refiner, discriminator, *optimizers, Precision(torch.device("cpu")), 0.1)
    levels = torch.randint(0, 256, (rows, 1, *size), generator=torch.Generator().manual_seed(step))
    samples = SampleSet(levels / 127.5 - 1, torch.zeros((rows, 1, *size)))
    save_grid(draw_samples(players, samples), folder / f"step-{step:08d}.png")
    return samples


@pytest.mark.parametrize("size", [(24, 28), (35, 55), (240, 300)], ids=str)
def test_pictures_are_cut_out_of_a_grid_as_they_went_in(
    size: tuple[int, int], tmp_path: Path
) -> None:
    samples = grid_of(3, size, tmp_path, 4)
    grid = np.asarray(Image.open(tmp_path / "step-00000004.png"))
    found = cut(grid, "synthetic", size)
    wanted = ((samples.synthetic + 1) * 127.5).round().to(torch.uint8).numpy()
    assert len(found) == 3
    for picture, image in zip(found, wanted, strict=True):
        assert np.array_equal(picture, np.repeat(image[0][..., None], 3, axis=2))
    assert cut(grid, "synthetic", (size[0] + 1, size[1])) == []


def test_steps_are_chosen_evenly_with_both_ends() -> None:
    assert choose([5]) == [5] and choose(list(range(5))) == [0, 1, 2, 3, 4]
    found = choose(list(range(0, 1001, 10)))
    assert found == [0, 250, 500, 750, 1000]


def test_time_goes_from_left_to_right_and_odd_grids_are_shown_whole(tmp_path: Path) -> None:
    grids = {}
    for step in (2, 4, 6):
        grid_of(2, (24, 28), tmp_path, step)
        grids[step] = tmp_path / f"step-{step:08d}.png"
    found = evolution(grids, (24, 28), Embedder())
    assert found.headings == ["synthetic", "step 2", "step 4", "step 6"]
    assert [len(row) for row in found.rows] == [4, 4] and found.notes == []
    unknown = evolution(grids, None, Embedder())
    assert unknown.rows == [] and unknown.whole is not None
    assert evolution({}, (24, 28), Embedder()).whole is None


def test_pictures_are_reduced_and_refused_beyond_the_budget() -> None:
    embedder = Embedder(budget=3_000)
    wide = embedder.pixels(np.zeros((100, 1000, 1), np.uint8), "wide")
    assert wide is not None and (wide.width, wide.height) == (LARGEST, LARGEST // 10)
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    assert embedder.pixels(noise, "noise") is None
    assert embedder.refused == ["noise"]
