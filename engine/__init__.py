"""SimGAN: train a refiner on synthetic and real images, refine whole sets, measure what it gained.

Names are loaded on first use, so that `simgan.engine.config` can be read without importing torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simgan.engine.config import DataPolicy, TrainConfig, train_config
    from simgan.engine.data.sources import open_source
    from simgan.engine.discriminator import Discriminator
    from simgan.engine.evaluation.ablation.ablation import AblationResult, ablate
    from simgan.engine.evaluation.ablation.config import AblateConfig, ablate_config
    from simgan.engine.evaluation.config import EvaluateConfig, evaluate_config
    from simgan.engine.evaluation.evaluation import EvaluationResult, evaluate
    from simgan.engine.evaluation.label_check.check import CheckLabelsResult, check_labels
    from simgan.engine.evaluation.label_check.config import CheckLabelsConfig, check_labels_config
    from simgan.engine.evaluation.realism.config import RealismConfig, realism_config
    from simgan.engine.evaluation.realism.realism import RealismResult, check_realism
    from simgan.engine.history import HistoryBuffer
    from simgan.engine.refine_config import RefineConfig, refine_config
    from simgan.engine.refiner import Refiner
    from simgan.engine.refining import RefineResult, refine
    from simgan.engine.reporting import report
    from simgan.engine.trainer import RunResult, resume, train

_HOME = {
    "AblateConfig": "simgan.engine.evaluation.ablation.config",
    "AblationResult": "simgan.engine.evaluation.ablation.ablation",
    "DataPolicy": "simgan.engine.config",
    "RefineConfig": "simgan.engine.refine_config",
    "TrainConfig": "simgan.engine.config",
    "ablate": "simgan.engine.evaluation.ablation.ablation",
    "ablate_config": "simgan.engine.evaluation.ablation.config",
    "refine_config": "simgan.engine.refine_config",
    "train_config": "simgan.engine.config",
    "open_source": "simgan.engine.data.sources",
    "Discriminator": "simgan.engine.discriminator",
    "EvaluateConfig": "simgan.engine.evaluation.config",
    "EvaluationResult": "simgan.engine.evaluation.evaluation",
    "evaluate": "simgan.engine.evaluation.evaluation",
    "evaluate_config": "simgan.engine.evaluation.config",
    "CheckLabelsConfig": "simgan.engine.evaluation.label_check.config",
    "CheckLabelsResult": "simgan.engine.evaluation.label_check.check",
    "check_labels": "simgan.engine.evaluation.label_check.check",
    "check_labels_config": "simgan.engine.evaluation.label_check.config",
    "RealismConfig": "simgan.engine.evaluation.realism.config",
    "RealismResult": "simgan.engine.evaluation.realism.realism",
    "check_realism": "simgan.engine.evaluation.realism.realism",
    "realism_config": "simgan.engine.evaluation.realism.config",
    "HistoryBuffer": "simgan.engine.history",
    "Refiner": "simgan.engine.refiner",
    "RefineResult": "simgan.engine.refining",
    "refine": "simgan.engine.refining",
    "report": "simgan.engine.reporting",
    "RunResult": "simgan.engine.trainer",
    "resume": "simgan.engine.trainer",
    "train": "simgan.engine.trainer",
}

__all__ = [
    "AblateConfig",
    "AblationResult",
    "CheckLabelsConfig",
    "CheckLabelsResult",
    "DataPolicy",
    "Discriminator",
    "EvaluateConfig",
    "EvaluationResult",
    "HistoryBuffer",
    "RealismConfig",
    "RealismResult",
    "RefineConfig",
    "RefineResult",
    "Refiner",
    "RunResult",
    "TrainConfig",
    "ablate",
    "ablate_config",
    "check_labels",
    "check_labels_config",
    "check_realism",
    "evaluate",
    "evaluate_config",
    "open_source",
    "realism_config",
    "refine",
    "refine_config",
    "report",
    "resume",
    "train",
    "train_config",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
