"""Options made from the fields of a config class, and the config made from everything given.

Precedence: preset < file < SIMGAN_* variable < option (or --set).
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import click

from simgan.cli import layers, words
from simgan.engine.config import (
    DataPolicy,
    TrainConfig,
    preset_values,
    to_dict,
    train_config,
)
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.ablation.config import (
    AblateConfig,
    ablate_config,
    implied_values,
)
from simgan.engine.evaluation.config import EvaluateConfig, evaluate_config
from simgan.engine.evaluation.label_check.config import CheckLabelsConfig, check_labels_config
from simgan.engine.evaluation.realism.config import RealismConfig, realism_config
from simgan.engine.evaluation.turing.config import TuringConfig, turing_config
from simgan.engine.presets import PRESETS
from simgan.engine.refine_config import RefineConfig, refine_config

GROUPS = (
    *("Main", "Algorithm", "Networks", "Performance", "Output", "Stopping", "Data"),
    *("Settings", "Other"),
)
METAVARS = {int: "N", float: "X", str: "TEXT"}
NAME_COLUMN = 30
PATHS = ("PATH", "RUN", "DIR")
EPILOG = (
    "Every setting can also stand in simgan.toml, in a variable such as SIMGAN_LR or "
    "SIMGAN_DATA_RANGE, or in --set; an option wins. "
    "'simgan-engine config show --origin' tells which one did."
)

C = TypeVar("C")
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Resolved(Generic[C]):
    """A checked config, and for each key ("lr", "data.range") where its value came from."""

    config: C
    origins: dict[str, str]


class GroupedOption(click.Option):
    """An option with a section of the help and a note on its default, which click does not know."""

    def __init__(self, *args: Any, group: str = "Other", note: str = "", **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.group = group
        self.note = note

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Short: --[no-]flag for a switch, and the note instead of click's ranges."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        names = f"--[no-]{self.opts[0].removeprefix('--')}" if self.secondary_opts else record[0]
        return names, f"{self.help}  [{self.note}]" if self.note else self.help or ""


class SettingsCommand(click.Command):
    """A command whose help shows its options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One section per group, in the order of GROUPS."""
        sections: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections[getattr(param, "group", "Other")].append(record)
        for group, records in sections.items():
            if records:
                names, text = records[0]
                with formatter.section(group):
                    # One padded name lines up the text of all sections.
                    formatter.write_dl([(names.ljust(NAME_COLUMN), text), *records[1:]])


def config_options(cls: type) -> Callable[[Function], Function]:
    """Decorator: an option per setting of `cls`, and --config and --set.

    A parameter that was not given is None; hand all parameters to `resolve`.
    """

    def decorate(function: Function) -> Function:
        function = source_options(function)
        for key in reversed(layers.keys(cls)):
            function = _option(cls, key)(function)
        return function

    return decorate


def source_options(function: Function) -> Function:
    """Decorator: --config and --set."""
    assignments = click.option(
        "--set",
        "assignments",
        cls=GroupedOption,
        group="Settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any setting by its name, for example --set data.range=full.",
    )
    file = click.option(
        "--config",
        "config_file",
        cls=GroupedOption,
        group="Settings",
        type=click.Path(),
        metavar="FILE",
        help="TOML or JSON file of settings (default: simgan.toml of this folder).",
    )
    return file(assignments(function))


def parameter(key: str) -> str:
    """The name of a setting among the parameters of a command: data.range -> data_range."""
    return key.replace(".", "_")


def flag(key: str) -> str:
    """The option of a setting: data.range -> --data-range."""
    return "--" + parameter(key).replace("_", "-")


def resolve(
    cls: type[C],
    params: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Resolved[C]:
    """The config of a command from its parameters, the environment and a file.

    Args:
        cls: one of `layers.COMMANDS`, or DataPolicy.
        params: parameters of a command with `config_options(cls)`; others are ignored.
        environ: variables (default: os.environ).
        folder: where simgan.toml is looked for (default: the current folder).
    Raises:
        ConfigError: an unknown name or a bad value, with the place it came from.
    """
    given = _given(cls, params, os.environ if environ is None else environ, folder or Path())
    values = layers.nest({name: item.value for name, item in given.items()})
    try:
        config = _build(cls, values)
    except ConfigError as error:
        name = error.what.split()[0]
        where = f"set by {given[name].origin}" if name in given else error.where
        raise ConfigError(error.what, where=where, fix=error.fix) from error
    origins = {name: item.origin for name, item in given.items()}
    if isinstance(config, TrainConfig):
        imply = implied_values if cls is AblateConfig else preset_values
        implied = layers.flatten(imply(values))
        origins = dict.fromkeys(implied, f"preset {config.preset}") | origins
    return Resolved(
        config, {key.name: origins.get(key.name, "default") for key in layers.keys(cls)}
    )


def _given(
    cls: type, params: Mapping[str, Any], environ: Mapping[str, str], folder: Path
) -> layers.Layer:
    explicit = params.get("config_file")
    path = layers.find_file(explicit, folder)
    from_file = layers.from_file(cls, path, flat_allowed=explicit is not None) if path else {}
    from_environment = layers.from_environment(cls, environ)
    assigned = layers.from_assignments(cls, params.get("assignments", ()))
    flags: layers.Layer = {}
    for key in layers.keys(cls):
        value = params.get(parameter(key.name))
        if value is not None and value != ():
            flags[key.name] = layers.Given(value, _spelling(key.name, value))
    for name in flags.keys() & assigned.keys():
        raise click.UsageError(f"{flag(name)} and --set {name} are both given; use one")
    return {**from_file, **from_environment, **assigned, **flags}


def _spelling(key: str, value: Any) -> str:
    return flag(key).replace("--", "--no-", 1) if value is False else flag(key)


def _build(cls: type[C], values: dict[str, Any]) -> C:
    if cls is TrainConfig:
        return train_config(values)  # type: ignore[return-value]
    if cls is RefineConfig:
        return refine_config(values)  # type: ignore[return-value]
    if cls is AblateConfig:
        return ablate_config(values)  # type: ignore[return-value]
    if cls is EvaluateConfig:
        return evaluate_config(values)  # type: ignore[return-value]
    if cls is CheckLabelsConfig:
        return check_labels_config(values)  # type: ignore[return-value]
    if cls is RealismConfig:
        return realism_config(values)  # type: ignore[return-value]
    if cls is TuringConfig:
        return turing_config(values)  # type: ignore[return-value]
    return cls(**values.get("data", {}))


def _option(cls: type, key: layers.Key) -> Callable[[Function], Function]:
    kind = layers.kind_of(key.hint)
    names = flag(key.name)
    if kind is bool:
        names = f"{names}/{names.replace('--', '--no-', 1)}"
    return click.option(
        names,
        parameter(key.name),
        cls=GroupedOption,
        group=key.field.metadata["group"],
        note=_note(cls, key),
        help=key.field.metadata["help"],
        metavar=key.field.metadata["metavar"] or _metavar(key),
        type=_click_type(key),
        multiple=layers.is_list(key.hint),
        default=None,
    )


def _metavar(key: layers.Key) -> str | None:
    return None if choices(key) else METAVARS.get(layers.kind_of(key.hint))


def _click_type(key: layers.Key) -> Any:
    kind = layers.kind_of(key.hint)
    low, high = key.field.metadata["low"], key.field.metadata["high"]
    if kind is bool:
        return click.BOOL
    if kind is int:
        return click.IntRange(low, high)
    if kind is float:
        return click.FloatRange(low, high)
    if choices(key):
        return click.Choice(choices(key))
    return click.Path() if key.field.metadata["metavar"] in PATHS else click.STRING


def choices(key: layers.Key) -> tuple[str, ...]:
    """The allowed words of a setting; empty when it is free."""
    return get_args(key.hint) if get_origin(key.hint) is Literal else ()


def _note(cls: type, key: layers.Key) -> str:
    default = key.field.default
    parts = [] if default in (None, ()) else [f"default: {_word(default)}"]
    if issubclass(cls, TrainConfig):
        for preset, values in PRESETS.items():
            value = layers.flatten(values).get(key.name, default)
            if value != default:
                parts.append(f"{preset} {_word(value)}")
    return "; ".join(parts)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def policy_of(params: Mapping[str, Any]) -> DataPolicy:
    """The data policy of a command with `config_options(DataPolicy)`."""
    return resolve(DataPolicy, params).config


def show(resolved: Resolved[Any], *, origins: bool = True) -> str:
    """Settings as a table: name, value and, with `origins`, where it came from."""
    values = to_dict(resolved.config)
    rows = []
    for key in layers.keys(type(resolved.config)):
        head, _, tail = key.name.partition(".")
        nested = values[head] if not tail else values.get("data", values).get(tail)
        row = (key.name, words.value(nested))
        rows.append((*row, resolved.origins[key.name]) if origins else row)
    header = ("setting", "value", "from") if origins else ("setting", "value")
    return words.table(rows, header)
