"""Where settings come from besides options: a file, SIMGAN_* variables and --set.

A file is TOML (or the same in JSON) with a table per command. [data] holds the DataPolicy of all of
them; [train.data], [refine.data] and so on override it for one:

    [train]
    synthetic = "eyes/synthetic"
    real = "eyes/real"

    [refine]
    batch = 4096

    [data]
    range = "full"

`simgan.toml` in the current folder is read unasked; `--config FILE` is read in its place. A file
given by --config may also be flat, without tables, so the config.json of a run works. Relative
paths in it start at the current folder.
"""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import click

from simgan.engine.config import DataPolicy, TrainConfig
from simgan.engine.config_checks import check_names
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.ablation.config import AblateConfig
from simgan.engine.evaluation.config import EvaluateConfig
from simgan.engine.evaluation.label_check.config import CheckLabelsConfig
from simgan.engine.evaluation.realism.config import RealismConfig
from simgan.engine.evaluation.turing.config import TuringConfig
from simgan.engine.refine_config import RefineConfig

AUTOMATIC_FILE = "simgan.toml"
COMMANDS: dict[str, type] = {
    "train": TrainConfig,
    "refine": RefineConfig,
    "evaluate": EvaluateConfig,
    "ablate": AblateConfig,
    "check-labels": CheckLabelsConfig,
    "check-realism": RealismConfig,
    "turing": TuringConfig,
}
STARTS_FROM = {"ablate": "train"}
OWN = {"out", "keep"}  # what a table does not take from the one it starts from
TABLES: dict[str, type] = {**COMMANDS, "data": DataPolicy}
PREFIX = "SIMGAN_"
# Variables that are read where they act. SIMGAN_BACKEND is one: it can name a backend per
# operation, which the setting `backend` cannot.
OTHER_VARIABLES = (
    "SIMGAN_BACKEND",
    "SIMGAN_CACHE",
    "SIMGAN_DEBUG",
    "SIMGAN_FAILPOINT",
    "SIMGAN_NATIVE",
)
TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")


class Given(NamedTuple):
    """A value somebody gave, and where."""

    value: Any
    origin: str


Layer = dict[str, Given]  # keys as in --set: "lr", "data.range"


class Key(NamedTuple):
    """One setting: its key, its dataclass field and its type."""

    name: str
    field: dataclasses.Field[Any]
    hint: Any


def keys(cls: type) -> list[Key]:
    """Every setting of a config class in field order, the policy's as data.NAME."""
    hints = get_type_hints(cls)
    prefix = "data." if cls is DataPolicy else ""
    found: list[Key] = []
    for item in dataclasses.fields(cls):
        if hints[item.name] is DataPolicy:
            found += keys(DataPolicy)
        else:
            found.append(Key(prefix + item.name, item, hints[item.name]))
    return found


def kind_of(hint: Any) -> type:
    """The one plain type of an annotation: `int | None` is int, a Literal or a list is str."""
    if get_origin(hint) is Literal or is_list(hint):
        return str
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    return kinds[0]  # type: ignore[no-any-return]


def is_list(hint: Any) -> bool:
    """Whether a setting takes several texts."""
    return get_origin(hint) is tuple


