"""Which checkpoint of a run is the best by its rule: `checkpoints/best.json` names it.

The truth is in state.json of every checkpoint; this file is made from it, after the checkpoint that
it names is complete.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from simgan.engine.durable import replace_file
from simgan.engine.errors import CheckpointError
from simgan.engine.failpoints import failpoint
from simgan.engine.stopping import WORDS

FILE = "best.json"


@dataclass(frozen=True)
class Best:
    """The best checkpoint.

    Attributes:
        checkpoint: name of its folder.
        step: of Algorithm 1.
        figure: it was chosen by.
        value: of that figure.
        unrefined: the figure of the same images before refinement.
        stopped: step at which the rule ended the run; None if it did not.
    """

    checkpoint: str
    step: int
    figure: str
    value: float
    unrefined: float | None
    stopped: int | None


def write_best(folder: Path, best: Best) -> None:
    """Name the best checkpoint; `folder` is the run's checkpoints folder.

    Raises:
        DiskError: it cannot be written; what was named before still is.
    """
    failpoint("checkpoint.best")
    replace_file(folder / FILE, (json.dumps(asdict(best), indent=1) + "\n").encode())


def read_best(folder: Path) -> Best | None:
    """What `folder/best.json` names; None where a run has no rule, or has not looked yet.

    Raises:
        CheckpointError: the file is damaged, or what it names is not there.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        best = Best(**json.loads(file.read_bytes()))
        inside = Path(best.checkpoint).name == best.checkpoint
        usable = inside and best.figure in WORDS and isinstance(best.value, float | int)
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file} is damaged: {error}") from error
    if not usable:
        raise CheckpointError(f"{file} is damaged: it names no checkpoint")
    if not (folder / best.checkpoint).is_dir():
        raise CheckpointError(
            f"{file} names {best.checkpoint}, which is not there",
            fix="Choose another one with --checkpoint newest, or resume the run.",
        )
    return best
