"""Whole steps in CUDA graphs: the same numbers, and nothing of the host between two ticks."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from same_run import assert_same_run, assert_same_state
from tiny import poison_a_weight, tiny_config
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from simgan.engine.capture import WARM_UP
from simgan.engine.observer import SilentObserver
from simgan.engine.session import Session
from simgan.engine.trainer import resume, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
LONG: dict[str, Any] = {
    "device": "cuda",
    "steps": 16,
    "pretrain_refiner_steps": 7,
    "pretrain_discriminator_steps": 8,
    "checkpoint_every": 6,
    "sample_every": 9,
    "log_every": 4,
}
WAYS = [
    pytest.param({}, id="adam"),
    pytest.param({"optimizer": "sgd", "lr": 1e-5}, id="sgd"),
    pytest.param({"history": False}, id="no-history"),
    pytest.param({"k_g": 1, "k_d": 3}, id="k_d3"),
    pytest.param({"feature_transform": "derivative"}, id="derivative"),
    pytest.param({"channels_last": True, "width": 64}, id="channels_last"),
    pytest.param({"amp": True, "channels_last": True, "width": 64}, id="amp-channels_last"),
]


class Listener(SilentObserver):
    """Keeps the sentences that an observer is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)

    warning = message


@pytest.mark.parametrize("changes", WAYS)
def test_a_run_of_replayed_steps_is_the_run_of_steps(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Bit for bit: both are deterministic and launch the same kernels."""
    plain, captured = Listener(), Listener()
    expected = train(
        tiny_config(tmp_path / "steps", **LONG, **changes, graphs=False), observer=plain
    )
    found = train(tiny_config(tmp_path / "replays", **LONG, **changes), observer=captured)
    assert "CUDA graphs: none, --no-graphs" in plain.said
    assert "CUDA graphs: whole steps" in captured.said
    assert_same_run(found, expected)


def test_a_resumed_run_of_replayed_steps_is_exact(tmp_path: Path) -> None:
    expected = train(tiny_config(tmp_path / "whole", **{**LONG, "steps": 24}))
    parts = train(tiny_config(tmp_path / "parts", **{**LONG, "steps": 12}))
    assert_same_state(resume(parts.run, steps=24), expected)


def test_a_rollback_captures_anew_with_half_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison_a_weight(monkeypatch, step=14)
    expected = train(tiny_config(tmp_path / "steps", **{**LONG, "steps": 24}, graphs=False))
    listener = Listener()
    found = train(tiny_config(tmp_path / "replays", **{**LONG, "steps": 24}), observer=listener)
    assert any("Rolled back to step 12 (attempt 1/3)" in text for text in listener.said)
    assert_same_run(found, expected)


class Trace:
    """What the profiler saw of a run whose last ticks are 20 replayed steps apart."""

    STEPS, EVERY = 60, 20

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        for name in ("_rolled_back", "_tick"):
            monkeypatch.setattr(Session, name, self._marked(name, getattr(Session, name)))
        every = {"log_every": self.EVERY, "checkpoint_every": 1000, "sample_every": 1000}
        values = {**LONG, **every, "steps": self.STEPS, "deterministic": False, **changes}
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
            train(tiny_config(folder, **values))
        self.events = list(profiler.events() or [])
        ticks = self.ranges("_tick")
        # From the tick before the last to the look that comes with the last: 20 steps.
        begin, look = ticks[-2][1], self.ranges("_rolled_back")[-1][0]
        steps = [span for span in self.ranges("step") if begin <= span[0] and span[1] <= look]
        assert len(steps) == self.EVERY
        self.begin, self.end = steps[0][0], steps[-1][1]

    @staticmethod
    def _marked(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def marked(*arguments: Any) -> Any:
            with record_function(name):
                return real(*arguments)

        return marked

    def ranges(self, name: str) -> list[tuple[float, float]]:
        """Beginnings and ends of a named range on the host, in order."""
        return sorted(
            (event.time_range.start, event.time_range.end)
            for event in self.events
            if event.name == name and event.device_type == DeviceType.CPU
        )

    def calls(self) -> Counter[str]:
        """Calls of the CUDA runtime and driver between the two ticks."""
        return Counter(
            event.name
            for event in self.events
            if event.device_type == DeviceType.CPU
            and event.name.startswith("cu")
            and self.begin <= event.time_range.start <= self.end
        )

    def kernels(self) -> Counter[str]:
        """What ran on the GPU in the whole run, copies included."""
        return Counter(event.name for event in self.events if event.device_type == DeviceType.CUDA)


def test_between_two_ticks_a_step_is_one_launch_no_copy_and_no_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Trace.EVERY > WARM_UP + 3, "the history is full and the step captured by the first tick"
    trace = Trace(tmp_path, monkeypatch)
    calls = trace.calls()
    assert calls["cudaGraphLaunch"] == Trace.EVERY
    copies = {name: count for name, count in calls.items() if "Memcpy" in name}
    waits = {name: count for name, count in calls.items() if "Synchronize" in name}
    launches = {name: count for name, count in calls.items() if "LaunchKernel" in name}
    assert (copies, waits, launches) == ({}, {}, {})
    assert any("Memcpy HtoD" in name for name in trace.kernels()), "the profiler sees copies"


@pytest.mark.parametrize("amp", [False, True], ids=["float32", "amp"])
def test_no_kernel_turns_images_or_maps_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amp: bool
) -> None:
    trace = Trace(tmp_path, monkeypatch, channels_last=True, width=64, amp=amp)
    kernels = trace.kernels()
    assert sum(kernels.values()) > 1000
    turned = [
        name for name in kernels if "nchwtonhwc" in name.lower() or "nhwctonchw" in name.lower()
    ]
    assert turned == []
