"""Gray values, gradients and spectra: against SciPy, NumPy and what must come out."""

import numpy as np
import pytest
import torch
from tiny_realism import eyes, images_of

from simgan.engine.evaluation.realism.images import Images
from simgan.engine.evaluation.realism.pixel_statistics import (
    decibels,
    gradient_lengths,
    gray_values,
    histogram_distance,
    pixel_statistics,
)

stats = pytest.importorskip("scipy.stats")


def noise(count: int, seed: int, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (count, 21, 30, 1), np.uint8)


def test_moments_are_those_of_all_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simgan.engine.evaluation.realism.images.CHUNK", 4)
    pixels = noise(11, 1)
    found = pixel_statistics(images_of(pixels))
    gray = pixels[..., 0].astype(np.float64)
    dx, dy = np.diff(gray, axis=2)[:, :-1], np.diff(gray, axis=1)[:, :, :-1]
    length = np.hypot(dx, dy)
    assert (found.gray_mean, found.gray_deviation) == pytest.approx((gray.mean(), gray.std()))
    assert found.gradient_mean == pytest.approx(length.mean())
    assert found.gradient_deviation == pytest.approx(length.std())
    assert gradient_lengths(torch.from_numpy(gray)).numpy() == pytest.approx(length)


def test_the_distance_is_scipys_wasserstein() -> None:
    first, second = noise(6, 1, 20, 200), noise(9, 2, 0, 160)
    found = [pixel_statistics(images_of(pixels)) for pixels in (first, second)]
    expected = stats.wasserstein_distance(first.ravel(), second.ravel())
    assert histogram_distance(found[0].gray, found[1].gray) == pytest.approx(expected, abs=1e-9)
    lengths = [
        gradient_lengths(gray_values(images_of(pixels).unit(slice(None)))).numpy().ravel()
        for pixels in (first, second)
    ]
    # Gradients are rounded to sixteenths of a gray level.
    expected = stats.wasserstein_distance(*lengths)
    assert histogram_distance(found[0].gradient, found[1].gradient) == pytest.approx(
        expected, abs=1 / 16
    )


def test_a_shift_of_gray_values_is_its_own_distance() -> None:
    pixels = noise(6, 1, 20, 200)
    first, second = (pixel_statistics(images_of(p)) for p in (pixels, pixels + 13))
    assert histogram_distance(first.gray, second.gray) == pytest.approx(13)
    assert histogram_distance(first.gradient, second.gradient) < 1e-3
    assert decibels(first.power, second.power) == pytest.approx(0, abs=1e-5)


def test_twice_the_contrast_is_six_decibels_at_every_frequency() -> None:
    pixels = noise(6, 1, 0, 100)
    single, double = (pixel_statistics(images_of(p)) for p in (pixels, 2 * pixels))
    assert decibels(double.power, single.power) == pytest.approx(20 * np.log10(2))


def test_white_noise_has_a_flat_spectrum_of_its_variance() -> None:
    found = pixel_statistics(images_of(noise(400, 1)))
    variance = (256**2 - 1) / 12
    assert np.abs(decibels(found.power[1:], np.full(len(found.power) - 1, variance))).max() < 0.3
    assert found.frequencies[-1] == 0.5


def test_a_wave_stands_at_its_own_frequency() -> None:
    wave = np.rint(128 + 100 * np.cos(2 * np.pi * 0.25 * np.arange(40)))
    pixels = np.broadcast_to(wave, (3, 40, 40))[..., None].astype(np.uint8)
    found = pixel_statistics(images_of(np.ascontiguousarray(pixels)))
    assert found.frequencies[found.power.argmax()] == pytest.approx(0.25)


def test_sixteen_bits_and_colours_are_measured_in_the_same_gray_levels() -> None:
    pixels = noise(6, 1)
    wide = torch.from_numpy((pixels.astype(np.uint16) * 257).view(np.int16))
    deep = Images(wide, (0.0, 65535.0), [str(i) for i in range(6)])
    color = images_of(np.repeat(pixels, 3, axis=3))
    plain = pixel_statistics(images_of(pixels))
    for other in (pixel_statistics(deep), pixel_statistics(color)):
        assert other.gray_mean == pytest.approx(plain.gray_mean, abs=1e-4)
        assert histogram_distance(other.gray, plain.gray) == pytest.approx(0, abs=1e-9)
    only_red = pixels * np.array([1, 0, 0], np.uint8)
    red = pixel_statistics(images_of(only_red))
    assert red.gray_mean == pytest.approx(0.299 * plain.gray_mean, abs=1e-3)


def test_eyes_of_a_camera_differ_from_rendered_ones() -> None:
    rendered, camera, again = (
        pixel_statistics(eyes(kind, 150, seed))
        for kind, seed in (("synthetic", 1), ("camera", 1), ("camera", 2))
    )
    same, other = (histogram_distance(its.gray, camera.gray) for its in (again, rendered))
    assert same < other / 3
