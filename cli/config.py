"""`simgan-engine config` and `init`: look at the settings, or write a commented simgan.toml."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from simgan.cli import layers, settings
from simgan.engine.config import (
    DataPolicy,
    TrainConfig,
    preset_name,
    preset_values,
    to_dict,
)
from simgan.engine.durable import replace_file
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.ablation.config import AblateConfig
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.label_check.config import CheckLabelsConfig
from simgan.engine.evaluation.realism.config import RealismConfig
from simgan.engine.evaluation.turing.config import TuringConfig
from simgan.engine.presets import PRESETS
from simgan.engine.refine_config import RefineConfig

HEAD = """\
# Settings of simgan-engine, for commands that run in this folder.
# A commented line shows what holds without it; take away the "# " to change it.
# Precedence: preset < this file < SIMGAN_* variables < options on the command line.
# The result, and where each value came from: simgan-engine config show --origin
"""


@click.group("config")
def command() -> None:
    """Show settings and where each came from."""


@command.command("show")
@click.argument("which", type=click.Choice(list(layers.COMMANDS)), default="train")
@click.option("--origin", is_flag=True, help="Add where each value came from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@settings.source_options
def show(which: str, origin: bool, as_json: bool, **params: Any) -> None:
    """Print the settings that a command would use here, without options of its own."""
    resolved: settings.Resolved[Any] = settings.resolve(layers.COMMANDS[which], params)
    if not as_json:
        click.echo(settings.show(resolved, origins=origin))
        return
    values = to_dict(resolved.config)
    shown = {"config": values, "origins": resolved.origins} if origin else values
    click.echo(json.dumps(shown, indent=2))


@click.command("init")
@click.argument("synthetic", required=False, type=click.Path())
@click.argument("real", required=False, type=click.Path())
@click.option("--preset", type=click.Choice(list(PRESETS)), help="Networks and schedule.")
@click.option("--path", "file", default=layers.AUTOMATIC_FILE, show_default=True, type=click.Path())
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(
    synthetic: str | None, real: str | None, preset: str | None, file: str, force: bool
) -> None:
    """Write a commented simgan.toml for your data: SYNTHETIC (labelled) and REAL (unlabelled)."""
    given = {"preset": preset, "synthetic": synthetic, "real": real}
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in ("synthetic", "real"):
        place = chosen.get(name)
        if place and not place.startswith("procedural:") and not Path(place).exists():
            raise ConfigError(f"{name}: {place} does not exist")
    path = Path(file)
    if path.exists() and not force:
        raise ConfigError(f"{path} already exists", fix="Pass --force to replace it.")
    replace_file(path, document(chosen).encode())
    click.echo(f"wrote {path}\nnext: simgan-engine train --dry-run")


command.add_command(init)


def document(chosen: dict[str, str]) -> str:
    """A simgan.toml with `chosen` training settings set and every other one explained."""
    implied = {"preset": preset_name(chosen), **layers.flatten(preset_values(chosen))}
    tables: tuple[tuple[str, type, dict[str, Any]], ...] = (
        ("train", TrainConfig, implied),
        ("refine", RefineConfig, {}),
        ("evaluate", EvaluateConfig, {}),
        ("ablate", AblateConfig, {}),
        ("check-labels", CheckLabelsConfig, {}),
        ("check-realism", RealismConfig, {}),
        ("turing", TuringConfig, {}),
        ("data", DataPolicy, implied),
    )
    parts = [HEAD]
    for table, cls, defaults in tables:
        parts.append(f"\n[{table}]\n")
        elsewhere = layers.inherited(table)
        if elsewhere:
            parts.append(
                f"# Begins with [{layers.STARTS_FROM[table]}]; its settings can stand here, too.\n"
            )
        for key in layers.keys(cls):
            if key.name in elsewhere or (key.name.startswith("data.") and cls is not DataPolicy):
                continue
            parts += _entry(key, defaults, chosen if table == "train" else {})
    return "".join(parts)


def _entry(key: layers.Key, defaults: dict[str, Any], chosen: dict[str, str]) -> Iterator[str]:
    yield f"\n# {key.field.metadata['help']}\n"
    options = settings.choices(key)
    if options:
        yield f"# One of {', '.join(options)}.\n"
    name = key.name.removeprefix("data.")
    if key.name in chosen:
        yield f"{name} = {_toml(chosen[key.name])}\n"
        return
    default = defaults.get(key.name, key.field.default)
    if default is None:
        hint = key.field.metadata["metavar"] or "VALUE"
        spelled = f"<{hint}>" if layers.kind_of(key.hint) is int else f'"<{hint}>"'
        yield f"# {name} = {spelled}\n"
    else:
        yield f"# {name} = {_toml(default)}\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # JSON's strings and numbers are TOML's, too.
    return json.dumps(value, ensure_ascii=False)
