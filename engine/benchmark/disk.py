"""The case `disk`: refining from disk to disk, beside each of its parts alone.

Efficiency is the shortest time that the parts allow, divided by the time of the whole:

- No whole is faster than its slowest part: max(decode, refine, encode), in elapsed seconds.
- Nor is it faster than what its parts do on the host's cores, which each of them had for itself
  when it ran alone: (CPU seconds of decode + encode) / cores, and on a CPU those of refine, too.

The larger of the two is the shortest time; `of_slowest_part` leaves the second out.

The parts run in the same round as the whole, through the same code: `Decoders`, `RefiningForward`
and `Encoders` of the pipeline that `refine` builds. Encoding includes claiming, recording and
publishing; refining includes the way to the device and back.
"""

import dataclasses
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from simgan.engine.benchmark.contest import Say
from simgan.engine.benchmark.contestants import Scene
from simgan.engine.benchmark.image_sets import FORMATS, SetFormat, draw_eyes
from simgan.engine.benchmark.plan import REFINE_BATCHES
from simgan.engine.benchmark.results import Row, skipped_row
from simgan.engine.benchmark.rounds import percentile
from simgan.engine.data.sinks import hold_output, open_sink
from simgan.engine.data.sources import open_source
from simgan.engine.observer import SilentObserver
from simgan.engine.precision import pick_device, repeatable
from simgan.engine.refine_config import RefineConfig
from simgan.engine.refiner import Refiner, refiner_header
from simgan.engine.refining import refine
from simgan.engine.refining.forward import steady_threads
from simgan.engine.refining.job import Job
from simgan.engine.refining.pipeline import cores
from simgan.engine.refining.weights import find_input, find_output, find_weights
from simgan.engine.signals import StopRequest

PARTS = ("decode", "refine", "encode")


@dataclass(frozen=True)
class Spent:
    """Time that something took: elapsed, and of all threads of this process, in seconds."""

    wall: float
    cpu: float


class _Watch:
    """Two clocks, running from the moment that it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Spent:
        return Spent(time.perf_counter() - self._wall, time.process_time() - self._cpu)


@dataclass(frozen=True)
class Round:
    """One set refined in parts, and as a whole."""

    parts: Mapping[str, Spent]
    whole: Spent

    @property
    def slowest(self) -> str:
        """The part that took longest alone."""
        return max(self.parts, key=lambda name: self.parts[name].wall)

    def of_slowest_part(self) -> float:
        """Time of the slowest part alone / time of the whole."""
        return self.parts[self.slowest].wall / self.whole.wall

    def efficiency(self, cores: int, on_cores: Collection[str] = PARTS) -> float:
        """Shortest possible time / time of the whole, as the module says.

        Args:
            cores: of the host.
            on_cores: parts whose work is done by them.
        """
        work = sum(self.parts[name].cpu for name in on_cores)
        return max(self.parts[self.slowest].wall, work / cores) / self.whole.wall

    def cpu_efficiency(self) -> float:
        """CPU seconds of the parts / CPU seconds of the whole."""
        return sum(part.cpu for part in self.parts.values()) / self.whole.cpu


@dataclass
class _FromFirstRead(SilentObserver):
    """Starts a watch when the first image is about to be read."""

    watch: _Watch = field(default_factory=_Watch)

    def phase(self, name: str, total: int, done: int) -> None:
        self.watch = _Watch()


def disk_case(scene: Scene, say: Say) -> list[Row]:
    """The paper's refiner over a set in each format, into the same format."""
    plan = scene.plan
    eyes = draw_eyes(plan.disk_images, plan.size)
    rows = []
    with tempfile.TemporaryDirectory(prefix="simgan-bench-") as name:
        folder = Path(name)
        weights = _save_weights(scene, folder)
        for form in FORMATS:
            labels = {"case": "disk", "variant": form.name, "shape": [*plan.size, 1]}
            if form.problem is not None:
                rows.append(skipped_row(labels, form.problem))
                continue
            say(f"disk: writing {form.name}")
            place = folder / form.place
            form.write(eyes, place)
            config = _refine_config(scene, weights, place)
            rounds = [_round(config, form, folder, say) for _ in range(plan.disk_rounds)]
            rows.append(_row(labels, rounds, len(eyes), scene))
    return rows


