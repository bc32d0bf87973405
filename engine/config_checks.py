"""Checks of settings against annotations and ranges; parsers of their small languages."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from simgan.engine.errors import ConfigError


def check_names(cls: type, values: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse names that are not fields of `cls`, naming the nearest one."""
    names = [f.name for f in dataclasses.fields(cls)]
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f" Did you mean {prefix}{near[0]}?" if near else ""
            raise ConfigError(f"unknown setting {prefix}{name}.{hint}")


def check_fields(config: Any, prefix: str = "") -> None:
    """Check every field of a config against its annotation and range."""
    hints = get_type_hints(type(config))
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        name = prefix + item.name
        _check_type(name, value, hints[item.name])
        low, high = item.metadata.get("low"), item.metadata.get("high")
        if value is None or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if (
            value != value
            or (low is not None and value < low)
            or (high is not None and value > high)
        ):
            if high is None:
                raise ConfigError(f"{name} must be at least {low}, got {value}")
            raise ConfigError(f"{name} must be between {low} and {high}, got {value}")


def _check_type(name: str, value: Any, hint: Any) -> None:
    options = get_args(hint)
    if get_origin(hint) is Literal:
        if value not in options:
            raise ConfigError(f"{name} must be one of {', '.join(options)}, got {value!r}")
        return
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            raise ConfigError(f"{name} must be a list, got {value!r}")
        for item in value:
            _check_type(name, item, options[0])
        return
    allowed = options or (hint,)
    if isinstance(value, bool) and bool not in allowed:
        raise ConfigError(f"{name} must be {_type_name(allowed)}, got {value!r}")
    if float in allowed and isinstance(value, int):
        return
    if not isinstance(value, allowed):
        raise ConfigError(f"{name} must be {_type_name(allowed)}, got {value!r}")


def _type_name(allowed: tuple[Any, ...]) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return " or ".join(words.get(kind, kind.__name__) for kind in allowed if kind is not type(None))


def check_stopping(config: Any) -> None:
    """Check that the settings of a stopping rule belong together."""
    if config.stop_on == "none":
        return
    if (config.stop_on == "task") != (config.stop_task_set is not None):
        raise ConfigError("stop_task_set and stop_on task need each other, got only one of them")
    first = max(config.stop_every, config.stop_start)
    if first > config.steps:
        raise ConfigError(
            f"stop_every and stop_start must be at most the {config.steps} steps, "
            f"or the run is never looked at; got {config.stop_every} and {config.stop_start}"
        )


def parse_size(text: str, name: str) -> tuple[int, int]:
    """'35x55' -> (35, 55): height, width."""
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) > 0 and int(width) > 0):
        raise ConfigError(f"{name} must be HxW, for example 35x55, got {text!r}")
    return int(height), int(width)


def parse_range(text: str) -> str | tuple[float, float]:
    """'full', 'minmax', 'percentile' as they are; 'A..B' -> (A, B) with A < B."""
    if text in ("full", "minmax", "percentile"):
        return text
    low, dots, high = text.partition("..")
    try:
        bounds = (float(low), float(high))
    except ValueError:
        bounds = (0.0, 0.0)
    if not dots or not bounds[0] < bounds[1]:
        raise ConfigError(
            f"data.range must be full, minmax, percentile or A..B with A < B, got {text!r}"
        )
    return bounds


def parse_composite(text: str) -> tuple[int, int, int]:
    """'composite:#rrggbb' -> (r, g, b)."""
    head, _, color = text.partition(":#")
    try:
        value = int(color, 16) if head == "composite" and len(color) == 6 else -1
    except ValueError:
        value = -1
    if value < 0:
        raise ConfigError(f"data.alpha must be error, drop or composite:#rrggbb, got {text!r}")
    return value >> 16, (value >> 8) & 255, value & 255


def parse_device(text: str) -> None:
    """Refuse anything but auto, cpu, cuda and cuda:N."""
    index = text.removeprefix("cuda:")
    if text not in ("auto", "cpu", "cuda") and not (index != text and index.isdigit()):
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N, got {text!r}")
