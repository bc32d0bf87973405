"""Neither tiles nor splits change a result, and short memory is met by smaller pieces."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_refine import (
    make_folder,
    make_run,
    pixels_of,
    random_images,
    random_refiner,
    refine_here,
)
from torch import Tensor

from simgan.engine.errors import DeviceMemoryError
from simgan.engine.observer import SilentObserver
from simgan.engine.precision import Precision
from simgan.engine.refiner import Refiner
from simgan.engine.refining import forward as refining_forward
from simgan.engine.refining.forward import RefiningForward, from_unit, steady_threads, upload
from simgan.engine.refining.tiling import forward_tiled, tiles


class _Heard(SilentObserver):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def _forward(refiner: Refiner, **changes: object) -> RefiningForward:
    values = {
        "receptive_field": refiner.receptive_field,
        "width": refiner.shape.width,
        "precision": Precision(torch.device("cpu")),
        "batch": 8,
        "tile": None,
        "say": lambda text: None,
        **changes,
    }
    return RefiningForward(refiner, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("tile", [32, 41, 64, 200])
def test_tiles_are_bit_equal_to_the_whole_image(tile: int, count: int, padding: str) -> None:
    refiner = random_refiner(width=8, blocks=2, padding=padding)
    x = torch.rand(count, 1, 97, 130) * 2 - 1
    with torch.inference_mode(), steady_threads(torch.device("cpu")):
        whole = refiner(x)
        tiled = forward_tiled(refiner, x, tile=tile, receptive_field=refiner.receptive_field)
    assert torch.equal(whole, tiled)


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_a_halo_one_pixel_smaller_would_show(padding: str) -> None:
    refiner = random_refiner(width=8, blocks=2, padding=padding)
    x = torch.rand(1, 1, 97, 130) * 2 - 1
    with torch.inference_mode():
        tiled = forward_tiled(refiner, x, tile=32, receptive_field=refiner.receptive_field - 2)
        assert not torch.equal(refiner(x), tiled)


def test_tiles_cover_every_pixel_once() -> None:
    covered = np.zeros((70, 33), int)
    for rows, columns in tiles(70, 33, 32):
        covered[rows, columns] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_refining_in_tiles_gives_the_same_files(tmp_path: Path, padding: str) -> None:
    source = make_folder(tmp_path / "in", 3, size=(70, 81))
    run = make_run(tmp_path, random_refiner(width=8, blocks=2, padding=padding))
    refine_here(run, source, tmp_path / "whole")
    refine_here(run, source, tmp_path / "tiled", tile=32)
    for path in (tmp_path / "whole").rglob("*.png"):
        name = path.relative_to(tmp_path / "whole")
        assert path.read_bytes() == (tmp_path / "tiled" / name).read_bytes()


def test_a_batch_that_does_not_fit_is_halved_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_folder(tmp_path / "in", 20)
    run = make_run(tmp_path)
    refine_here(run, source, tmp_path / "plain")
    _limit_images(monkeypatch, 5)
    heard = _Heard()
    result = refine_here(run, source, tmp_path / "split", batch=16, progress=heard)
    assert heard.warnings == ["batch 16 does not fit; refining 4 at a time"] and result.batch == 4
    for path in (tmp_path / "plain").rglob("*.png"):
        name = path.relative_to(tmp_path / "plain")
        assert path.read_bytes() == (tmp_path / "split" / name).read_bytes()


def _limit_images(monkeypatch: pytest.MonkeyPatch, most: int, spelling: int = 0) -> None:
    """Networks given more than `most` images run out of memory."""
    errors = (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    )
    original = Refiner.forward

    def forward(self: Refiner, x: Tensor) -> Tensor:
        if len(x) > most:
            raise errors[spelling]
        return original(self, x)

    monkeypatch.setattr(Refiner, "forward", forward)


@pytest.mark.parametrize("spelling", range(4))
def test_every_spelling_of_out_of_memory_is_understood(
    monkeypatch: pytest.MonkeyPatch, spelling: int
) -> None:
    forward = _forward(random_refiner())
    _limit_images(monkeypatch, 2, spelling)
    images = list(random_images(8, 12, 12, 1))
    assert forward.submit(images, (0.0, 255.0)).result().shape == (8, 12, 12, 1)
    assert forward.used == 2


def test_other_errors_of_the_network_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: Refiner, x: Tensor) -> Tensor:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Refiner, "forward", forward)
    with pytest.raises(RuntimeError, match="a bug"):
        _forward(random_refiner()).submit(list(random_images(2, 9, 9, 1)), (0.0, 255.0))


def test_one_image_that_does_not_fit_is_refined_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    refiner = random_refiner(width=8, blocks=1)
    image = random_images(1, 150, 170, 1)[0]
    whole = _forward(refiner).submit([image], (0.0, 255.0)).result()
    _limit_pixels(monkeypatch, 60 * 60)
    said: list[str] = []
    forward = _forward(refiner, say=said.append)
    np.testing.assert_array_equal(forward.submit([image], (0.0, 255.0)).result(), whole)
    assert said[-1] == "an image of 150\u00d7170 does not fit; refining it in tiles of 42\u00d742"


def _limit_pixels(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    original = Refiner.forward

    def forward(self: Refiner, x: Tensor) -> Tensor:
        if x.shape[-1] * x.shape[-2] > most:
            raise torch.OutOfMemoryError("out of memory")
        return original(self, x)

    monkeypatch.setattr(Refiner, "forward", forward)


def test_when_not_even_a_tile_fits_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    _limit_pixels(monkeypatch, 100)
    with pytest.raises(DeviceMemoryError, match="not even in tiles of") as caught:
        _forward(random_refiner()).submit([random_images(1, 150, 170, 1)[0]], (0.0, 255.0))
    assert caught.value.exit_code == 6


def test_little_free_memory_is_respected_before_it_runs_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    per_pixel = 4 * 8 * refining_forward.LIVE_TENSORS
    room = 3.5 * 20 * 20 * per_pixel / refining_forward.MEMORY_SHARE
    monkeypatch.setattr(refining_forward, "free_memory", lambda: room)
    said: list[str] = []
    forward = _forward(random_refiner(width=8, blocks=2), say=said.append)
    assert forward.at_once(20, 20) == 3
    forward.submit(list(random_images(8, 20, 20, 1)), (0.0, 255.0))
    assert said == ["batch 8 does not fit; refining 3 at a time"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_come_back_rounded_half_to_even_and_within_the_range(dtype: type) -> None:
    y = torch.tensor([-1.5, -1.0, 0.0, 1.0, 1.5]).reshape(1, 1, 1, 5)
    stored = from_unit(y, (10.0, 201.0), np.dtype(dtype)).numpy().view(dtype).ravel()
    assert stored.tolist() == [10, 10, 106, 201, 201]  # 105.5 rounds to the even 106
    wide = from_unit(y, (0.0, 65535.0), np.dtype(np.uint16)).numpy().view(np.uint16).ravel()
    assert wide.tolist() == [0, 0, 32768, 65535, 65535]


def test_16_bit_images_reach_the_network_unchanged() -> None:
    images = list(random_images(3, 5, 6, 1, dtype=np.uint16))
    np.testing.assert_array_equal(upload(images, pinned=False).numpy().view(np.uint16), images)


@pytest.mark.parametrize("flag", ["amp", "channels_last", "deterministic"])
def test_precision_flags_change_no_pixel_by_more_than_rounding(tmp_path: Path, flag: str) -> None:
    source, run = make_folder(tmp_path / "in", 4), make_run(tmp_path)
    refine_here(run, source, tmp_path / "plain")
    refine_here(run, source, tmp_path / "other", **{flag: True})
    for path in (tmp_path / "plain").rglob("*.png"):
        other = pixels_of(tmp_path / "other" / path.relative_to(tmp_path / "plain"))
        # bf16 keeps 8 bits of a value; where the CPU has no bf16, --amp is float32.
        most = 4 if flag == "amp" else 1
        assert np.abs(other.astype(int) - pixels_of(path)).max() <= most


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_floats_do_not_depend_on_batch_split_or_tile(channels_last: bool, padding: str) -> None:
    refiner = random_refiner(width=8, blocks=2, padding=padding)
    images = list(random_images(9, 70, 45, 1, dtype=np.uint16))
    precision = Precision(torch.device("cpu"), channels_last=channels_last)
    results = []
    for batch, tile in ((9, None), (1, None), (2, None), (4, 32), (9, 40)):
        forward = _forward(refiner, batch=batch, tile=tile, precision=precision)
        with steady_threads(torch.device("cpu")):
            parts = [images[start : start + batch] for start in range(0, 9, batch)]
            done = [forward.submit(part, (0.0, 65535.0)).result() for part in parts]
        results.append(np.concatenate(done))
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_large_images_are_tiled_on_a_cpu_without_a_word() -> None:
    refiner = random_refiner()
    said: list[str] = []
    forward = _forward(refiner, say=said.append)
    image = random_images(1, 300, 420, 1)[0]
    with steady_threads(torch.device("cpu")):
        tiled = forward.submit([image], (0.0, 255.0)).result()
        whole = _forward(refiner, tile=1000).submit([image], (0.0, 255.0)).result()
    np.testing.assert_array_equal(tiled, whole)
    assert not said
