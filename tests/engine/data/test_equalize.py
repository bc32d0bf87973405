"""Histogram equalization while images are read: its values, where it is done, where refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simgan.engine import open_source
from simgan.engine.config import DataPolicy
from simgan.engine.data.packing import pack
from simgan.engine.data.pixels import equalize
from simgan.engine.data.procedural_hands.source import ProceduralHands
from simgan.engine.errors import DataError

EQUALIZED = DataPolicy(equalize=True)
GRAY = DataPolicy(equalize=True, channels="gray")


def by_rank(image: NDArray[np.integer]) -> NDArray[np.float64]:
    """What each pixel becomes, counted one by one in float64."""
    most = np.iinfo(image.dtype).max
    flat = image.reshape(-1)
    darkest = (flat == flat.min()).sum()
    ranks = np.array([(flat <= value).sum() for value in flat], np.float64)
    return (most * (ranks - darkest) / (flat.size - darkest)).reshape(image.shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_are_spread_by_rank(dtype: type[np.unsignedinteger]) -> None:
    random = np.random.default_rng(0)
    image = (random.beta(2, 9, (35, 55, 1)) * np.iinfo(dtype).max).astype(dtype)
    found = equalize(image)
    assert found.dtype == dtype
    assert np.abs(found - by_rank(image)).max() <= 0.5
    assert (found.min(), found.max()) == (0, np.iinfo(dtype).max)


def test_it_is_the_equalization_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(1).normal(90, 20, (35, 55)).clip(0, 255).astype(np.uint8)
    assert np.abs(equalize(image).astype(int) - cv2.equalizeHist(image).astype(int)).max() <= 1


def test_an_even_image_stays_as_it_is() -> None:
    image = np.full((8, 8, 1), 77, np.uint8)
    assert np.array_equal(equalize(image), image)


def test_every_image_of_an_array_is_equalized_when_packed(tmp_path: Path) -> None:
    images = np.random.default_rng(2).integers(60, 120, (3, 24, 26)).astype(np.uint8)
    np.save(tmp_path / "plain.npy", images)
    source = open_source(tmp_path / "plain.npy", EQUALIZED)
    packed = pack(source, cache=tmp_path / "cache")
    for stored, image in zip(packed.images, images, strict=True):
        assert np.array_equal(stored, equalize(image[..., None]))
    plain = open_source(tmp_path / "plain.npy", DataPolicy())
    assert np.array_equal(pack(plain, cache=tmp_path / "cache").images[..., 0], images)


def test_built_in_eyes_are_equalized() -> None:
    location = "procedural:camera?count=20&seed=3"
    plain, equal = open_source(location, DataPolicy()), open_source(location, EQUALIZED)
    assert np.array_equal(equal.read(17), equalize(plain.read(17)))


def test_color_and_depth_are_refused(tmp_path: Path) -> None:
    images = np.random.default_rng(3).integers(0, 255, (2, 16, 20, 3)).astype(np.uint8)
    np.savez(tmp_path / "color.npz", images=images)
    with pytest.raises(DataError, match=r"is in color, and data\.equalize is for gray images"):
        open_source(tmp_path / "color.npz", EQUALIZED).read(0)
    assert open_source(tmp_path / "color.npz", GRAY).read(0).max() == 255
    with pytest.raises(DataError, match="depths cannot be equalized"):
        ProceduralHands("hand-synthetic", 1, policy=EQUALIZED)