def _save_weights(scene: Scene, folder: Path) -> Path:
    file = folder / "refiner.safetensors"
    refiner = scene.ours().refiner
    assert isinstance(refiner, Refiner)
    refiner.load_state_dict(dict(scene.weights["refiner"]))
    tensors = {key: value.cpu().contiguous() for key, value in refiner.state_dict().items()}
    save_file(tensors, file, refiner_header(refiner))
    return file


def _refine_config(scene: Scene, weights: Path, place: Path) -> RefineConfig:
    config = scene.plan.config
    return RefineConfig(
        checkpoint=str(weights),
        input=str(place),
        batch=max(256, REFINE_BATCHES[scene.device.type] * config.batch),
        device=str(scene.device),
        amp=config.amp,
        channels_last=config.channels_last,
        backend=config.backend,
    )


def _round(config: RefineConfig, form: SetFormat, folder: Path, say: Say) -> Round:
    out = folder / "out"
    try:
        say(f"disk: {form.name}, in parts")
        parts = _parts(dataclasses.replace(config, output=str(out / "parts" / form.place)))
        say(f"disk: {form.name}, as a whole")
        _settle()
        observer = _FromFirstRead()
        refine(dataclasses.replace(config, output=str(out / form.place)), progress=observer)
        return Round(parts, observer.watch.read())
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _parts(config: RefineConfig) -> dict[str, Spent]:
    """Each part alone, over the whole set; what comes in lies in memory."""
    weights = find_weights(config)
    source = open_source(find_input(config, weights))
    sink = open_sink(source, find_output(config, weights), config.format)
    manifest = sink.manifest
    with (
        repeatable(config.deterministic),
        steady_threads(pick_device(config.device)),
        hold_output(sink),
        closing(sink),
        closing(manifest),
    ):
        job = Job(config, weights, source, sink, SilentObserver(), StopRequest())
        pipeline = job.pipeline()
        sink.prepare()
        manifest.begin({})
        with closing(pipeline):
            watch = _Watch()
            batches = list(pipeline.decoders.batches(range(len(source))))
            decoded = watch.read()
            watch = _Watch()
            refined = list(pipeline.refined(batches))
            through = watch.read()
            _settle()
            watch = _Watch()
            for batch, images in refined:
                pipeline.encoders.put(batch, images)
            pipeline.encoders.finish()
            sink.publish(list(range(len(source))))
            manifest.finish(source.names, {})
            encoded = watch.read()
    return dict(zip(PARTS, (decoded, through, encoded), strict=True))


def _settle() -> None:
    """Let nobody else's unwritten files be part of what is timed next."""
    if hasattr(os, "sync"):
        os.sync()


def _row(labels: Mapping[str, Any], rounds: Sequence[Round], images: int, scene: Scene) -> Row:
    on_cpu = scene.device.type == "cpu"
    on_cores = PARTS if on_cpu else ("decode", "encode")
    whole = [one.whole.wall for one in rounds]
    median = statistics.median(whole)
    walls = {name: statistics.median(one.parts[name].wall for one in rounds) for name in PARTS}
    return {
        **labels,
        "gate": None,
        "skipped": None,
        "seconds": {
            "median": median,
            "p10": percentile(whole, 0.1),
            "p90": percentile(whole, 0.9),
            "rounds": len(rounds),
        },
        "cpu_seconds": statistics.median(one.whole.cpu for one in rounds),
        "images": images,
        "images_per_s": images / median,
        "parts": {name: images / wall for name, wall in walls.items()},
        "parts_cpu_seconds": {
            name: statistics.median(one.parts[name].cpu for one in rounds) for name in PARTS
        },
        "slowest_part": max(walls, key=walls.__getitem__),
        "cores": len(cores()),
        "efficiency": statistics.median(one.efficiency(len(cores()), on_cores) for one in rounds),
        "of_slowest_part": statistics.median(one.of_slowest_part() for one in rounds),
        "cpu_efficiency": (
            statistics.median(one.cpu_efficiency() for one in rounds) if on_cpu else None
        ),
    }
