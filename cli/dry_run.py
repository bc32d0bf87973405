"""What `train --dry-run` says: settings, data and memory, with nothing written."""

import json
from typing import Any

import click

from simgan.cli import settings, words
from simgan.engine.config import TrainConfig, to_dict
from simgan.engine.observer import SilentObserver


def report(resolved: settings.Resolved[TrainConfig], *, as_json: bool) -> None:
    """Print what a run with these settings would use.

    Raises:
        DataError: the data cannot be opened.
        ConfigError: only one of the two sets is given.
    """
    from simgan.engine.footprint import footprint
    from simgan.engine.setup import absolute_paths

    # The file of a config keeps its paths as typed; only what is opened here must be complete.
    config = absolute_paths(resolved.config)
    synthetic = _count(config, "synthetic")
    real = _count(config, "real")
    height, width, channels = synthetic["image"]
    need = footprint(config, height, width, channels)
    match = _match(config)
    if as_json:
        parameters = {
            "refiner": need.refiner_parameters,
            "discriminator": need.discriminator_parameters,
        }
        memory = {
            name: getattr(need, name)
            for name in ("weights", "gradients", "optimizer", "activations", "history", "total")
        }
        click.echo(
            json.dumps(
                {
                    "config": to_dict(resolved.config),
                    "origins": resolved.origins,
                    "data": {"synthetic": synthetic, "real": real},
                    "label_match": match.report,
                    "parameters": parameters,
                    "memory_bytes": memory,
                    "checkpoint_bytes": need.checkpoint,
                }
            )
        )
        return
    rows = [
        ("R parameters", f"{need.refiner_parameters:,}"),
        ("D parameters", f"{need.discriminator_parameters:,}"),
        ("weights, gradients", words.size(need.weights + need.gradients)),
        ("optimizer", words.size(need.optimizer)),
        ("activations", f"about {words.size(need.activations)} at batch {config.batch}"),
        ("history", words.size(need.history)),
        ("all of it", f"about {words.size(need.total)}"),
        ("one checkpoint", f"{words.size(need.checkpoint)}, {config.keep} are kept"),
    ]
    click.echo(settings.show(resolved))
    click.echo(
        "\ndata\n" + words.table([_row("synthetic", synthetic), _row("real", real)], indent=2)
    )
    if match.lines:
        click.echo("\nlabels\n" + "\n".join(f"  {line}" for line in match.lines))
    click.echo("\nneeds\n" + words.table(rows, indent=2))
    click.echo("\ndry run: nothing was written")


def _count(config: TrainConfig, which: str) -> dict[str, Any]:
    from simgan.engine.config_checks import parse_size
    from simgan.engine.data.sources import open_source

    source = open_source(getattr(config, which), config.data)
    first = source.read(0)
    height, width, channels = first.shape
    if config.data.size is not None:
        height, width = parse_size(config.data.size, "data.size")
    return {
        "location": source.location,
        "format": source.format,
        "count": len(source),
        "image": [height, width, channels],
        "dtype": str(first.dtype),
        "packed_bytes": len(source) * height * width * channels * first.dtype.itemsize,
    }


class _Match(SilentObserver):
    """What label matching would do: its report, where that is known, and what there is to say."""

    def __init__(self) -> None:
        self.report: dict[str, Any] | None = None
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)

    def warning(self, text: str) -> None:
        self.lines.append(f"Warning: {text}")


def _match(config: TrainConfig) -> _Match:
    found = _Match()
    if config.match_labels == "estimate":
        found.message("matched to what an estimator says of the real images, before training")
    elif config.match_labels is not None:
        from simgan.engine.data.sources import open_source
        from simgan.engine.label_matching.matching import known_match

        assert config.synthetic is not None
        source = open_source(config.synthetic, config.data)
        found.report = known_match(config, source, found).report
    return found


def _row(which: str, found: dict[str, Any]) -> tuple[str, ...]:
    size = "x".join(map(str, found["image"]))
    return (
        which,
        found["location"],
        f"{found['count']:,} images ({found['format']})",
        f"{size} {found['dtype']}",
        f"{words.size(found['packed_bytes'])} packed",
    )
