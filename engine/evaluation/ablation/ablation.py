"""`ablate`: every arm with several refiner seeds, looked at over its steps; what is done stays."""

import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgan.engine.config import TrainConfig
from simgan.engine.durable import disk_error
from simgan.engine.errors import ConfigError, DivergedError
from simgan.engine.evaluation.ablation.config import TEST_EYES, AblateConfig, ablate_config
from simgan.engine.evaluation.ablation.measuring import Bench, look_of, measure
from simgan.engine.evaluation.ablation.plan import (
    Plan,
    Run,
    estimator_seeds,
    make_plan,
    run_config,
)
from simgan.engine.evaluation.ablation.records import Folder, Record, claim, shared_settings
from simgan.engine.evaluation.ablation.refiners import train_to
from simgan.engine.evaluation.ablation.results import report_of, write_results
from simgan.engine.evaluation.ablation.sets import (
    Sets,
    channels_of,
    load_sets,
    write_part,
)
from simgan.engine.evaluation.ablation.timing import SYNTHETIC, Progress, progress_of, time_left
from simgan.engine.evaluation.ablation.watching import RunObserver, refuse_to_go_on
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.process_lock import hold
from simgan.engine.run_folder import RunFolder
from simgan.engine.setup import absolute_paths
from simgan.engine.signals import StopRequest, stop_on_signals


@dataclass(frozen=True)
class AblationResult:
    """What an ablation found.

    Attributes:
        report: plain values, as in ablation.json.
        files: that were written.
    """

    report: dict[str, Any]
    files: list[Path]


def ablate(
    config: AblateConfig | Mapping[str, Any] | None = None, *, observer: Observer | None = None
) -> AblationResult:
    """Train every arm with several seeds and measure the task error at several steps.

    What is in `config.out` already is used again: refiners whose settings are the same are not
    trained again, estimators whose images and settings are the same neither, and a run that was
    interrupted goes on exactly where it stood.

    Args:
        config: settings, or a mapping of them for `ablate_config`.
        observer: is told of progress; silent by default.
    Raises:
        ConfigError, DataError: settings or sets are not usable, or `out` holds something else.
        LockedError: another process works in `out`.
        CheckpointError: a file in `out` is damaged.
        DiskError: something cannot be written.
        Interrupted: SIGINT or SIGTERM came; the same call goes on.
    """
    config = complete(config if isinstance(config, AblateConfig) else ablate_config(config))
    observer = observer or SilentObserver()
    started = time.perf_counter()
    plan, folder = _planned(config)
    with stop_on_signals() as stop:
        sets = load_sets(config, observer)
        refuse_to_go_on(stop)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, folder.path) from error
        with hold(folder.path / "LOCK", folder.path):
            claim(folder, shared_settings(config, sets.fingerprints))
            folder.tidy()
            _warn_of_no_figures(observer)
            records = _Work(config, plan, folder, sets, observer, stop).all()
        report = report_of(config, plan, sets, records, time.perf_counter() - started)
        return AblationResult(report, write_results(folder.path, report))


def prepare(config: AblateConfig) -> tuple[Plan, Progress]:
    """What `ablate` would do with these settings, and how much of it is done; writes nothing.

    Raises:
        ConfigError, DataError, CheckpointError: as `ablate`.
    """
    config = complete(config)
    plan, folder = _planned(config)
    return plan, progress_of(plan, folder, config)


def complete(config: AblateConfig) -> AblateConfig:
    """Settings with absolute data paths, and the embedded eyes where no data is given.

    Raises:
        ConfigError: only one of the two training sets is given, or they without a test set.
    """
    found = absolute_paths(config)
    assert isinstance(found, AblateConfig)
    if config.test is not None:
        return found
    if config.synthetic is not None:
        raise ConfigError(
            "--test is missing: an ablation is judged on labelled images, usually real ones",
            fix="For example --test labelled/, of other people than --real.",
        )
    return replace(found, test=TEST_EYES)


def _planned(config: AblateConfig) -> tuple[Plan, Folder]:
    """The plan and its folder, after the settings of every arm were found to fit each other."""
    assert config.out is not None and config.synthetic is not None
    folder = Folder(Path(config.out))
    RunFolder.refuse_inside_input(config)
    plan = make_plan(config, channels_of(config))
    for run in plan.runs:
        run_config(run, config, folder.run(run), config.synthetic)
    return plan, folder


