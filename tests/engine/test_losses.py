"""Feature transforms psi and the loss scale; the reduction itself is in conformance/test_3."""

import io
import math
import os
import zipfile
from pathlib import Path

import pytest
import torch

from simgan.engine.errors import ConfigError
from simgan.engine.losses import (
    derivative,
    discriminator_loss,
    effective_lambda,
    feature_transform,
    identity,
    mean_channel,
    refiner_loss,
    regularization_loss,
)

CPU = torch.device("cpu")


def test_eq_4_is_realism_plus_lambda_times_regularization() -> None:
    logits, refined, synthetic = (
        torch.randn(3, 2, 4, 5),
        torch.rand(3, 1, 6, 7),
        torch.zeros(3, 1, 6, 7),
    )
    loss = refiner_loss(logits, refined, synthetic, 0.3, identity)
    torch.testing.assert_close(loss.total, loss.realism + 0.3 * loss.regularization)
    torch.testing.assert_close(loss.regularization, refined.sum() / 3)
    probability_real = torch.softmax(logits, 1)[:, 0]
    torch.testing.assert_close(loss.realism, -probability_real.log().sum() / 3)


def test_eq_2_of_an_undecided_discriminator_is_log_2_per_patch_and_term() -> None:
    undecided = torch.zeros(4, 2, 3, 5)
    expected = torch.tensor(2 * 15 * math.log(2))
    torch.testing.assert_close(discriminator_loss(undecided, undecided), expected)


def test_eq_2_takes_sets_of_different_sizes_each_by_its_own_mean() -> None:
    refined, real = torch.randn(2, 2, 1, 1), torch.randn(5, 2, 1, 1)
    doubled = discriminator_loss(refined, torch.cat((real, real)))
    torch.testing.assert_close(doubled, discriminator_loss(refined, real))


def test_the_derivative_is_differences_in_x_and_y() -> None:
    x = torch.tensor([[[[0.0, 1.0, 4.0], [2.0, 2.0, 2.0]]]])
    assert derivative(x).tolist() == [[[1.0, 3.0, 0.0, 0.0, 2.0, 1.0, -2.0]]]


def test_the_derivative_does_not_see_a_constant_shift() -> None:
    x = torch.rand(2, 1, 5, 6)
    loss = regularization_loss(x + 0.25, x, derivative)
    torch.testing.assert_close(loss, torch.tensor(0.0), atol=1e-5, rtol=0.0)
    assert regularization_loss(x + 0.25, x, identity) > 1


def test_the_mean_channel_does_not_see_hue() -> None:
    x = torch.rand(2, 3, 4, 4)
    loss = regularization_loss(x.flip(1), x, mean_channel)
    torch.testing.assert_close(loss, torch.tensor(0.0), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("name", ["identity", "derivative", "mean-channel"])
def test_psi_is_found_by_name_and_lets_gradients_through(name: str) -> None:
    psi = feature_transform(name, CPU)
    refined = torch.rand(1, 3, 4, 4, requires_grad=True)
    regularization_loss(refined, torch.zeros(1, 3, 4, 4), psi).backward()
    assert refined.grad is not None
    assert (refined.grad != 0).any()


def test_psi_from_a_file_is_a_frozen_network(tmp_path: Path) -> None:
    network = torch.nn.Conv2d(1, 2, 3)
    example = torch.rand(2, 1, 8, 8)
    batch = torch.export.Dim("batch")
    program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "psi.pt2")
    psi = feature_transform(str(tmp_path / "psi.pt2"), CPU)
    images = torch.rand(5, 1, 8, 8, requires_grad=True)
    torch.testing.assert_close(psi(images), network(images))
    psi(images).sum().backward()
    assert images.grad is not None


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04N."])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "psi.pt2"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"feature_transform: {file} (does not exist|is not)"):
        feature_transform(str(file), CPU)


def test_the_effective_lambda_is_that_of_two_means() -> None:
    pixels, patches = 35 * 55, 9 * 14
    logits, refined = torch.randn(2, 2, 9, 14), torch.rand(2, 1, 35, 55)
    loss = refiner_loss(logits, refined, torch.zeros_like(refined), 0.3, identity)
    means = loss.realism / patches + effective_lambda(0.3, pixels, patches) * refined.mean()
    torch.testing.assert_close(loss.total / patches, means)


class Gadget:
    """Unpickling it leaves a file behind."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


def test_a_pickle_inside_a_network_file_is_refused_and_never_runs(tmp_path: Path) -> None:
    sound, planted, canary = tmp_path / "a.pt2", tmp_path / "b.pt2", tmp_path / "canary"
    program = torch.export.export(torch.nn.Conv2d(1, 2, 3), (torch.rand(2, 1, 8, 8),))
    torch.export.save(program, sound)
    gadget = io.BytesIO()
    torch.save((Gadget(canary),), gadget)
    with zipfile.ZipFile(sound) as source, zipfile.ZipFile(planted, "w") as target:
        for name in source.namelist():
            inputs = name.endswith("sample_inputs/model.pt")
            target.writestr(name, gadget.getvalue() if inputs else source.read(name))
    with pytest.raises(ConfigError, match=r"is not a torch\.export program"):
        feature_transform(str(planted), CPU)
    assert not canary.exists()
    feature_transform(str(sound), CPU)
