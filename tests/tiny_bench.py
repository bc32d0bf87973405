"""The smallest benchmark that still has every case."""

from simgan.engine.benchmark.plan import CASES, Plan, Scaling
from simgan.engine.config import train_config


def tiny_plan(*cases: str, backend: str | None = None) -> Plan:
    """A few seconds on one core: width 4, one block, batch 4, two rounds."""
    config = train_config(
        {
            "preset": "gaze",
            "batch": 4,
            "width": 4,
            "blocks": 1,
            "history_capacity": 8,
            "device": "cpu",
            "channels_last": True,
            "pretrain_refiner_steps": 0,
            "pretrain_discriminator_steps": 0,
            "tensorboard": False,
            "backend": backend,
        }
    )
    return Plan(
        config=config,
        cases=cases or CASES,
        rounds=2,
        loop_steps=3,
        loop_images=6,
        data_images=6,
        disk_images=6,
        disk_rounds=2,
        ops_rounds=2,
        compile=(),
        quick=True,
        threads=1,
        scaling=Scaling(batches=(1, 3), sizes=((35, 55), (20, 16)), images=2),
    )
