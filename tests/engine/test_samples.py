"""Sample grids: five columns, one row an image, whole files."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from simgan.engine.discriminator import Discriminator
from simgan.engine.precision import Precision
from simgan.engine.refiner import Refiner
from simgan.engine.samples import (
    COLUMNS,
    GAP,
    HEADER,
    TILE_WIDTH,
    SampleSet,
    draw_samples,
    save_grid,
    spread_indices,
)
from simgan.engine.step import Players

SIZE = (24, 28)


def players(channels: int) -> Players:
    refiner = Refiner(channels, width=2, blocks=1)
    discriminator = Discriminator(channels, "gaze", "local", SIZE)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (refiner, discriminator)]
    return Players(refiner, discriminator, *optimizers, Precision(torch.device("cpu")), 0.1)


def sample_set(rows: int, channels: int) -> SampleSet:
    synthetic = torch.linspace(-1, 1, rows).view(-1, 1, 1, 1).expand(rows, channels, *SIZE)
    return SampleSet(synthetic.contiguous(), torch.full((rows, channels, *SIZE), 0.5))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rows", [1, 6])
def test_a_grid_has_a_row_per_image_and_a_column_per_view(rows: int, channels: int) -> None:
    grid = draw_samples(players(channels), sample_set(rows, channels))
    scale = TILE_WIDTH // SIZE[1]
    height = rows * (SIZE[0] * scale + GAP) + GAP + HEADER
    width = len(COLUMNS) * (SIZE[1] * scale + GAP) + GAP
    assert grid.shape == (height, width, 3)
    assert grid.dtype == np.uint8


def tile(grid: np.ndarray, column: int, row: int) -> np.ndarray:
    scale = TILE_WIDTH // SIZE[1]
    top = HEADER + GAP + row * (SIZE[0] * scale + GAP)
    left = GAP + column * (SIZE[1] * scale + GAP)
    return grid[top : top + SIZE[0] * scale, left : left + SIZE[1] * scale]


def test_each_column_shows_what_its_title_says() -> None:
    both, samples = players(1), sample_set(3, 1)
    grid = draw_samples(both, samples)
    for row, gray in enumerate((0, 128, 255)):
        assert (tile(grid, COLUMNS.index("synthetic"), row) == gray).all()
        assert (tile(grid, COLUMNS.index("real"), row) == 191).all()
    with torch.no_grad():
        refined = both.refiner(samples.synthetic)
    middle = tile(grid, COLUMNS.index("refined"), 1)
    expected = ((refined[1, 0] + 1) * 127.5).round().numpy()
    assert (middle[:: TILE_WIDTH // SIZE[1], :: TILE_WIDTH // SIZE[1], 0] == expected).all()


def test_drawing_changes_no_weight_and_no_random_state() -> None:
    both = players(1)
    before = {name: value.clone() for name, value in both.refiner.state_dict().items()}
    random = torch.get_rng_state()
    draw_samples(both, sample_set(2, 1))
    assert all(before[name].equal(value) for name, value in both.refiner.state_dict().items())
    assert torch.get_rng_state().equal(random)


@pytest.mark.parametrize(("count", "rows"), [(100, 6), (6, 6), (3, 6), (1, 6)])
def test_the_images_shown_are_distinct_and_spread_over_the_set(count: int, rows: int) -> None:
    found = spread_indices(count, rows)
    assert len(found) == min(count, rows)
    assert found == sorted(set(found))
    assert found[0] >= 0 and found[-1] < count
    assert found[0] + found[-1] in (count - 1, count)


def test_a_saved_grid_is_the_drawn_one(tmp_path: Path) -> None:
    grid = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    save_grid(grid, tmp_path / "a.png")
    assert (np.asarray(Image.open(tmp_path / "a.png")) == grid).all()
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_grid_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="No space"):
        save_grid(np.zeros((2, 2, 3), np.uint8), tmp_path / "a.png")
    assert os.listdir(tmp_path) == []
