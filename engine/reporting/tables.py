"""The tables of the page: settings, data, files, speed and what is needed to do it again."""

import statistics as stdlib_statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simgan.engine.config import TrainConfig, to_dict, train_config
from simgan.engine.losses import effective_lambda
from simgan.engine.reporting.content import Part, Table
from simgan.engine.reporting.distributions import Statistic
from simgan.engine.reporting.facts import LISTED, RunFacts
from simgan.engine.reporting.pictures import Pictures
from simgan.engine.reporting.scale import number
from simgan.engine.reporting.timeline import seconds
from simgan.engine.run_state import PHASES
from simgan.engine.setup import EMBEDDED

PLACES = ("preset", "synthetic", "real", "out")  # told elsewhere
FILES = {
    "config.json": "settings",
    "environment.json": "versions and machine at the start",
    "command.txt": "the command",
    "metrics.jsonl": "metrics, one line a tick",
    "samples": "sample grids",
    "checkpoints": "checkpoints",
    "refined": "refined images",
    "tensorboard": "TensorBoard files",
    "data-problems.jsonl": "images that were left out",
    "debug": "images of steps that were not finite",
}


def changed_settings(config: TrainConfig) -> Table:
    """Settings that differ from the preset's, the paths apart."""
    now, preset = _flat(config), _flat(train_config({"preset": config.preset}))
    rows = [
        (name, value(now[name]), value(preset[name]))
        for name in now
        if now[name] != preset[name] and name not in PLACES
    ]
    caption = f"Settings that differ from the preset {config.preset}"
    return Table(caption, ("setting", "this run", "preset"), rows)


def all_settings(config: TrainConfig) -> Table:
    """Every setting, folded."""
    rows = [(name, value(setting)) for name, setting in _flat(config).items()]
    return Table(f"All {len(rows)} settings", ("setting", "value"), rows, folded=True)


def lambda_sentence(facts: RunFacts, pictures: Pictures) -> str:
    """lambda in both conventions."""
    weight = facts.config.lambda_reg
    if facts.image is None or pictures.patches is None:
        return f"lambda is {number(weight)} where losses are sums over patches and pixels."
    pixels = facts.image[0] * facts.image[1] * facts.image[2]
    patches = pictures.patches[0] * pictures.patches[1]
    mean = number(effective_lambda(weight, pixels, patches), 3)
    return (
        f"lambda is {number(weight)} where losses are sums over {patches:,} patches and "
        f"{pixels:,} pixels, as in the paper; {mean} if both were means, as in much other code."
    )


def _flat(config: TrainConfig) -> dict[str, Any]:
    values = to_dict(config)
    policy = values.pop("data")
    return values | {f"data.{name}": setting for name, setting in policy.items()}


def value(setting: object) -> str:
    """A setting as a person reads it."""
    if setting is None:
        return "not set"
    if isinstance(setting, bool):
        return "on" if setting else "off"
    return number(setting) if isinstance(setting, int | float) else str(setting)


def data(facts: RunFacts, pictures: Pictures) -> Table:
    """Both sets: where, how many, how large, what was left out, fingerprint."""
    rows = []
    for kind in ("synthetic", "real"):
        sample = getattr(pictures, kind)
        left_out = sum(problem["set"] == kind for problem in facts.problems)
        prints = facts.state.get("data")
        known = prints.get(kind) if isinstance(prints, dict) else None
        rows.append([
            kind,
            str(getattr(facts.config, kind) or EMBEDDED[kind]),
            "not there now" if sample is None else f"{sample.total:,}",
            _size(facts),
            sample.format if sample is not None else "unknown",
            f"{left_out:,}",
            str(known or "unknown"),
        ])  # fmt: skip
    columns = ("set", "where", "images now", "size", "format", "left out", "fingerprint")
    return Table("The two sets, fingerprints as training took them", columns, rows)


def _size(facts: RunFacts) -> str:
    if facts.image is None:
        return "unknown"
    channels, height, width = facts.image
    bits = {"uint8": "8-bit ", "uint16": "16-bit "}.get(facts.state["image"].get("dtype"), "")
    return f"{height}x{width} {bits}{ {1: 'gray', 3: 'RGB'}.get(channels, f'{channels} channels') }"


