"""What the experiments train, on what, and what they are tested on."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine import open_source
from simgan.engine.config import to_dict, train_config

ESTIMATOR = {"batch": 64, "steps": 600, "schedule": "cosine", "channels_last": True}
PAPER = {**ESTIMATOR, "size": "small"}  # the paper's layers, fewer features
NORMALIZED = {**ESTIMATOR, "size": "normalized"}
AUGMENTED = {**NORMALIZED, "shift": 3, "jitter": 0.5}
REPLICATIONS = 5

# A small refiner: minutes on two cores. What is not named is as in `train --preset demo`.
REFINER: dict[str, Any] = {
    "preset": "demo",
    "width": 24,
    "blocks": 3,
    "padding": "replicate",
    "channels_last": True,
    "tensorboard": False,
    "sample_every": 200,
    "checkpoint_every": 200,
    "keep": 1,
}
DEMO = {"synthetic": "procedural:synthetic?count=4000&seed=0",
        "real": "procedural:camera?count=4000&seed=1"}  # fmt: skip
RANGES = {  # of gaze, degrees, that the real sets were taken in
    "mpiigaze": "pitch=-18..3,yaw=-18..18",
    "columbia": "pitch=-12..12,yaw=-17..17",
}
EYE_CROP = {"mpiigaze": 1.75, "columbia": 1.3}  # chosen on training people
TRAINED = {  # chosen on training people, see docs/experiments.md
    "demo": {"lambda_reg": 0.3, "steps": 600, "width": 16},
    "mpiigaze": {"lambda_reg": 2.0, "steps": 600, "width": 32},
    "columbia": {"lambda_reg": 3.0, "steps": 500},
}


@dataclass(frozen=True)
class Plan:
    """One experiment.

    Attributes:
        name: of it.
        train: settings of every refiner, data included.
        arms: training sets of the estimators by name, the reference first; None: the refined set.
        test: labelled set that the errors are of.
        estimators: settings by name.
        match: `--match-labels` of refiners and of the arms in `matched`.
        matched: arms that are trained on matched labels.
        replications: estimators of every arm.
        each: estimators of a replication; their mean error counts, since seeds differ widely.
        refiners: replication r takes refiner r modulo this; as many as replications are best.
    """

    name: str
    train: dict[str, Any]
    arms: dict[str, str | None]
    test: str
    estimators: dict[str, dict[str, Any]]
    match: str | None = None
    matched: tuple[str, ...] = ()
    replications: int = REPLICATIONS
    refiners: int = REPLICATIONS
    each: int = 1

    def changed(self, changes: dict[str, str]) -> "Plan":
        """The same with other settings of the refiner, given as text."""
        defaults = to_dict(train_config(self.train))
        typed = {
            name: text if isinstance(defaults[name], str) else type(defaults[name])(text)
            for name, text in changes.items()
        }
        return replace(self, train={**self.train, **typed})

    def units(self) -> NDArray[Any]:
        """What the test images are sampled by, [N]: persons where the set knows several."""
        source = open_source(self.test)
        key = getattr(source, "key", "") or ""
        persons = source.labels.get(key.removesuffix("x") + "person")
        if persons is None or len(np.unique(persons)) < 2:
            return np.arange(len(source))
        return persons

    def described(self) -> dict[str, Any]:
        """Plain values for the record; paths of data without the folder."""
        return {
            "train": {name: _nameless(value) for name, value in self.train.items()},
            "arms": {arm: _nameless(path) for arm, path in self.arms.items()},
            "test": _nameless(self.test),
            "match_labels": self.match,
            "matched": list(self.matched),
            "replications": self.replications,
            "refiners": self.refiners,
            "estimators_of_a_replication": self.each,
        }


def _nameless(value: Any) -> Any:
    if isinstance(value, str) and "/" in value:
        return value.rpartition("/")[2]
    return value


ABLATION: dict[str, Any] = {  # of `simgan-engine ablate`, on procedural eyes
    "preset": "demo",
    "synthetic": "procedural:synthetic?count=4000&seed=0",
    "real": "procedural:camera?count=4000&seed=1",
    "test": "procedural:camera?count=1500&seed=78",
    "width": 16,
    "blocks": 3,
    "padding": "replicate",
    "lambda_reg": 0.3,
    "steps": 400,
    "channels_last": True,
    "arms": "history,adversarial,lambda,psi,k-g,data",
    "lambdas": "0.03,3",
    "seeds": 3,
    "looks": 3,
    "estimator_size": "normalized",
    "estimator_steps": 200,
    "estimator_batch": 64,
    "estimator_seeds": 2,
    "tensorboard": False,
}


def demo(data: Path) -> Plan:
    """Procedural eyes: synthetic, refined, and the oracle that has labels of the real domain."""
    return Plan(
        name="demo",
        train={**REFINER, **DEMO, **TRAINED["demo"]},
        arms={
            "synthetic": DEMO["synthetic"],
            "refined": None,
            "real": "procedural:camera?count=4000&seed=5",
        },
        test="procedural:camera?count=2000&seed=177",
        estimators={"normalized": NORMALIZED},
        each=3,
    )


def real_plan(name: str, data: Path, *, validation: bool = False) -> Plan:
    """Rendered UnityEyes against real eyes; refiners see the unlabelled training people only.

    Args:
        name: "mpiigaze" or "columbia".
        data: the folder with gaze_55x35.npz.
        validation: test on labelled eyes of the *training* people, with fewer replications, to
            choose settings with.
    """
    eyes = str(data / "gaze_55x35.npz")
    rendered = str(data / "unityeyes_rendered")
    policy = {"eye_crop": EYE_CROP[name], "channels": "gray"}
    return Plan(
        name=name,
        train={
            **REFINER,
            **TRAINED[name],
            "synthetic": rendered,
            "data": policy,
            "real": f"{eyes}#{name}_train_x",
            "match_labels": RANGES[name],
        },
        arms={
            "synthetic": rendered,
            "synthetic, matched": rendered,
            "refined": None,
        },
        test=_validation_set(name, data) if validation else f"{eyes}#{name}_test_x",
        estimators={
            "normalized": {**NORMALIZED, "data": policy},
            "paper's layers": {**PAPER, "data": policy},
            "normalized, augmented": {**AUGMENTED, "data": policy},
        },
        match=RANGES[name],
        matched=("synthetic, matched", "refined"),
        replications=2 if validation else REPLICATIONS,
        refiners=2,
    )


def _validation_set(name: str, data: Path) -> str:
    """The training people's eyes with their labels, which only `tune` looks at."""
    file = Path("build") / "experiments" / f"validation-{name}.npz"
    with np.load(data / "gaze_55x35.npz") as arrays:
        images = arrays[f"{name}_train_x"]
    persons, pitch, yaw = _labels(name, data)
    assert len(images) <= len(pitch), "the labels are not those of the images"
    file.parent.mkdir(parents=True, exist_ok=True)
    gaze = np.stack((pitch, yaw), axis=1)[: len(images)]
    np.savez(file, eyes_x=images, eyes_y=gaze, eyes_person=persons[: len(images)])
    return f"{file}#eyes_x"


