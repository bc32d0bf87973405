"""The smallest labelled sets of hands and settings that evaluate can be tested with."""

from typing import Any

from simgan.engine.evaluation.config import EvaluateConfig, evaluate_config

SYNTHETIC_HANDS = "procedural:hand-synthetic?count=40&seed=1&size=48"
CAMERA_HANDS = "procedural:hand-camera?count=24&seed=2&size=48"
TINY_HANDS: dict[str, Any] = {
    "task": "hand",
    "size": "small",
    "steps": 2,
    "batch": 4,
    "validate_every": 2,
    "seeds": 2,
    "resamples": 100,
    "device": "cpu",
}


def tiny_hand_config(**changes: Any) -> EvaluateConfig:
    """Seconds of work on procedural hands."""
    given = {**TINY_HANDS, "train": [SYNTHETIC_HANDS], "test": CAMERA_HANDS, **changes}
    return evaluate_config(given)
