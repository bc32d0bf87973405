"""Refines a whole set: the same names, order, sizes and bit depths, labels carried along."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from simgan.engine.config import parse_size, to_dict
from simgan.engine.data.problems import Problem, refuse_too_many, skipped_sentence
from simgan.engine.data.sinks import Sink, hold_output, open_sink
from simgan.engine.data.source import Source
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DiskError, Interrupted
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.precision import Precision, on_device, pick_device, repeatable
from simgan.engine.refine_config import RefineConfig, refine_config
from simgan.engine.refining.forward import RefiningForward, steady_threads
from simgan.engine.refining.pipeline import Pipeline, Ticks, finished
from simgan.engine.refining.weights import (
    Weights,
    find_input,
    find_output,
    find_weights,
    inherited_policy,
)
from simgan.engine.run_folder import environment
from simgan.engine.signals import StopRequest, stop_on_signals

# Data settings that decide which pixels come out.
_PIXELS = ("size", "channels", "alpha", "frames", "exif", "key", "crop", "eye_crop")


@dataclass(frozen=True)
class RefineResult:
    """A refined set.

    Attributes:
        output: the folder or file.
        count: images in it.
        refined: how many of them this call refined; the others were there already.
        skipped: input images that are not in it, with the reason.
        batch: images that went through the network at once, after any split.
        images_per_s: of this call, from the first read to the last write.
        labels: in words, where the labels are.
        manifest: one JSON line per image; manifest.json beside it says how the set was made.
    """

    output: Path
    count: int
    refined: int
    skipped: list[Problem] = field(default_factory=list)
    batch: int = 0
    images_per_s: float = 0.0
    manifest: Path = Path()
    labels: str = ""


def refine(
    config: RefineConfig | Mapping[str, Any] | None = None, *, progress: Observer | None = None
) -> RefineResult:
    """Refine every image of a set, and carry its labels.

    Stored values are mapped linearly, by one range for all images, to [-1, 1] and back: rounded
    half to even, clamped to that range. PNG, TIFF, BMP, WebP, NumPy and HDF5 hold the result
    exactly, JPEG at quality 98 without chroma subsampling. The result does not depend on `batch`,
    `tile` or `workers`. Interrupted, the same call goes on where it stopped.

    Args:
        config: settings, or a mapping of them for `refine_config`.
        progress: is told of progress (`tick` has step, images_per_s, eta_s, data_wait); silent by
            default.
    Raises:
        ConfigError: a setting is wrong, or there is nothing to refine. CheckpointError: there are
        no weights, or they do not fit the images. DataError: the output is in the way or overlaps
        the input, or too many images are unreadable. DeviceMemoryError: not even one tile of one
        image fits. DiskError: the disk is full or broken. LockedError: another process writes the
        same output. Interrupted: a signal asked for the end; what is done is kept.
    """
    if not isinstance(config, RefineConfig):
        config = refine_config(config)
    weights = find_weights(config)
    policy = inherited_policy(config, weights)
    source = open_source(find_input(config, weights), policy)
    output = find_output(config, weights)
    sink = open_sink(source, output, config.format)
    view = progress or SilentObserver()
    device = pick_device(config.device)
    with (
        repeatable(config.deterministic),
        steady_threads(device),
        on_device(device),
        stop_on_signals() as stop,
    ):
        job = Job(config, weights, source, sink, view, stop)
        try:
            with hold_output(sink), closing(sink):
                return job.run()
        except OSError as error:
            if isinstance(error, DiskError):
                raise
            raise DiskError(f"cannot write {sink.location}: {error.strerror or error}") from error


class Job:
    """One call of `refine`, its parts at hand."""

    def __init__(
        self,
        config: RefineConfig,
        weights: Weights,
        source: Source,
        sink: Sink,
        view: Observer,
        stop: StopRequest,
    ) -> None:
        self.config = config
        self.weights = weights
        self.source = source
        self.sink = sink
        self.view = view
        self.stop = stop

    def run(self) -> RefineResult:
        manifest = self.sink.manifest
        identity = self._identity()
        manifest.load(identity, self.source.names)
        self.sink.prepare()
        held = finished(self.source, self.sink, self.config.workers, self._asked_to_stop)
        if self.stop.requested is not None:
            raise self._interrupted(len(manifest.entries), self.stop.requested)
        done = self.sink.keep(held)
        self._keep_only(done)
        pipeline = self.pipeline()
        manifest.begin(identity)
        try:
            self._announce(len(done))
            todo = sorted(set(range(len(self.source))) - set(done))
            start = time.perf_counter()
            tick = Ticks(self.view, pipeline, len(done), len(self.source), start)
            pipeline.run(todo, stopped=lambda: self._stopped(pipeline), tick=tick)
            if self.stop.requested is not None and len(manifest.entries) < len(self.source):
                raise self._interrupted(len(manifest.entries), self.stop.requested)
            problems = [*self.source.skipped, *pipeline.problems]
            self._refuse_too_many(pipeline)
            names = self.source.names
            self.sink.publish([i for i in range(len(names)) if names[i] in manifest.entries])
            manifest.finish(names, self._summary(identity, problems))
        finally:
            manifest.close()
        self._closing_words(problems, pipeline)
        seconds = time.perf_counter() - start
        return RefineResult(
            output=self.sink.location,
            count=len(manifest.entries),
            refined=pipeline.done,
            skipped=problems,
            batch=pipeline.forward.used,
            images_per_s=pipeline.done / seconds,
            manifest=manifest.journal,
            labels=self.sink.labels,
        )

    def pipeline(self) -> Pipeline:
        """The parts that decode, refine and encode, as the settings ask for them."""
        config, refiner = self.config, self.weights.refiner
        device = pick_device(config.device)
        precision = Precision.choose(device, amp=config.amp, channels_last=config.channels_last)
        network: nn.Module = refiner
        if config.compile:
            network = torch.compile(precision.module(refiner))  # type: ignore[assignment]
        forward = RefiningForward(
            network,
            receptive_field=refiner.receptive_field,
            width=refiner.shape.width,
            precision=precision,
            batch=config.batch,
            tile=config.tile,
            say=self.view.warning,
        )
        size = parse_size(config.data.size, "data.size") if config.data.size else None
        return Pipeline(
            self.source,
            self.sink,
            forward,
            value_range=self._value_range,
            size=size,
            workers=config.workers,
        )

    def _identity(self) -> dict[str, Any]:
        """What all images of a set must share."""
        policy = {name: getattr(self.source.policy, name) for name in _PIXELS}
        return {
            "checkpoint": self.weights.hash,
            "value_range": self.source.policy.range or self.weights.image.get("value_range"),
            "format": self.config.format,
            "policy": policy,
            "amp": self.config.amp,
        }

    def _keep_only(self, done: list[int]) -> None:
        names = {self.source.names[index] for index in done}
        entries = self.sink.manifest.entries
        gone = [entry for name, entry in entries.items() if name not in names]
        for entry in gone:
            del entries[entry.name]
            # Still ours: it was written for this set and is written again.
            self.sink.manifest.claimed.update((entry.file, *entry.labels))

    def _value_range(self, image: NDArray[Any], name: str) -> tuple[float, float]:
        self.weights.refuse_channels(image.shape, name)
        limits = self.weights.value_range(image.dtype, name, self.source)
        if image.dtype != np.uint8 or limits != (0.0, 255.0):
            self.view.message(f"{image.dtype.name} values {limits[0]:g}..{limits[1]:g} are -1..1")
        return limits

    def _announce(self, done: int) -> None:
        total = len(self.source)
        why = f" ({self.weights.why})" if self.weights.why else ""
        self.view.message(f"refining {self.source.location} with {self.weights.path}{why}")
        if self.config.amp and self.weights.image.get("dtype") == "uint16":
            self.view.warning("--amp keeps about 8 of the 16 bits; leave it out to keep them all")
        if self.source.policy.channels != "keep":
            self.view.message(f"the images are written as {self.source.policy.channels}")
        trained = self.weights.policy.size
        if trained is not None and self.config.data.size is None:
            self.view.warning(
                f"the training images were resized to {trained}; these keep their own size "
                f"(--data-size {trained} would resize them, too)"
            )
        if self.config.data.size is not None:
            self.view.warning("label files are carried as they are; images are resized")
        if done:
            self.view.message(f"{done:,} of {total:,} already done, continuing")
        self.view.phase("refining", total, done)

    def _asked_to_stop(self) -> bool:
        return self.stop.requested is not None

    def _stopped(self, pipeline: Pipeline) -> bool:
        self._refuse_too_many(pipeline)
        return self._asked_to_stop()

    def _refuse_too_many(self, pipeline: Pipeline) -> None:
        problems = [*self.source.skipped, *pipeline.problems]
        total = len(self.source) + len(self.source.skipped)
        refuse_too_many(problems, total, self.source.policy.max_bad)

    def _interrupted(self, done: int, number: int) -> Interrupted:
        return Interrupted(
            f"stopping after {done:,} of {len(self.source):,} images; they are kept",
            signal_number=number,
            fix="Continue: run the same command again.",
        )

    def _summary(self, identity: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
        versions = environment()
        config = to_dict(self.config)
        return {
            "made_with": identity,
            "checkpoint": str(self.weights.path),
            "input": {"location": self.source.location, "format": self.source.format},
            "value_range": {
                dtype.name: self.weights.value_range(dtype, "", self.source)
                for dtype in self._dtypes()
            },
            "count": len(self.sink.manifest.entries),
            "skipped": [{"name": item.name, "reason": item.reason} for item in problems],
            "config": config,
            "versions": {name: versions[name] for name in ("simgan-engine", "torch", "numpy")},
        }

    def _dtypes(self) -> list[np.dtype[Any]]:
        names = {entry.dtype for entry in self.sink.manifest.entries.values()}
        return [np.dtype(name) for name in sorted(names)]

    def _closing_words(self, problems: list[Problem], pipeline: Pipeline) -> None:
        total = len(self.source) + len(self.source.skipped)
        if problems:
            listed = str(self.sink.manifest.summary)
            self.view.warning(skipped_sentence(problems, total, listed))
        part = self.source.policy.limit is not None or bool(problems)
        if part and self.source.shared_files():
            self.view.warning(
                "files of the whole set are carried as they are; "
                "they may name images that are not in the output"
            )
        if pipeline.clipped:
            self.view.warning(
                f"{pipeline.clipped:,} images have values outside of the range; "
                "these saturate, as in training"
            )
