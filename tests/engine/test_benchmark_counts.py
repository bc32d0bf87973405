"""The benchmark's counted work and its statistics."""

import pytest
import torch

from simgan.engine.benchmark import flops
from simgan.engine.benchmark.gate import judge
from simgan.engine.benchmark.plan import make_plan
from simgan.engine.benchmark.rounds import measure, percentile, ratio
from simgan.engine.config import train_config
from simgan.engine.errors import ConfigError

GAZE = train_config({"preset": "gaze"})


def test_flops_are_those_of_the_papers_gaze_networks() -> None:
    assert flops.forward(flops.refiner_layers(GAZE, 1, 35, 55)) == pytest.approx(1.1378e9, rel=1e-4)
    assert flops.forward(flops.discriminator_layers(1, 35, 55)) == pytest.approx(19.72e6, rel=1e-3)


def test_flops_of_the_updates_count_only_needed_gradients() -> None:
    assert flops.refiner_update(GAZE, 1, 35, 55) == pytest.approx(1.767e12, rel=1e-3)
    assert flops.discriminator_update(GAZE, 1, 35, 55) == pytest.approx(0.351e12, rel=1e-3)
    assert flops.full_step(GAZE, 1, 35, 55) == pytest.approx(3.885e12, rel=1e-3)


def test_flops_equal_those_that_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from simgan.engine.benchmark.baseline import PlainTraining

    config = train_config({"preset": "gaze", "batch": 2, "width": 4, "blocks": 1})
    plain = PlainTraining(config, 1, torch.device("cpu"))
    images = torch.zeros(2, 1, 35, 55)
    with FlopCounterMode(display=False) as counter:
        plain.refine(images)
    assert counter.get_total_flops() == 2 * flops.forward(flops.refiner_layers(config, 1, 35, 55))
    plain.fill_history(torch.zeros(4, 1, 35, 55))
    with FlopCounterMode(display=False) as counter:
        plain.refiner_update(images)
        plain.refiner_update(images)
        plain.discriminator_update(images[:1], images)
    assert counter.get_total_flops() == flops.full_step(config, 1, 35, 55)


def test_every_round_times_every_variant_and_starts_with_another() -> None:
    calls: list[str] = []
    variants = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    timings = measure(variants, 3, torch.device("cpu"))
    assert {name: len(timing.wall) for name, timing in timings.items()} == dict.fromkeys("abc", 3)
    in_turns = [name for name, before in zip(calls, ["", *calls], strict=False) if name != before]
    assert "".join(in_turns).endswith("abcabcab"[:3] + "bca" + "cab")


def test_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    # The machine slowed down tenfold in the second round; the ratio must not see it.
    assert ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([0.0, 10.0], 0.1) == pytest.approx(1.0)


def test_gate_allows_twice_the_error_of_plain_torch_and_no_more() -> None:
    truth = {"y": torch.tensor([1.0, 0.0], dtype=torch.float64)}
    off = {name: {"y": torch.tensor([1.0, e])} for name, e in (("torch", 0.01), ("ours", 0.019))}
    assert judge(off, truth, ["torch"])["ours"].green
    off["ours"]["y"][1] = 0.021
    verdict = judge(off, truth, ["torch"])["ours"]
    assert not verdict.green
    assert verdict.worst == "y"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_gate_is_red_for_what_is_not_finite_or_missing(wrong: float) -> None:
    truth = {"y": torch.ones(2, dtype=torch.float64)}
    results = {"torch": {"y": torch.ones(2)}, "bad": {"y": torch.full((2,), wrong)}, "none": {}}
    verdicts = judge(results, truth, ["torch"])
    assert verdicts["torch"].green
    assert not verdicts["bad"].green
    assert not verdicts["none"].green


def test_plan_has_the_papers_networks_and_sizes_by_device() -> None:
    on_cpu, on_gpu = make_plan("cpu", device="cpu"), make_plan("cuda", device="cuda")
    assert (on_cpu.config.batch, on_gpu.config.batch) == (32, 512)
    assert (on_cpu.config.width, on_cpu.config.blocks, on_cpu.config.k_g) == (64, 4, 2)
    assert on_gpu.config.history_capacity == 25_600
    with pytest.raises(ConfigError, match="batch must be even"):
        make_plan("cpu", device="cpu", batch=7)
