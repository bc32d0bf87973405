"""The refiner's loss (Eq. 4), the discriminator's loss (Eq. 2) and the feature transforms psi.

Reduction, everywhere: sum over patches and pixels, mean over the images of the batch.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from simgan.engine.errors import ConfigError
from simgan.kernels import REAL, REFINED, patch_cross_entropy, self_regularization
from simgan.kernels import refiner_loss as fused_refiner_loss

FeatureTransform = Callable[[Tensor], Tensor]
AUTOMATIC: Mapping[str, str] = MappingProxyType({})  # no backend is asked for


class RefinerLoss(NamedTuple):
    """Scalars of Eq. 4, total = realism + lambda_reg * regularization; only it has gradients."""

    total: Tensor
    realism: Tensor
    regularization: Tensor


def refiner_loss(
    logits: Tensor,  # [N, 2, h, w] = D(refined)
    refined: Tensor,  # [N, C, H, W]
    synthetic: Tensor,  # [N, C, H, W]
    lambda_reg: float,
    psi: FeatureTransform,
    backends: Mapping[str, str] = AUTOMATIC,
) -> RefinerLoss:
    """Eq. 4: -log(1 - D) of every patch, plus lambda l1(psi(refined) - psi(synthetic))."""
    with torch.no_grad():
        target = psi(synthetic)
    backend = backends.get("refiner_loss")
    return RefinerLoss(
        *fused_refiner_loss(logits, psi(refined), target, lambda_reg, backend=backend)
    )


def regularization_loss(
    refined: Tensor,
    synthetic: Tensor,
    psi: FeatureTransform,
    backends: Mapping[str, str] = AUTOMATIC,
) -> Tensor:
    """l1(psi(refined) - psi(synthetic)): the second term of Eq. 4, without lambda."""
    with torch.no_grad():
        target = psi(synthetic)
    return self_regularization(psi(refined), target, backend=backends.get("self_regularization"))


def discriminator_loss(
    refined_logits: Tensor,  # [N, 2, h, w]
    real_logits: Tensor,  # [M, 2, h, w]
    backends: Mapping[str, str] = AUTOMATIC,
) -> Tensor:
    """Eq. 2: -log D of refined images, -log(1 - D) of real ones; D is P(REFINED)."""
    backend = backends.get("patch_cross_entropy")
    refined_loss = patch_cross_entropy(refined_logits, REFINED, backend=backend)
    return refined_loss + patch_cross_entropy(real_logits, REAL, backend=backend)


def identity(x: Tensor) -> Tensor:
    """psi of the gaze experiments: the image itself."""
    return x


def derivative(x: Tensor) -> Tensor:
    """Image derivatives: forward differences in x and y, [N, C, H, W] -> [N, C, 2 H W - H - W]."""
    horizontal = x[..., :, 1:] - x[..., :, :-1]
    vertical = x[..., 1:, :] - x[..., :-1, :]
    return torch.cat((horizontal.flatten(2), vertical.flatten(2)), dim=2)


def mean_channel(x: Tensor) -> Tensor:
    """Mean of the colour channels, [N, C, H, W] -> [N, 1, H, W]."""
    return x.mean(dim=1, keepdim=True)


_TRANSFORMS: dict[str, FeatureTransform] = {
    "identity": identity,
    "derivative": derivative,
    "mean-channel": mean_channel,
}


def feature_transform(name: str, device: torch.device) -> FeatureTransform:
    """psi by name, or a network of `torch.export` from a .pt2 file, its weights frozen.

    Raises:
        ConfigError: the file is missing or is not an exported program.
    """
    if name in _TRANSFORMS:
        return _TRANSFORMS[name]
    return exported_network(Path(name), device, "feature_transform")


def exported_network(path: Path, device: torch.device, setting: str) -> FeatureTransform:
    """A network of `torch.export`, its weights frozen. Such a file can run code when it is called.

    Raises:
        ConfigError: naming the setting; the file is missing or is not an exported program.
    """
    if not path.is_file():
        raise ConfigError(f"{setting}: {path} does not exist")
    try:
        with _tensors_only():
            network: nn.Module = torch.export.load(path).module()
    except Exception as error:
        # torch.export.load raises a dozen unrelated classes for a foreign file.
        raise ConfigError(f"{setting}: {path} is not a torch.export program: {error}") from error
    network = network.to(device)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network


@contextmanager
def _tensors_only() -> Iterator[None]:
    """torch.export.load falls back to unpickling whatever a file holds; inside, it refuses to."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def effective_lambda(lambda_reg: float, pixels: int, patches: int) -> float:
    """lambda_reg as it would read if both terms were means, as in much other code."""
    return lambda_reg * pixels / patches
