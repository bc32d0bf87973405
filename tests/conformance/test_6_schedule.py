"""Bug 6 of public implementations: K_g and K_d are swapped, ignored, or count the wrong thing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_config

from simgan.engine.data.batches import Batches
from simgan.engine.trainer import train


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Images this small are computed faster by one thread than by two that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Counted:
    """What a run did, in order: optimizer updates by network size, images drawn by set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.updates: list[str] = []
        self.drawn = {"synthetic": 0, "real": 0}
        step, draw = torch.optim.Adam.step, Batches.gather

        def counted_step(optimizer: Any, closure: Any = None) -> Any:
            # The tiny refiner has 1x1 output filters; no discriminator ends in a single channel.
            last_bias = optimizer.param_groups[0]["params"][-1]
            self.updates.append("R" if last_bias.numel() == 1 else "D")
            return step(optimizer, closure)

        def counted_draw(batches: Batches, index: torch.Tensor) -> torch.Tensor:
            self.drawn[batches.order.name] += len(index)
            return draw(batches, index)

        monkeypatch.setattr(torch.optim.Adam, "step", counted_step)
        monkeypatch.setattr(Batches, "gather", counted_draw)


@pytest.mark.parametrize(("k_g", "k_d"), [(2, 1), (1, 1), (1, 3), (5, 2)])
def test_each_step_is_k_g_refiner_updates_then_k_d_discriminator_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, k_g: int, k_d: int
) -> None:
    counted = Counted(monkeypatch)
    none = {"pretrain_refiner_steps": 0, "pretrain_discriminator_steps": 0}
    train(tiny_config(tmp_path, steps=3, k_g=k_g, k_d=k_d, **none))
    assert "".join(counted.updates) == 3 * ("R" * k_g + "D" * k_d)


def test_pre_training_comes_before_step_one_first_the_refiner_then_the_discriminator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    changes = {"pretrain_refiner_steps": 4, "pretrain_discriminator_steps": 3}
    train(tiny_config(tmp_path, steps=1, **changes))
    assert "".join(counted.updates) == "RRRR" + "DDD" + "RRD"


def test_every_update_draws_its_own_mini_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    sizes = {"batch": 4, "k_g": 2, "k_d": 3, "pretrain_refiner_steps": 5}
    train(tiny_config(tmp_path, steps=2, history=False, pretrain_discriminator_steps=1, **sizes))
    assert counted.drawn == {"synthetic": 4 * (5 + 1 + 2 * (2 + 3)), "real": 4 * (1 + 2 * 3)}


def test_with_a_history_the_discriminator_draws_half_a_batch_of_synthetic_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    none = {"pretrain_refiner_steps": 0, "pretrain_discriminator_steps": 0}
    train(tiny_config(tmp_path, steps=3, batch=4, k_g=1, k_d=1, **none))
    # The first discriminator update finds an empty history and refines the whole batch.
    assert counted.drawn == {"synthetic": 3 * 4 + (4 + 2 + 2), "real": 3 * 4}
