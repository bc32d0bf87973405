"""A test in its folder: begun, gone on with, or only looked at."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from simgan.engine.config import DataPolicy
from simgan.engine.durable import replace_file
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.turing import design as designs
from simgan.engine.evaluation.turing.answers import ANSWERS_FILE, AnswerLog, read_lines
from simgan.engine.evaluation.turing.config import Raters, TuringConfig, parse_raters, turing_config
from simgan.engine.evaluation.turing.design import REAL, REFINED, SYNTHETIC, TEST_FILE, Design
from simgan.engine.evaluation.turing.draw import ImageSet, draw
from simgan.engine.evaluation.turing.panel import Panel
from simgan.engine.evaluation.turing.report import answers_csv, report
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.process_lock import hold
from simgan.engine.run_folder import RunFolder, find_run

FOLDER = "turing"
REPORT_FILE, CSV_FILE = "results.json", "answers.csv"
NUMBERS = ("images", "control", "practice", "seed", "scaling")
ARRAYS = (".npz", ".npy", ".h5", ".hdf5")


@dataclass(frozen=True)
class Experiment:
    """A test that is going on.

    Attributes:
        folder: where it lies.
        panel: its raters.
    """

    folder: Path
    panel: Panel

    @property
    def design(self) -> Design:
        """What is shown."""
        return self.panel.design

    def write_results(self) -> list[Path]:
        """Write results.json and answers.csv, which tell the truth, into the folder."""
        text = json.dumps(report(self.panel), indent=1, allow_nan=False) + "\n"
        files = {CSV_FILE: answers_csv(self.panel).encode(), REPORT_FILE: text.encode()}
        for name, data in files.items():
            replace_file(self.folder / name, data)
        return [self.folder / name for name in files]


@contextmanager
def experiment(
    config: TuringConfig | Mapping[str, Any] | None = None, *, observer: Observer | None = None
) -> Iterator[Experiment]:
    """Begin the test that the settings describe, or go on with the one in their folder.

    The folder is locked inside the `with` block.

    Args:
        config: settings, or a mapping of them for `turing_config`.
        observer: is told what is shown; silent by default.
    Raises:
        ConfigError: sets are missing, or the folder holds another test.
        CheckpointError: there is no such run. DataError: a set, or the test, cannot be used.
        LockedError: another process shows this test. DiskError: the folder cannot be written.
    """
    if not isinstance(config, TuringConfig):
        config = turing_config(config)
    observer = observer or SilentObserver()
    run = RunFolder(find_run(config.run)) if config.run is not None else None
    folder = Path(config.out) if config.out else (run.path if run else Path()) / FOLDER
    sets = _image_sets(config, run)
    drawn = None if (folder / TEST_FILE).exists() else _draw(folder, config, sets, observer)
    designs.make_folder(folder)
    with hold(folder / "LOCK", folder):
        if drawn is not None and not (folder / TEST_FILE).exists():
            designs.save(drawn, folder)
        design = designs.load(folder)
        _refuse_other(folder, design, config, sets)
        log = AnswerLog(folder / ANSWERS_FILE)
        acts = read_lines(log.file)
        seed = design.settings["seed"]
        panel = Panel(design, acts, log, parse_raters(config.raters), seed)
        _announce(folder, panel, observer)
        yield Experiment(folder, panel)


def results(folder: str | Path) -> Panel:
    """The raters of a test and their answers, to be reported on; nothing is changed.

    Raises:
        DataError: the folder holds no test, or it is damaged.
    """
    place = Path(folder)
    design = designs.load(place)
    acts = read_lines(place / ANSWERS_FILE)
    joined = sum(act.get("act") == "join" for act in acts)
    return Panel(design, acts, raters=Raters(max(1, joined)))


def _draw(
    folder: Path, config: TuringConfig, sets: Mapping[str, ImageSet], observer: Observer
) -> Design:
    for kind, option in ((REFINED, "--refined"), (REAL, "--real")):
        if kind not in sets:
            raise ConfigError(
                f"{option} is missing: the test shows refined and real images",
                fix=f"Give --refined and --real, or --run; {folder} holds no test to go on with.",
            )
    for image_set in sets.values():
        place = Path(image_set.location)
        if place.is_dir() and folder.resolve().is_relative_to(place.resolve()):
            raise ConfigError(
                f"out must not be inside the images, got {folder}", fix="Choose another --out."
            )
    numbers = {name: getattr(config, name) for name in NUMBERS}
    settings = {"sets": {kind: chosen.location for kind, chosen in sets.items()}, **numbers}
    chosen = {name: numbers[name] for name in NUMBERS if name != "scaling"}
    return draw(sets, **chosen, settings=settings, observer=observer)


def _refuse_other(
    folder: Path, design: Design, config: TuringConfig, sets: Mapping[str, ImageSet]
) -> None:
    """What was asked for must be what the folder holds; what was not asked for may be anything."""
    defaults = {item.name: item.default for item in fields(TuringConfig)}
    wanted = {n: getattr(config, n) for n in NUMBERS if getattr(config, n) != defaults[n]}
    given = {kind: chosen.location for kind, chosen in sets.items()}
    for name, value in {**wanted, **given}.items():
        stored = (design.settings["sets"] if name in given else design.settings).get(name)
        if stored != value:
            raise ConfigError(
                f"{folder} holds another test: {name} {stored}, now {value}",
                fix="Choose another --out, or leave the setting out to go on with that test.",
            )


def _image_sets(config: TuringConfig, run: RunFolder | None) -> dict[str, ImageSet]:
    given = {REFINED: config.refined, REAL: config.real, SYNTHETIC: config.synthetic}
    policies = dict.fromkeys(given, config.data)
    if run is not None:
        trained = run.config()
        if config.data == DataPolicy():
            # A refined set is named by its file alone; its other settings are those of training.
            policies[REAL] = policies[SYNTHETIC] = trained.data
            policies[REFINED] = replace(trained.data, key=None, limit=None)
        given[REAL] = given[REAL] or trained.real
        given[REFINED] = given[REFINED] or str(_refined_of(run))
    return {
        kind: ImageSet(_absolute(location), policies[kind])
        for kind, location in given.items()
        if location is not None
    }


def _refined_of(run: RunFolder) -> Path:
    """The folder that refine writes, or the one array file in it."""
    folder = run.path / "refined"
    if not folder.exists():
        raise ConfigError(
            f"there are no refined images in {folder}",
            fix=f"Make them with 'simgan-engine refine --run {run.path}'.",
        )
    arrays = [path for path in folder.iterdir() if path.suffix.lower() in ARRAYS]
    return arrays[0] if len(arrays) == 1 else folder


def _absolute(location: str) -> str:
    if location.startswith("procedural:"):
        return location
    return str(Path(location).expanduser().absolute())


def _announce(folder: Path, panel: Panel, observer: Observer) -> None:
    design = panel.design
    shown = {part: len(design.blocks[part]) for part in design.parts}
    what = ", then ".join(f"{n} images, {part} and real" for part, n in shown.items())
    observer.message(f"{folder}: {what}; {design.settings['scaling']} scaling")
    if panel.raters:
        states = (
            f"{r.name} ({'finished' if r.finished else sum(map(len, r.answers.values()))})"
            for r in panel.raters.values()
        )
        observer.message(f"answers so far: {', '.join(states)}")
