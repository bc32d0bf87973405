"""`report`: everything a run has to show, as one HTML page without scripts or outside files."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from simgan.engine.durable import replace_file
from simgan.engine.errors import ConfigError
from simgan.engine.observer import Observer, SilentObserver
from simgan.engine.reporting import distributions, patch_map, tables, timeline, verdicts
from simgan.engine.reporting.charts import COLORS
from simgan.engine.reporting.content import Part
from simgan.engine.reporting.embedding import Embedded, Embedder
from simgan.engine.reporting.evolution import evolution
from simgan.engine.reporting.facts import RunFacts, gather
from simgan.engine.reporting.parts import KINDS, bench, find, render
from simgan.engine.reporting.pictures import Pictures, chosen, look
from simgan.engine.reporting.scale import number
from simgan.engine.run_folder import RunFolder, environment, find_run

TEMPLATES = Path(__file__).parent / "templates"
NAME = "report.html"
# Browsers show control characters as they like; a page is valid without them.
CLEAN = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where results lie that are not inside of the run; None: looked for in the run.

    Attributes:
        evaluation, ablation, label_check, realism, turing: folders, or the JSON files in them.
        bench: the JSON file of `bench --json`.
    """

    evaluation: str | Path | None = None
    ablation: str | Path | None = None
    label_check: str | Path | None = None
    realism: str | Path | None = None
    turing: str | Path | None = None
    bench: str | Path | None = None


def report(
    run: str | Path,
    output: str | Path | None = None,
    parts: Parts | Mapping[str, Any] | None = None,
    *,
    observer: Observer | None = None,
) -> Path:
    """Write the page of a run; the file appears whole or not at all.

    Args:
        run: the run folder, or its name or number in runs/. Nothing else in it is changed.
        output: the file (default: RUN/report.html).
        parts: where further results lie; by default in RUN/evaluation, RUN/label-check, ...
        observer: is told what is missing.
    Returns:
        the file.
    Raises:
        CheckpointError: there is no such run, or its settings are damaged.
        ConfigError: a named place holds no such result, or `output` is a folder.
        DiskError: the page cannot be written.
    """
    observer = observer or SilentObserver()
    given = parts if isinstance(parts, Parts) else Parts(**(parts or {}))
    folder = RunFolder(find_run(run))
    target = Path(output) if output is not None else folder.path / NAME
    if target.is_dir():
        raise ConfigError(f"output: {target} is a folder, expected a file")
    named = {kind.anchor: getattr(given, kind.anchor.replace("-", "_"), None) for kind in KINDS}
    found = [(kind, find(kind, folder.path, named[kind.anchor])) for kind in KINDS]
    facts = gather(folder)
    pictures = look(facts)
    for note in (*facts.notes, *pictures.notes):
        observer.warning(note)
    embedder = Embedder()
    context = _context(facts, pictures, embedder)
    made = [render(kind, file, embedder) for kind, file in found]
    page = _page(facts, pictures, made, context, embedder)
    replace_file(target, page.translate(CLEAN).encode("utf-8", "replace"))
    return target


def _context(facts: RunFacts, pictures: Pictures, embedder: Embedder) -> dict[str, Any]:
    """The pictures of the page: they come first when room is short."""
    size = facts.image[1:] if facts.image is not None else None
    shown = pictures.shown()
    strips = {name: _strip(name, images, embedder) for name, images in shown.items()}
    return {
        "strips": {name: strip for name, strip in strips.items() if any(strip)},
        "opinions": _opinions(pictures, shown, embedder),
        "evolution": evolution(facts.grids, size, embedder),
    }


def _strip(name: str, images: NDArray[np.uint8], embedder: Embedder) -> list[Embedded | None]:
    return [
        embedder.pixels(image, f"{name} image {index + 1} of {len(images)}")
        for index, image in enumerate(images)
    ]


