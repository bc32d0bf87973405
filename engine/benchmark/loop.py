"""The case `loop`: what data, logging, samples and checkpoints cost beside the bare step.

A run goes through `engine.session.Session` as `train` starts it, on procedural eyes. Before every
stretch of steps the same number of bare steps is timed, so that both see the same machine. Ticks,
grids and checkpoints are timed one by one and counted as often as the settings make them come.
"""

import dataclasses
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from simgan.engine.benchmark.contest import Say
from simgan.engine.benchmark.contestants import Scene, with_format
from simgan.engine.benchmark.networks import full_step
from simgan.engine.benchmark.results import Row
from simgan.engine.benchmark.rounds import Timing, percentile, synchronize
from simgan.engine.data.packing import pack
from simgan.engine.data.sources import open_source
from simgan.engine.observer import SilentObserver
from simgan.engine.run_folder import RunFolder
from simgan.engine.run_state import PHASES
from simgan.engine.session import Session
from simgan.engine.setup import Arrays, build_training
from simgan.engine.signals import stop_on_signals

STRETCH = {"cpu": 1, "cuda": 20}  # steps between two waits for the device
CHORES = ("tick", "samples", "checkpoint")


@dataclasses.dataclass
class Meter:
    """Seconds of the loop, taken while it runs.

    Attributes:
        bare: of one bare step, per stretch.
        looped: of one step of the loop without its chores, per stretch.
        chores: of each single tick, sample grid and checkpoint.
    """

    bare: Timing = dataclasses.field(default_factory=Timing)
    looped: Timing = dataclasses.field(default_factory=Timing)
    chores: dict[str, list[float]] = dataclasses.field(default_factory=lambda: defaultdict(list))


class _Moment(NamedTuple):
    """Two clocks: wall time and CPU time of this process, in seconds."""

    wall: float
    cpu: float


class MeteredSession(Session):
    """A session that stops the time of itself and of a bare step beside it."""

    def __init__(self, meter: Meter, bare_step: Callable[[], object], *parts: Any) -> None:
        self._meter = meter
        self._bare_step = bare_step
        self._stretch = STRETCH[parts[0].players.precision.device.type]
        self._begun: _Moment | None = None
        self._idle = _Moment(0.0, 0.0)  # chores of this stretch
        super().__init__(*parts)

    def run_all(self) -> None:
        """Run the phases, then close the last stretch."""
        super().run_all()
        self._end_stretch()

    def _step(self, phase: str) -> None:
        if phase == PHASES[-1] and self.training.place.step % self._stretch == 0:
            self._end_stretch()
            self._time_bare()
            self._idle = _Moment(0.0, 0.0)
            self._begun = self._now()
        super()._step(phase)

    def _tick(self, *args: Any, **named: Any) -> None:
        with self._chore("tick"):
            super()._tick(*args, **named)

    def _draw(self, *args: Any, **named: Any) -> None:
        with self._chore("samples"):
            super()._draw(*args, **named)

    def _save(self, *args: Any, **named: Any) -> None:
        before = self.last_checkpoint
        with self._chore("checkpoint"):
            super()._save(*args, **named)
        if self.last_checkpoint == before:
            self._meter.chores["checkpoint"].pop()  # it was there already

    def _end_stretch(self) -> None:
        if self._begun is not None:
            self._note(self._meter.looped, self._begun, self._idle)
            self._begun = None

    def _time_bare(self) -> None:
        start = self._now()
        for _ in range(self._stretch):
            self._bare_step()
        self._note(self._meter.bare, start, _Moment(0.0, 0.0))

    def _note(self, timing: Timing, start: "_Moment", left_out: "_Moment") -> None:
        now = self._now()
        timing.wall.append((now.wall - start.wall - left_out.wall) / self._stretch)
        timing.cpu.append((now.cpu - start.cpu - left_out.cpu) / self._stretch)

    def _now(self) -> "_Moment":
        synchronize(self.training.players.precision.device)
        return _Moment(time.perf_counter(), time.process_time())

    @contextmanager
    def _chore(self, name: str) -> Iterator[None]:
        start = self._now()
        yield
        now = self._now()
        spent = _Moment(now.wall - start.wall, now.cpu - start.cpu)
        self._idle = _Moment(self._idle.wall + spent.wall, self._idle.cpu + spent.cpu)
        self._meter.chores[name].append(spent.wall)


def loop_case(scene: Scene, say: Say) -> list[Row]:
    """The whole training loop beside the bare step."""
    say("loop: drawing procedural eyes")
    meter = Meter()
    bare = scene.ours()
    scene.load(bare)
    synthetic, real = with_format(scene.synthetic, True), with_format(scene.real, True)
    with tempfile.TemporaryDirectory(prefix="simgan-bench-") as folder:
        _run(scene, Path(folder), meter, lambda: full_step(bare, scene, synthetic, real), say)
    return [_row(scene, meter)]


def _run(
    scene: Scene, folder: Path, meter: Meter, bare_step: Callable[[], object], say: Say
) -> None:
    plan = scene.plan
    config = dataclasses.replace(
        plan.config, steps=plan.loop_steps, out=str(folder / "run"), synthetic=None, real=None
    )
    eyes = (f"procedural:{kind}?count={plan.loop_images}" for kind in ("synthetic", "camera"))
    arrays = Arrays(*(pack(open_source(eye), cache=folder / "cache") for eye in eyes))
    observer = SilentObserver()
    training = build_training(config, arrays, observer)
    history = training.players.history
    if history is not None:  # a full one, as in nearly all of a long run
        history.load_state_dict({**history.state_dict(), "images": scene.history})
    run = RunFolder.create(config)
    with stop_on_signals() as stop, run.lock():
        session = MeteredSession(meter, bare_step, training, run, observer, stop)
        say(f"loop: {plan.loop_steps} steps, each beside a bare one")
        try:
            session.run_all()
        finally:
            session.close()


def _row(scene: Scene, meter: Meter) -> Row:
    config = scene.plan.config
    every = {
        "tick": config.log_every,
        "samples": config.sample_every,
        "checkpoint": config.checkpoint_every,
    }
    chores = {name: statistics.median(meter.chores[name]) for name in CHORES}
    per_step = sum(chores[name] / every[name] for name in CHORES)
    # The first steps of both find the allocator and the caches cold.
    warm = slice(1 if len(meter.bare.wall) > 1 else 0, None)
    bare, looped = meter.bare.wall[warm], meter.looped.wall[warm]
    cpu = zip(meter.bare.cpu[warm], meter.looped.cpu[warm], strict=True)
    step = statistics.median(looped) + per_step
    return {
        "case": "loop",
        "variant": "training loop",
        "shape": list(scene.synthetic.shape),
        "gate": None,
        "skipped": None,
        "seconds": {
            "median": step,
            "p10": percentile(looped, 0.1) + per_step,
            "p90": percentile(looped, 0.9) + per_step,
            "rounds": len(looped),
        },
        "images_per_s": config.batch * (config.k_g + config.k_d) / step,
        "bare_step_seconds": statistics.median(bare),
        "chores_seconds": chores,
        "chores_every": every,
        "efficiency": _share(zip(bare, looped, strict=True), per_step),
        "cpu_efficiency": _share(cpu, per_step) if scene.device.type == "cpu" else None,
    }


def _share(pairs: Iterable[tuple[float, float]], per_step: float) -> float:
    """Median over the stretches of bare time / time in the loop, chores included."""
    return statistics.median(bare / (looped + per_step) for bare, looped in pairs)
