"""The case `data`: how fast sets of images are packed, and batches of them drawn."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simgan.engine.benchmark.contest import Say
from simgan.engine.benchmark.contestants import Scene
from simgan.engine.benchmark.image_sets import FORMATS, SetFormat, draw_eyes
from simgan.engine.benchmark.results import Row, skipped_row
from simgan.engine.benchmark.rounds import Timing, measure
from simgan.engine.data.batches import Batches
from simgan.engine.data.packing import ImageArray, pack
from simgan.engine.data.sources import open_source

RESIDENT, STREAMED = "batches, resident", "batches, streamed"


def data_case(scene: Scene, say: Say) -> list[Row]:
    """Opening and packing a set in each format, as `train` does it once; then drawing batches.

    Packing an array that lies in memory or can be mapped is only a look at its values. Batches are
    float [b, C, H, W] on the device; resident ones are gathered there, streamed ones come through
    a thread that prefetches.
    """
    plan = scene.plan
    eyes = draw_eyes(plan.data_images, plan.size)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="simgan-bench-") as name:
        folder = Path(name)
        work: dict[str, Callable[[], object]] = {}
        for form in FORMATS:
            if form.problem is None:
                say(f"data: writing {form.name}")
                form.write(eyes, folder / form.place)
                work[form.name] = _Packing(form, folder)
        timings = measure(work, plan.disk_rounds, scene.device, lambda text: say(f"data: {text}"))
        for form in FORMATS:
            labels = _labels(scene, form.name)
            if form.problem is not None:
                rows.append(skipped_row(labels, form.problem))
            else:
                rows.append(_row(labels, timings[form.name], len(eyes)))
        array = pack(open_source(folder / FORMATS[0].place), cache=folder / "kept")
        rows += _drawing(scene, array, say)
    return rows


class _Packing:
    """Packs one set, each time as if for the first time."""

    def __init__(self, form: SetFormat, folder: Path) -> None:
        self.place = folder / form.place
        self.cache = folder / "cache"

    def __call__(self) -> None:
        pack(open_source(self.place), cache=self.cache)
        shutil.rmtree(self.cache, ignore_errors=True)


def _drawing(scene: Scene, array: ImageArray, say: Say) -> list[Row]:
    """Batches b, as many as go through the set once a call."""
    batch = scene.plan.config.batch
    count = max(1, len(array.names) // batch)
    drawn = {
        variant: Batches(
            array, seed=0, name="bench", device=scene.device, resident=variant == RESIDENT
        )
        for variant in (RESIDENT, STREAMED)
    }

    def draw(batches: Batches) -> None:
        for _ in range(count):
            batches.next(batch)

    work = {variant: lambda b=batches: draw(b) for variant, batches in drawn.items()}
    try:
        timings = measure(work, scene.plan.disk_rounds, scene.device)
    finally:
        for batches in drawn.values():
            batches.close()
    say("data: done")
    return [
        {**_row(_labels(scene, variant), timing, count * batch), "batch": batch}
        for variant, timing in timings.items()
    ]


def _labels(scene: Scene, variant: str) -> dict[str, Any]:
    return {"case": "data", "variant": variant, "shape": [*scene.plan.size, 1]}


def _row(labels: dict[str, Any], timing: Timing, images: int) -> Row:
    seconds = timing.summary()
    cpu = seconds.pop("cpu")
    return {
        **labels,
        "gate": None,
        "skipped": None,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "images": images,
        "images_per_s": images / seconds["median"],
    }