def _labels(name: str, data: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Person, pitch and yaw (radians, yaw to image right) of the training people, in order."""
    folder = {"mpiigaze": "mpiigaze_p00_left", "columbia": "columbia_people_1_25"}[name]
    with (data / folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if name == "mpiigaze":
        pitch = np.array([float(row["pitch_rad"]) for row in rows])
        yaw = -np.array([float(row["yaw_rad"]) for row in rows])
        return np.array([int(row["subject"]) for row in rows]), pitch, yaw
    rows = [row for row in rows if row["suspect"] == "0" and int(row["subject"]) <= 18]
    mirrored = np.array([-1.0 if row["eye"] == "L" else 1.0 for row in rows])
    pitch = np.radians([float(row["gaze_V_deg"]) for row in rows])
    yaw = np.radians([float(row["gaze_H_deg"]) for row in rows]) * mirrored
    return np.array([int(row["subject"]) for row in rows]), pitch, yaw


def _where_there_are_eyes(name: str) -> Callable[[Path], Plan | None]:
    def plan(data: Path) -> Plan | None:
        return real_plan(name, data) if (data / "gaze_55x35.npz").is_file() else None

    return plan


PLANS: dict[str, Callable[[Path], Plan | None]] = {
    "demo": demo,
    **{name: _where_there_are_eyes(name) for name in RANGES},
}