def problems(facts: RunFacts) -> Table:
    """Images that were left out, folded; the first LISTED of them."""
    rows = [(p["name"], p["set"], p["reason"]) for p in facts.problems[:LISTED]]
    count = len(facts.problems)
    more = f", the first {LISTED}" if count > LISTED else ""
    return Table(f"{count:,} images left out{more}", ("image", "set", "reason"), rows, folded=True)


def pixel_statistics(statistic: Statistic) -> Table:
    """Numbers behind a chart of distributions."""
    rows = [
        [str(row["set"]), *(f"{row[k]:.2f}" for k in ("mean", "deviation", "distance") if k in row)]
        for row in statistic.rows()
    ]
    columns = ("set", "mean", "deviation", "distance to real")
    return Table(f"{statistic.title}: {statistic.unit}", columns[: len(rows[0])], rows)


def last_metrics(facts: RunFacts) -> Table:
    """The last row of metrics as it stands in the file."""
    hidden = ("phase", "step", "eta_s")
    rows = [
        (name.replace("_", " "), number(v) if isinstance(v, int | float) else str(v))
        for name, v in facts.last.items()
        if name not in hidden
    ]
    where = f"{facts.last.get('phase')}, step {facts.last.get('step'):,}" if facts.last else ""
    return Table(f"Last metrics ({where})", ("metric", "value"), rows, folded=True)


def speed(facts: RunFacts) -> Table:
    """Speed, time and machine of the run itself."""
    trained = [row for row in facts.rows if row["phase"] == PHASES[2]]
    rates = [row["images_per_s"] for row in trained if isinstance(row.get("images_per_s"), float)]
    waits = [row["data_wait"] for row in trained if isinstance(row.get("data_wait"), float)]
    config, known = facts.config, facts.environment
    rows = [("training time, without pauses", duration(seconds(facts)))]
    if rates:
        middle, least, most = stdlib_statistics.median(rates), min(rates), max(rates)
        told = f"{number(middle, 3)} (from {number(least, 3)} to {number(most, 3)})"
        rows.append(("images/s in Algorithm 1, median", told))
    if waits:
        rows.append(("waiting for data, mean", f"{sum(waits) / len(waits):.1%}"))
    machine = str(known.get("gpu") or known.get("cpu") or "unknown")
    used = facts.state.get("device", config.device)
    rows += [
        ("device", f"{used} ({machine if used != 'cpu' else known.get('cpu', 'unknown')})"),
        ("threads", str(known.get("threads", "unknown"))),
        ("mixed precision", value(config.amp)),
        ("channels_last", value(config.channels_last)),
        ("torch.compile", value(config.compile)),
    ]
    return Table("Speed of this run", ("", "value"), rows)


def duration(total: float) -> str:
    """433 -> '7:13'; 3700 -> '1:01:40'."""
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def files(facts: RunFacts, parts: Sequence[Part]) -> Table:
    """Where each file lies, folded."""
    rows = [(name, text) for name, text in FILES.items() if (facts.path / name).exists()]
    if facts.checkpoint is not None:
        inside = facts.checkpoint.relative_to(facts.path)
        rows.append((f"{inside}/refiner.safetensors", "the refiner that this page shows"))
    rows += [(_relative(part.source, facts.path), part.title) for part in parts if part.given]
    return Table(f"Files in {facts.path.resolve()}", ("file", "what it is"), rows, folded=True)


def _relative(file: str, folder: Path) -> str:
    path = Path(file).resolve()
    inside = path.is_relative_to(folder.resolve())
    return str(path.relative_to(folder.resolve())) if inside else str(path)


def versions(facts: RunFacts) -> Table:
    """Versions and machine at the start of the run."""
    known = facts.environment
    rows = [(name, value(known[name])) for name in known]
    rows.append(("commit", str(known["commit"]) if "commit" in known else "not recorded"))
    rows += [
        ("seed", str(facts.config.seed)),
        ("deterministic", value(facts.config.deterministic)),
    ]
    return Table("Versions, machine and seed", ("", "value"), list(dict.fromkeys(rows)))
