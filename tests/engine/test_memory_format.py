"""--channels-last from the draw to the gradients: nothing in a step is turned around."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_config, tiny_images
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from simgan.engine import precision
from simgan.engine.data.packing import pack
from simgan.engine.data.sources import open_source
from simgan.engine.observer import SilentObserver
from simgan.engine.run_state import PHASES
from simgan.engine.setup import Arrays, absolute_paths, build_training
from simgan.engine.stepper import Stepper


class TurnedAround(TorchDispatchMode):
    """Lists the operations that take or make float images or maps that are not channels_last."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, Tensor) and leaf.dim() == 4 and leaf.is_floating_point():
                self.seen += 1
                if not leaf.is_contiguous(memory_format=torch.channels_last):
                    self.found.append(f"{func} {tuple(leaf.shape)} {leaf.stride()}")
        return result


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="gaze"),
        pytest.param({"amp": True}, id="amp"),
        pytest.param({"discriminator": "hand", "kernel": 7}, id="hand"),
        pytest.param({"adversarial": "global"}, id="global"),
    ],
)
def test_no_step_turns_an_image_or_a_map_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(precision, "cpu_computes_bf16", lambda: True)
    for kind in ("synthetic", "real"):
        np.savez(tmp_path / f"{kind}.npz", images=tiny_images(9, 1, channels))
    paths = {kind: str(tmp_path / f"{kind}.npz") for kind in ("synthetic", "real")}
    config = absolute_paths(
        tiny_config(tmp_path, channels_last=True, history_capacity=4, **paths, **changes)
    )
    arrays = Arrays(*(pack(open_source(path, config.data), config.data) for path in paths.values()))
    training = build_training(config, arrays, SilentObserver())
    stepper = Stepper(training)
    for phase, name in enumerate(PHASES):
        training.place.phase = phase
        for step in range(3):  # fills the history
            training.place.step = step
            with TurnedAround() as mode:
                stepper.step(name, 1)
        assert mode.seen > 50
        assert mode.found == [], name


def test_a_map_that_is_turned_around_is_found() -> None:
    x = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    with TurnedAround() as mode:
        (x.contiguous() + 1).sum()
    assert any("clone" in each for each in mode.found)
