"""The benchmark's counted work and its statistics."""

import pytest
import torch

from simgan.engine.benchmark import flops, traffic
from simgan.engine.benchmark.flops import Convolution
from simgan.engine.benchmark.gate import judge
from simgan.engine.benchmark.plan import make_plan
from simgan.engine.benchmark.results import shares
from simgan.engine.benchmark.roofline import Ceilings, Pass, Work, measure_ceilings
from simgan.engine.benchmark.rounds import measure, percentile, ratio
from simgan.engine.config import train_config
from simgan.engine.errors import ConfigError

GAZE = train_config({"preset": "gaze"})
EYES = (1, 35, 55)


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


def test_a_pass_reads_its_inputs_once_and_writes_its_output_once() -> None:
    # 2 images, 3 -> 5 channels, 3x3, 40 input pixels to 10: 135 weights and 5 biases.
    layer = Convolution(3, 5, 3, pixels=10, pixels_in=40)
    flops_ = 2 * (2 * 3 * 5 * 9 * 10)
    maps = 2 * (3 * 40 + 5 * 10)
    assert layer.forward(2, 4) == Pass(flops_, 4 * (maps + 140))
    assert layer.forward(2, 4, skip=True) == Pass(flops_, 4 * (maps + 140 + 2 * 5 * 10))
    assert layer.data_gradient(2, 4, skip=True) == Pass(flops_, 4 * (maps + 140 + 2 * 3 * 40))
    assert layer.weight_gradient(2, 2) == Pass(flops_, 2 * (maps + 140))


def test_passes_hold_the_flops_of_the_layers() -> None:
    for passes, counted in (
        (traffic.refiner_update, flops.refiner_update),
        (traffic.discriminator_update, flops.discriminator_update),
        (traffic.full_step, flops.full_step),
    ):
        assert Work(1, tuple(passes(GAZE, EYES, 2))).flops == counted(GAZE, *EYES)


def test_bytes_of_refining_are_22_feature_maps_and_the_image_twice() -> None:
    # conv_in writes 1 map; each of 4 blocks reads 1, writes 1, reads 1 and the skip, writes 1;
    # conv_out reads 1. The weights are read once for the whole batch.
    feature, image = 64 * 35 * 55, 35 * 55
    expected = 2 * (100 * (22 * feature + 2 * image) + 296_129)
    assert Work(100, tuple(traffic.refining(GAZE, EYES, 100, 2))).bytes == expected


def test_the_discriminator_moves_295_kb_per_image_in_bf16() -> None:
    layers = flops.discriminator_layers(*EYES)
    maps = [1925, 96 * 504, 96 * 504, 64 * 126, 64 * 126, 64 * 126, 64 * 126, 32 * 126]
    maps += [32 * 126, 32 * 126, 32 * 126, 2 * 126]
    passes = traffic._discriminating(layers, 10, 2)
    assert Work(10, tuple(passes)).bytes == 2 * (10 * sum(maps) + 75_906)


def test_adam_reads_four_numbers_per_parameter_and_writes_three() -> None:
    assert traffic._adam(flops.refiner_layers(GAZE, *EYES)).bytes == 296_129 * 28
    assert traffic._adam(flops.discriminator_layers(*EYES)).bytes == 75_906 * 28


def test_the_skip_adds_a_map_in_both_directions_of_every_block() -> None:
    wide = train_config({"preset": "gaze", "batch": 2, "width": 4, "blocks": 3})
    feature = 2 * 4 * 35 * 55  # numbers in the feature maps of both images
    passes = traffic.refiner_update(wide, EYES, 4)
    inner = [p for p in passes if p.flops == 2 * (2 * 4 * 4 * 9 * 35 * 55)]
    assert len(inner) == 3 * 6  # forward, data and weight gradients of six convolutions
    weights = 4 * 4 * 9 + 4
    with_skip = [p for p in inner if p.bytes == 4 * (3 * feature + weights)]
    without = [p for p in inner if p.bytes == 4 * (2 * feature + weights)]
    assert (len(with_skip), len(without)) == (6, 12)


def test_floor_of_refining_is_that_of_the_layers_one_by_one() -> None:
    h200 = Ceilings(flop_per_s=790e12, bytes_per_s=4.3e12)
    work = Work(4096, tuple(traffic.refining(GAZE, EYES, 4096, 2)))
    assert 4096 / work.floor(h200) == pytest.approx(643_700, rel=1e-3)


def test_shares_name_the_bound_and_may_exceed_one() -> None:
    work = Work(1, (Pass(flops=100, bytes=10), Pass(bytes=30)))
    found = shares(work, 20.0, Ceilings(flop_per_s=10.0, bytes_per_s=2.0))
    # compute 10 s, memory 20 s in all; pass by pass max(10, 5) + max(0, 15) = 25 s
    assert found == {
        "bound": "memory",
        "of_ceiling": 1.0,
        "floor_seconds": 25.0,
        "of_floor": 1.25,
    }


def test_ceilings_are_the_best_of_several_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    from simgan.engine.benchmark import roofline

    seconds = iter([3.0, 0.5, 2.0, 9.0, 4.0, 8.0])
    clock = iter([x for taken in seconds for x in (0.0, taken)])
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: next(clock))
    for name, value in (("MATRIX", 16), ("COPY_BYTES", 1000), ("TRIES", (3, 3))):
        monkeypatch.setattr(roofline, name, {"cpu": value})
    found = measure_ceilings(torch.device("cpu"), torch.float32)
    assert found == Ceilings(2 * 16**3 / 0.5, 2 * 1000 / 4.0)


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
    quick = make_plan("cpu", device="cpu", quick=True)
    assert (quick.config.batch, quick.compile) == (32, ("refine",))
    assert "scaling" in on_cpu.cases
    assert quick.cases == ("refine", "step", "loop", "disk")
    assert on_cpu.compile == ("refine", "step")
    assert make_plan("cpu", device="cpu", quick=True, compile=True).compile == on_cpu.compile
    assert make_plan("cpu", device="cpu", compile=False).compile == ()
    with pytest.raises(ConfigError, match="batch must be even"):
        make_plan("cpu", device="cpu", batch=7)
