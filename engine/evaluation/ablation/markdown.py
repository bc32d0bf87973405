"""The table of an ablation for documents."""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
SETTINGS = (
    "steps", "batch", "k_g", "k_d", "lambda_reg", "history", "adversarial", "feature_transform",
    "width", "blocks", "seeds", "estimator_size", "estimator_steps", "estimator_batch",
    "estimator_seeds",
)  # fmt: skip
HEADER = ("arm", "error", "interval", "better than base by", "interval", "p", "p (Holm)",
          "spread of seeds", "jump between looks")  # fmt: skip


def markdown(report: Row) -> str:
    """Settings, table and notes of a report, in Markdown."""
    share = f"{report['confidence']:.0%}"
    config = report["config"]
    seeds = config["seeds"]
    lines = [
        f"Mean angular error in degrees over {seeds} refiner seeds with {share} intervals "
        "(Student's t); the difference is paired by seed.",
        "",
        f"| {' | '.join(HEADER)} |",
        "|---|" + "---:|" * (len(HEADER) - 1),
    ]
    lines += [f"| {' | '.join(cells)} |" for cells in rows(report)]
    lines += ["", *(f"* {note}" for note in report["notes"]), ""]
    told = ", ".join(f"{name} {config[name]}" for name in SETTINGS)
    places = {name: config[name] for name in ("synthetic", "real", "test")}
    lines.append(f"Base: {told}.")
    lines += [f"* {name}: `{place}`" for name, place in places.items()]
    return "\n".join(lines) + "\n"


def rows(report: Row) -> list[tuple[str, ...]]:
    """The cells of the table: unrefined images first, then the arms; columns as HEADER."""
    found = []
    for unrefined in report["unrefined"]:
        mean = unrefined["mean"]
        found.append((unrefined_label(unrefined), number(mean["value"]), interval(mean),
                      *([""] * 6)))  # fmt: skip
    for arm in report["arms"]:
        mean, against = arm["mean"], arm["against_base"]
        compared = ("", "", "", "")
        if against is not None:
            compared = (
                number(against["difference"]["value"], signed=True),
                interval(against["difference"], signed=True),
                probability(against["p"]),
                probability(against["p_holm"]),
            )
        found.append(
            (
                arm["label"],
                number(mean["value"]) if mean else "failed",
                interval(mean) if mean else "",
                *compared,
                number(arm["spread"]),
                number(arm["fluctuation"]),
            )
        )
    return found


def unrefined_label(unrefined: Row) -> str:
    """`unrefined`, and of a part of the set `unrefined, data 1x`."""
    return "unrefined" if unrefined["parts"] == 1 else "unrefined, data 1x"


def number(value: float | None, *, signed: bool = False) -> str:
    """Degrees with two decimals; nothing for None."""
    if value is None:
        return ""
    return f"{value:+.2f}" if signed else f"{value:.2f}"


def interval(estimate: Row, *, signed: bool = False) -> str:
    """`6.31 .. 7.02`, or `unknown`."""
    if estimate["low"] is None:
        return "unknown"
    return " .. ".join(number(estimate[end], signed=signed) for end in ("low", "high"))


def probability(p: float | None) -> str:
    """Two digits, or `unknown`."""
    return "unknown" if p is None else f"{p:.2g}"