def _warn_of_no_figures(observer: Observer) -> None:
    if importlib.util.find_spec("matplotlib") is None:
        observer.warning("no figures without matplotlib: install simgan-engine[plots]")


class _Work:
    """All that is to be done in a folder, which is held."""

    def __init__(
        self,
        config: AblateConfig,
        plan: Plan,
        folder: Folder,
        sets: Sets,
        observer: Observer,
        stop: StopRequest,
    ) -> None:
        self.config = config
        self.plan = plan
        self.folder = folder
        self.sets = sets
        self.observer = observer
        self.stop = stop
        self.bench = Bench.of(config, sets, stop)

    def all(self) -> dict[str, Any]:
        """Do it; what is known of every run and look, by the names of `results`."""
        for note in self.plan.notes:
            self.observer.message(note)
        synthetic = self._unrefined()
        runs = {}
        for number, run in enumerate(self.plan.runs, 1):
            runs[run.name] = self._run(run, f"{number}/{len(self.plan.runs)} {run.title}")
            self._tell_time_left(number)
        return {"synthetic": synthetic, "runs": runs}

    def _unrefined(self) -> dict[int, list[Any]]:
        """By number of parts: for each refiner seed, what unrefined images are worth."""
        record = self.folder.record(SYNTHETIC)
        found: dict[int, list[Any]] = {}
        for parts in sorted({arm.parts for arm in self.plan.arms}):
            rows = self.sets.rows(parts, self.config.sample)
            found[parts] = []
            for index in range(self.config.seeds):
                seeds = estimator_seeds(self.config, index)
                title = f"unrefined images, seed {self.config.seed + index}"
                view = RunObserver(self.observer, title, self.stop)
                measure(self.bench, None, rows, seeds, record, view)
                found[parts].append(look_of(record, self.bench.key(None, rows), seeds))
        return found

    def _run(self, run: Run, title: str) -> dict[str, Any]:
        """Do what is missing of one run; its looks, None where there is nothing to look at."""
        record = self.folder.record(run.name)
        looks = []
        for step in run.looks:
            if record.failed is None:
                self._look(step, run, title, record)
            looks.append(self._known(step, run, record))
        return {"looks": looks, "failed": record.failed}

    def _known(self, step: int, run: Run, record: Record) -> dict[str, Any] | None:
        noted = record.looks.get(str(step))
        if noted is None:
            return None
        key = self.bench.key(noted["weights"], self._rows(run))
        found = look_of(record, key, run.estimator_seeds(self.config))
        return None if found is None else {**noted["metrics"], **found}

    def _rows(self, run: Run) -> NDArray[np.int64]:
        return self.sets.rows(run.arm.parts, self.config.sample)

    def _look(self, step: int, run: Run, title: str, record: Record) -> None:
        """Train to a step and measure there, where the record lacks it.

        An arm that cannot be trained is a finding, not the end of the others.
        """
        if str(step) not in record.looks:
            view = RunObserver(self.observer, title)
            try:
                train_to(step, run, self._settings(run), self.folder, record, view)
            except DivergedError as error:
                record.failed = error.what
                record.save()
                self.observer.warning(f"{title}: {error.what}; the ablation goes on without it")
                return
        weights = (self.folder.weights(run, step), record.looks[str(step)]["weights"])
        seeds = run.estimator_seeds(self.config)
        view = RunObserver(self.observer, f"{title}, step {step:,}", self.stop)
        try:
            measure(self.bench, weights, self._rows(run), seeds, record, view)
        except DivergedError as error:
            self.observer.warning(f"{title}, step {step:,}: {error.what}; not measured")

    def _settings(self, run: Run) -> TrainConfig:
        assert self.config.synthetic is not None
        place = self.config.synthetic
        if run.arm.parts > 1:
            place = write_part(self.sets, run.arm.parts, self.folder.data.resolve())
        return run_config(run, self.config, self.folder.run(run), place)

    def _tell_time_left(self, number: int) -> None:
        """After a run: how long the others will take."""
        progress = progress_of(self.plan, self.folder, self.config)
        if number < progress.runs and progress.seconds:
            self.observer.message(
                f"run {number} of {progress.runs} done; {time_left(progress.seconds)}"
            )
