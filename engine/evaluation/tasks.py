"""The tasks that there are."""

from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.gaze_task import GAZE
from simgan.engine.evaluation.hand.task import HAND
from simgan.engine.evaluation.task import Task


def task_of(config: EvaluateConfig) -> Task:
    """The task that `config.task` names."""
    return {"gaze": GAZE, "hand": HAND}[config.task]