def _opinions(
    pictures: Pictures, shown: Mapping[str, NDArray[np.uint8]], embedder: Embedder
) -> dict[str, list[dict[str, Any]]]:
    """Images with the discriminator's map of each, by set."""
    found = {}
    assert pictures.fields is not None or not pictures.opinions
    for name, maps in pictures.opinions.items():
        assert pictures.fields is not None
        rows = []
        for index, (patches, image) in enumerate(zip(maps, shown[name], strict=True)):
            mean = float(patches.mean())
            spread = patch_map.spread(patches, pictures.fields, image.shape[:2])
            alt = f"map of {name} image {index + 1}: mean P(refined) {mean:.2f}"
            rows.append({
                "image": embedder.pixels(image, f"{name} image {index + 1}"),
                "map": embedder.pixels(patch_map.paint(spread), alt),
                "mean": f"{mean:.2f}",
            })  # fmt: skip
        found[name] = rows
    return found


def _page(
    facts: RunFacts,
    pictures: Pictures,
    parts: Sequence[Part],
    context: Mapping[str, Any],
    embedder: Embedder,
) -> str:
    statistics = distributions.statistics(pictures.arrays())
    statistics = [s for s in statistics if s.values]
    patches = None if pictures.patches is None else pictures.patches[0] * pictures.patches[1]
    room = [f"{alt} is left out: the page would become too large" for alt in embedder.refused]
    notes = [*facts.notes, *pictures.notes, *context["evolution"].notes, *room]
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return jinja.get_template("page.html").render(
        **context,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        title=facts.path.resolve().name,
        facts=facts,
        pictures=pictures,
        shown_names=_names(pictures),
        headline=verdicts.headline(facts, pictures, statistics, parts),
        numbers=_numbers(facts, pictures),
        results=[part for part in parts if part.given and part.anchor != bench.KIND.anchor],
        absent=[part for part in parts if not part.given and part.anchor != bench.KIND.anchor],
        bench=next(part for part in parts if part.anchor == bench.KIND.anchor),
        curves=timeline.charts(facts, patches),
        marks=timeline.marks(facts),
        zones=timeline.zones(facts),
        distributions=_distribution_charts(statistics),
        speed_charts=timeline.speed_charts(facts),
        tables=_tables(facts, pictures, parts, statistics),
        lambda_sentence=tables.lambda_sentence(facts, pictures),
        notes=notes,
        colors=COLORS,
        versions=environment(),
        made=time.strftime("%Y-%m-%d %H:%M"),
    )


def _names(pictures: Pictures) -> dict[str, list[str]]:
    """Names of the images that are shown, by set."""
    samples = {"synthetic": pictures.synthetic, "real": pictures.real}
    return {
        kind: [sample.names[i] for i in chosen(len(sample.names))]
        for kind, sample in samples.items()
        if sample is not None
    }


def _numbers(facts: RunFacts, pictures: Pictures) -> list[tuple[str, str]]:
    """The few figures that stand in large type."""
    last = facts.last
    found = [
        ("steps", f"{facts.step:,} of {facts.config.steps:,}"),
        ("training time", tables.duration(timeline.seconds(facts))),
    ]
    for kind in ("synthetic", "real"):
        sample = getattr(pictures, kind)
        if sample is not None:
            found.append((f"{kind} images", f"{sample.total:,}"))
    for name, label in (
        ("d_accuracy_real", "D right, real"),
        ("d_accuracy_refined", "D right, refined"),
    ):
        if isinstance(last.get(name), float):
            found.append((label, f"{last[name]:.0%}"))
    if isinstance(last.get("mean_abs_change"), float):
        found.append(("|R(x) - x|", number(last["mean_abs_change"], 3)))
    return found


def _distribution_charts(statistics: Sequence[distributions.Statistic]) -> list[Any]:
    if not statistics:
        return []
    gray, gradients = statistics
    return [gray.chart(), gradients.chart(distributions.gradients_shown(gradients), log=True)]


def _tables(
    facts: RunFacts,
    pictures: Pictures,
    parts: Sequence[Part],
    statistics: Sequence[distributions.Statistic],
) -> dict[str, Any]:
    return {
        "changed": tables.changed_settings(facts.config),
        "settings": tables.all_settings(facts.config),
        "data": tables.data(facts, pictures),
        "problems": tables.problems(facts),
        "statistics": [tables.pixel_statistics(statistic) for statistic in statistics],
        "last": tables.last_metrics(facts),
        "speed": tables.speed(facts),
        "files": tables.files(facts, parts),
        "versions": tables.versions(facts),
    }
