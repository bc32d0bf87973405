"""How fast the engine is on some machine, by `bench --json`."""

from typing import Any

from simgan.engine.reporting.content import Part, Sentence, Table
from simgan.engine.reporting.parts.generic import words
from simgan.engine.reporting.parts.kind import PartKind
from simgan.engine.reporting.scale import number

CASES = {"refine": "refining", "step": "a training step"}
MACHINE = ("date", "gpu", "cpu", "threads", "precision", "torch", "commit", "command")


def fill(part: Part, values: dict[str, Any]) -> None:
    """The few numbers of the summary, every timed row, and the machine."""
    summary, header = values["summary"], values["header"]
    for case, spoken in CASES.items():
        ratio, best = summary[f"{case}_vs_best_torch"], summary[f"{case}_best_torch"]
        if ratio is not None:
            text = (
                f"Bench: {spoken} is {number(ratio, 3)} times as fast as in the fastest plain "
                f"PyTorch ({best}) on {_device(header)}."
            )
            part.sentences.append(Sentence("fact", text))
    if summary["gates"] != "green":
        text = f"Bench: not everything was correct: {', '.join(summary['gates'])}."
        part.sentences.append(Sentence("bad", text))
    timed = [row for row in values["cases"] if row.get("seconds")]
    rows = [
        (
            " ".join(filter(None, (row["case"], row.get("mode"), row["variant"]))),
            number(row["seconds"]["median"] * 1000, 3),
            number(row.get("images_per_s"), 3) if row.get("images_per_s") else "-",
            row["gate"] or "-",
        )
        for row in timed
    ]
    part.tables.append(
        Table("Every measurement", ("case", "median, ms", "images/s", "gate"), rows, folded=True)
    )
    machine = [(words(key), str(header[key])) for key in MACHINE if header.get(key) is not None]
    part.tables.append(Table("Measured on", ("", ""), machine, folded=True))


def _device(header: dict[str, Any]) -> str:
    gpu = header.get("gpu")
    name = gpu.get("name") if isinstance(gpu, dict) else gpu
    return str(name or header["cpu"])


KIND = PartKind(
    title="Bench",
    anchor="bench",
    folders=(),
    files=(),
    absent="No bench was given: the speed below is that of this run alone.",
    fill=fill,
    figures="",
)
