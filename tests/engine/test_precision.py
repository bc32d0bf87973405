"""--device, --amp, --channels-last and --deterministic: what they choose and what they refuse."""

import pytest
import torch
from torch import nn

from simgan.engine import precision
from simgan.engine.errors import ConfigError
from simgan.engine.precision import Precision, pick_device, repeatable

CPU = torch.device("cpu")


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"


@pytest.mark.parametrize(("text", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_a_gpu_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str, count: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(ConfigError, match=f"device {text} is not available: .* {count} CUDA"):
        pick_device(text)


@pytest.mark.parametrize(("computes", "expected"), [(True, torch.bfloat16), (False, None)])
def test_amp_on_a_cpu_is_bf16_where_it_computes_in_it_and_else_float32(
    monkeypatch: pytest.MonkeyPatch, computes: bool, expected: torch.dtype | None
) -> None:
    monkeypatch.setattr(precision, "cpu_computes_bf16", lambda: computes)
    assert Precision.choose(CPU, amp=True, channels_last=False).amp_dtype is expected
    assert Precision.choose(CPU, amp=False, channels_last=False).amp_dtype is None


@pytest.mark.parametrize(("supported", "scaler"), [(True, False), (False, True)])
def test_amp_on_a_gpu_is_bf16_or_fp16_with_a_scaler(
    monkeypatch: pytest.MonkeyPatch, supported: bool, scaler: bool
) -> None:
    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return supported or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    chosen = Precision.choose(torch.device("cuda"), amp=True, channels_last=False)
    assert chosen.amp_dtype is (torch.bfloat16 if supported else torch.float16)
    assert chosen.needs_scaler is scaler


def test_channels_last_holds_for_images_and_weights() -> None:
    chosen = Precision(CPU, None, channels_last=True)
    images = chosen.images(torch.rand(2, 3, 4, 5))
    assert images.is_contiguous(memory_format=torch.channels_last)
    network = nn.Conv2d(3, 4, 3)
    weight = network.weight.detach().clone()
    chosen.module(network)
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
    assert network.weight.equal(weight)
    assert chosen.describe() == "cpu, float32, channels_last"


def test_repeatable_puts_back_what_it_found() -> None:
    threads = torch.get_num_threads()
    with repeatable(True, threads=1):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads


def test_repeatable_puts_back_after_an_error_too() -> None:
    with pytest.raises(KeyError), repeatable(True):
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()


def test_nothing_is_changed_unless_asked() -> None:
    with repeatable(False, threads=1):
        assert not torch.are_deterministic_algorithms_enabled()
