"""A step asks nothing of the host: meta tensors stand for a GPU, whose values no host can see.

`meta` refuses `.item()`, `nonzero` and whatever else needs values; a mode refuses every tensor of
the host, because its way to the GPU would be a copy.
"""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_config, tiny_images
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from simgan.engine.algorithm import one_step, step_widths
from simgan.engine.config import TrainConfig
from simgan.engine.data.packing import ImageArray
from simgan.engine.observer import SilentObserver
from simgan.engine.run_state import PHASES, Training
from simgan.engine.schedule import Schedule
from simgan.engine.setup import Arrays, build_training
from simgan.kernels.history_exchange import reference as history_exchange
from simgan.kernels.patch_cross_entropy import reference as patch_cross_entropy
from simgan.kernels.refiner_loss import reference as refiner_loss
from simgan.kernels.residual_block import reference as residual_block
from simgan.kernels.self_regularization import reference as self_regularization

META = torch.device("meta")


class Alone(TorchDispatchMode):
    """Refuses every operation that takes or makes a tensor of the host; counts the others."""

    seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, Tensor) and leaf.device != META:
                raise AssertionError(f"{func} has to do with a tensor on {leaf.device}")
        self.seen += 1
        return result


def fused_sgd(
    parameters: list[Tensor], gradients: list[Tensor], momenta: list[Tensor], **named: Any
) -> None:
    """The same tensors go in as into the fused kernel."""
    assert momenta == [] and isinstance(named["lr"], float)
    torch._foreach_add_(parameters, gradients, alpha=-named["lr"])


@pytest.fixture(autouse=True)
def meta_is_a_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("simgan.engine.setup.pick_device", lambda text: META)
    optimizers = importlib.import_module("torch.optim.optimizer")
    monkeypatch.setattr(optimizers, "_get_fused_kernels_supported_devices", lambda: ["meta"])
    monkeypatch.setattr(torch, "_fused_sgd_", fused_sgd)  # torch has a meta kernel of Adam's only
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)  # meta has no autocast
    yield


def training(config: TrainConfig, channels: int = 1) -> Training:
    """A run on meta, its history full."""
    arrays = (
        ImageArray(
            tiny_images(9, 1, channels),
            [str(index) for index in range(9)],
            {},
            (0.0, 255.0),
            "print",
            "npz",
            "here",
        )
        for _ in range(2)
    )
    built = build_training(config, Arrays(*arrays), SilentObserver())
    history = built.players.history
    if history is not None:
        history.size = history.capacity
    return built


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="adam"),
        pytest.param({"optimizer": "sgd"}, id="sgd"),
        pytest.param({"history": False, "k_d": 2}, id="no-history"),
        pytest.param({"feature_transform": "derivative"}, id="derivative"),
        pytest.param({"feature_transform": "mean-channel"}, id="mean-channel"),
        pytest.param({"adversarial": "global", "channels_last": True}, id="global-channels_last"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_step_asks_nothing_of_the_host(
    tmp_path: Path, phase: str, changes: dict[str, Any], channels: int
) -> None:
    run = training(tiny_config(tmp_path, **changes), channels)
    schedule = Schedule({"synthetic": run.synthetic, "real": run.real}, META)
    schedule.plan(0, 3, step_widths(run, phase))
    one_step(run, schedule, phase)  # the first makes what stays: optimizer state, sums
    with Alone() as mode:
        one_step(run, schedule, phase)
    assert mode.seen > 50, "a step is more than that"


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda x: x.sum().item(), id="item"),
        pytest.param(lambda x: bool((x > 0).any()), id="branch"),
        pytest.param(lambda x: x[x > 0], id="mask"),
        pytest.param(lambda x: x.nonzero(), id="nonzero"),
        pytest.param(lambda x: x + torch.ones(2), id="mixed"),
        pytest.param(lambda x: x * torch.tensor(2.0), id="host-scalar"),
        pytest.param(lambda x: x.copy_(torch.ones(2)), id="upload"),
        pytest.param(lambda x: torch.tensor([1.0, 2.0]).to(META), id="moved"),
    ],
)
def test_what_asks_the_host_is_caught(ask: Callable[[Tensor], object]) -> None:
    with Alone(), pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        ask(torch.empty(2, device=META))


def test_the_plain_kernels_ask_nothing_of_the_host() -> None:
    """Inside an operation the mode of the step above sees nothing."""
    logits, images = torch.empty(4, 2, 3, 5, device=META), torch.empty(4, 8, 6, 7, device=META)
    weight, bias, grad = (torch.empty(shape, device=META) for shape in ((8, 8, 3, 3), (8,), ()))
    slots = torch.empty(2, dtype=torch.int64, device=META)
    with Alone() as mode:
        history_exchange.exchange_(images, images[:2].clone(), slots)
        patch_cross_entropy.forward(logits, 1)
        patch_cross_entropy.backward(grad, logits, 0)
        self_regularization.forward(images, images)
        self_regularization.backward(grad, images, images)
        kept = refiner_loss.forward(logits, images, images, 0.3, [True, True])[3:]
        refiner_loss.backward(grad, *kept, 0.1, logits.dtype, images.dtype)
        output, hidden = residual_block.forward(images, weight, bias, weight, bias, True)
        residual_block.backward(images, images, hidden, output, weight, weight, [True] * 5)
    assert mode.seen > 50