def inherited(table: str) -> set[str]:
    """Settings of a table that another one says for it."""
    source = STARTS_FROM.get(table)
    return {key.name for key in keys(COMMANDS[source])} - OWN if source else set()


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"lr": 1, "data.range": "full"} -> {"lr": 1, "data": {"range": "full"}}."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        head, _, tail = name.partition(".")
        if tail:
            nested.setdefault(head, {})[tail] = value
        else:
            nested[name] = value
    return nested


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `nest`."""
    flat = {name: value for name, value in values.items() if name != "data"}
    return flat | {f"data.{name}": value for name, value in values.get("data", {}).items()}


def variable(key: str) -> str:
    """The environment variable of a setting: data.range -> SIMGAN_DATA_RANGE."""
    return PREFIX + key.upper().replace(".", "_")


def find_file(explicit: str | None, folder: Path) -> Path | None:
    """--config, else simgan.toml of the folder, else None."""
    if explicit is not None:
        return Path(explicit)
    automatic = folder / AUTOMATIC_FILE
    return automatic if automatic.is_file() else None


def from_file(cls: type, path: Path, *, flat_allowed: bool) -> Layer:
    """The settings of `cls` in a file.

    Raises:
        ConfigError: the file is missing or malformed, or names something unknown.
    """
    document = _parse(path)
    name = path.name if path.name == AUTOMATIC_FILE else str(path)
    has_tables = any(isinstance(document.get(table), dict) for table in COMMANDS)
    if flat_allowed and not has_tables:
        if cls is DataPolicy:
            document = {"data": document.get("data", {})}
        return _layer(cls, document, origin=name, where=name)
    _check_tables(document, name)
    own = next((table for table, owner in TABLES.items() if owner is cls), "data")
    shared = {"data": document.get("data", {})}
    layer = _layer(cls, shared, origin=name, where=f"{name}, [data]")
    for table in (STARTS_FROM.get(own), own):
        if table in COMMANDS:
            values = document.get(table, {})
            found = _layer(COMMANDS[table], values, origin=name, where=f"{name}, [{table}]")
            layer |= {key: given for key, given in found.items() if table == own or key not in OWN}
    return layer


def from_environment(cls: type, environ: Mapping[str, str]) -> Layer:
    """The settings of `cls` in SIMGAN_* variables; an empty variable counts as not set.

    Raises:
        ConfigError: a value of the wrong type, or a name that looks like a misspelt setting.
    """
    _check_variables(environ)
    layer: Layer = {}
    for key in keys(cls):
        name = variable(key.name)
        text = environ.get(name, "")
        if text and name not in OTHER_VARIABLES:
            layer[key.name] = Given(_from_text(name, text, kind_of(key.hint)), name)
    return layer


def from_assignments(cls: type, texts: Iterable[str]) -> Layer:
    """The settings in `--set NAME=VALUE`: VALUE is read as TOML, else as a bare string.

    An empty VALUE takes back what a preset or a file sets, where a setting can be absent.
    """
    kinds = {key.name: tuple if is_list(key.hint) else kind_of(key.hint) for key in keys(cls)}
    optional = {key.name for key in keys(cls) if type(None) in get_args(key.hint)}
    layer: Layer = {}
    for text in texts:
        name, equals, raw = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise click.UsageError(f"--set needs NAME=VALUE, got {text!r}")
        value: Any = raw
        if not raw and name in optional:
            value = None
        elif kinds.get(name) is not str or _is_quoted(raw):
            value = _toml_value(raw)
        layer |= _layer(cls, nest({name: value}), origin=f"--set {name}", where=f"--set {text}")
    return layer


def _layer(cls: type, values: Any, *, origin: str, where: str) -> Layer:
    if not isinstance(values, dict):
        raise ConfigError(f"expected a table of settings, got {values!r}", where=where)
    values = dict(values)
    policy = values.pop("data", {})
    if not isinstance(policy, dict):
        raise ConfigError(f"data must be a table of settings, got {policy!r}", where=where)
    try:
        if cls is not DataPolicy or values:
            check_names(cls, values)
        check_names(DataPolicy, policy, prefix="data.")
    except ConfigError as error:
        raise ConfigError(error.what, where=where) from None
    flat = flatten(values | {"data": policy})
    return {name: Given(value, origin) for name, value in flat.items()}


def _check_tables(document: Mapping[str, Any], name: str) -> None:
    for table, values in document.items():
        if table not in TABLES:
            near = difflib.get_close_matches(table, TABLES, n=1)
            hint = f" Did you mean [{near[0]}]?" if near else ""
            loose = not isinstance(values, dict)
            raise ConfigError(
                f"{table} stands outside of any table"
                if loose
                else f"unknown table [{table}].{hint}",
                where=name,
                fix=f"Settings belong under {', '.join(f'[{t}]' for t in TABLES)}.",
            )
        wrapped = {"data": values} if table == "data" else values
        owner = TrainConfig if table == "data" else TABLES[table]
        _layer(owner, wrapped, origin=name, where=f"{name}, [{table}]")


def _check_variables(environ: Mapping[str, str]) -> None:
    known = {variable(key.name) for cls in COMMANDS.values() for key in keys(cls)}
    known |= set(OTHER_VARIABLES)
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in known:
            continue
        # Other programs may use the prefix too: only what looks like a typing error is refused.
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if near:
            raise ConfigError(
                f"unknown setting {name}. Did you mean {near[0]}?", where="environment variable"
            )


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            document = json.loads(text, parse_constant=_refuse_constant)
        else:
            document = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"no config file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read config file {path}: {error}") from error
    except ValueError as error:
        kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
        raise ConfigError(f"{path} is not valid {kind}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must hold a table of settings")
    return document


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def _from_text(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() in TRUE + FALSE:
            return text.lower() in TRUE
        raise ConfigError(f"{name} must be true or false, got {text!r}")
    try:
        return kind(text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{name} must be {expected}, got {text!r}") from None


def _is_quoted(text: str) -> bool:
    return text.strip()[:1] in ('"', "'")


def _toml_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # A line break in the text could smuggle in further keys.
    return parsed["value"] if list(parsed) == ["value"] else text
