"""The two cases on whole networks: refining, and a full step of Algorithm 1."""

from collections.abc import Callable

import torch
from torch import Tensor

from simgan.engine.benchmark import traffic
from simgan.engine.benchmark.contest import Case, Say, contest
from simgan.engine.benchmark.contestants import Contestant, Scene, with_format
from simgan.engine.benchmark.gate import gradients
from simgan.engine.benchmark.plan import CHANNELS, REFINE_BATCHES, REFINE_ROUNDS
from simgan.engine.benchmark.results import Row
from simgan.engine.benchmark.roofline import Work

GATE_IMAGES = 8  # refining treats images one by one, so a few of them prove it


def refine_case(scene: Scene, say: Say) -> list[Row]:
    """R(x) of one batch, images and result on the device."""
    plan = scene.plan
    repeats = REFINE_BATCHES[scene.device.type]
    x = scene.synthetic.repeat(repeats, 1, 1, 1)

    def check(contestant: Contestant, last: bool) -> dict[str, Tensor]:
        images = _as_weights(contestant, x)
        if images.dtype is torch.float64:
            images = images[:GATE_IMAGES]  # the truth is slow
        refined = contestant.refine(with_format(images, last))
        return {"refined": refined[:GATE_IMAGES].clone()}

    def call(contestant: Contestant, last: bool) -> Callable[[], object]:
        images = with_format(x, last)
        return lambda: contestant.refine(images)

    image = (CHANNELS, *plan.size)
    passes = traffic.refining(plan.config, image, x.shape[0], scene.dtype.itemsize)
    work = Work(x.shape[0], tuple(passes))
    rounds = plan.rounds + REFINE_ROUNDS
    return contest(Case("refine", tuple(x.shape), work, rounds, check, call), scene, say)


def step_case(scene: Scene, say: Say) -> list[Row]:
    """K_g refiner updates and K_d discriminator updates with a full history, data on the device."""
    plan, config = scene.plan, scene.plan.config
    half = config.batch // 2

    def check(contestant: Contestant, last: bool) -> dict[str, Tensor]:
        synthetic = _as_weights(contestant, with_format(scene.synthetic, last))
        real = _as_weights(contestant, with_format(scene.real, last))
        scene.load(contestant)
        # With one image in every slot, whatever slots are drawn, the gradient is the same.
        contestant.fill_history(scene.history[:1].expand_as(scene.history).contiguous())
        contestant.refiner_update(synthetic)
        found = gradients(contestant.refiner.named_parameters(), "refiner")
        scene.load(contestant)
        contestant.fill_history(scene.history[:1].expand_as(scene.history).contiguous())
        contestant.discriminator_update(synthetic[:half], real)
        found |= gradients(contestant.discriminator.named_parameters(), "discriminator")
        scene.load(contestant)
        return found

    def call(contestant: Contestant, last: bool) -> Callable[[], object]:
        synthetic, real = with_format(scene.synthetic, last), with_format(scene.real, last)
        return lambda: full_step(contestant, scene, synthetic, real)

    passes = traffic.full_step(config, (CHANNELS, *plan.size), scene.dtype.itemsize)
    work = Work(config.batch * (config.k_g + config.k_d), tuple(passes))
    shape = tuple(scene.synthetic.shape)
    case = Case("step", shape, work, plan.rounds, check, call, long=True)
    return contest(case, scene, say)


def full_step(contestant: Contestant, scene: Scene, synthetic: Tensor, real: Tensor) -> None:
    """One step of Algorithm 1."""
    config = scene.plan.config
    for _ in range(config.k_g):
        contestant.refiner_update(synthetic)
    for _ in range(config.k_d):
        contestant.discriminator_update(synthetic[: config.batch // 2], real)


def _as_weights(contestant: Contestant, x: Tensor) -> Tensor:
    """Images in the dtype of a contestant's weights."""
    return x.to(next(contestant.refiner.parameters()).dtype)
