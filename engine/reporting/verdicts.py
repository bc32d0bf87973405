"""The top of the page: what a run came to, in sentences that its data alone decide."""

from collections.abc import Sequence
from pathlib import Path

from simgan.engine.config import TrainConfig
from simgan.engine.reporting.content import Kind, Part, Sentence
from simgan.engine.reporting.distributions import Statistic
from simgan.engine.reporting.facts import RunFacts
from simgan.engine.reporting.pictures import Pictures
from simgan.engine.reporting.scale import number

RANK = {"evaluation": 0, "label-check": 1}  # told first and in full, their absence too
MUCH = 0.1  # relative change of a distance below which it counts as unchanged
GRAY_LEVELS = 127.5  # of 255, for 1 in [-1, 1]


def headline(
    facts: RunFacts,
    pictures: Pictures,
    statistics: Sequence[Statistic],
    parts: Sequence[Part],
) -> list[Sentence]:
    """What was trained on what, whether it helped, and what is not known."""
    found = [_trained(facts, pictures)]
    for part in sorted(parts, key=lambda part: RANK.get(part.anchor, len(RANK))):
        if part.given or part.anchor in RANK:
            found += part.sentences if part.anchor in RANK else part.sentences[:1]
    found += _resemblance(pictures, statistics)
    found += _balance(facts)
    found.append(_troubles(facts))
    return found


def set_name(location: str | None) -> str:
    """The end of a path, which people know a set by."""
    if location is None or location.startswith("procedural:"):
        return "built-in procedural eyes"
    return Path(location).name or location


def _trained(facts: RunFacts, pictures: Pictures) -> Sentence:
    config = facts.config
    sets = f"{_set(config, pictures, 'synthetic')} and {_set(config, pictures, 'real')}"
    shape = ""
    if facts.image is not None:
        channels, height, width = facts.image
        shape = f" of {height}x{width} pixels, {'gray' if channels == 1 else 'color'}"
    if facts.checkpoint is None:
        return Sentence("open", f"The run has no usable checkpoint; it was to train on {sets}.")
    if facts.step >= config.steps:
        text = f"A refiner was trained for {facts.step:,} steps on {sets}{shape}."
        return Sentence("fact", text)
    which = "best" if facts.which == "best" else "newest"
    text = (
        f"The {which} checkpoint has {facts.step:,} of {config.steps:,} planned steps, on "
        f"{sets}{shape}."
    )
    return Sentence("fact" if facts.which == "best" else "open", text)


def _set(config: TrainConfig, pictures: Pictures, kind: str) -> str:
    sample = getattr(pictures, kind)
    count = f"{sample.total:,} " if sample is not None else ""
    return f"{count}{kind} images ({set_name(getattr(config, kind))})"


def _resemblance(pictures: Pictures, statistics: Sequence[Statistic]) -> list[Sentence]:
    """Whether refined pixels are distributed more like real ones than synthetic pixels are."""
    if pictures.synthetic is None or pictures.real is None or pictures.refined is None:
        return []
    changes, told = [], []
    for statistic in statistics:
        before, after = statistic.distance("synthetic"), statistic.distance("refined")
        assert before is not None and after is not None
        change = (after - before) / before if before else 0.0
        word = "nearer" if change < -MUCH else "further away" if change > MUCH else "about as far"
        changes.append(word)
        told.append(
            f"{word} in {statistic.title.lower()} ({after:.1f} % of the range instead of "
            f"{before:.1f} %)"
        )
    kind: Kind = "open"
    if "further away" not in changes and "nearer" in changes:
        kind = "good"
    elif "nearer" not in changes and "further away" in changes:
        kind = "bad"
    sizes = f"{len(pictures.synthetic.images):,} and {len(pictures.real.images):,}"
    text = (
        f"Compared with synthetic images, refined ones are {' and '.join(told)}: distances "
        f"to the real images, from samples of {sizes} images."
    )
    return [Sentence(kind, text)]


def _balance(facts: RunFacts) -> list[Sentence]:
    last, found = facts.last, []
    real, refined = last.get("d_accuracy_real"), last.get("d_accuracy_refined")
    if isinstance(real, float) and isinstance(refined, float):
        text = (
            f"At the end the discriminator is right about {real:.0%} of the patches of real and "
            f"{refined:.0%} of refined images; guessing would be 50% of each."
        )
        found.append(Sentence("fact", text))
    change = last.get("mean_abs_change")
    if isinstance(change, float):
        levels = number(change * GRAY_LEVELS, 2)
        text = f"Refinement changes a pixel by {levels} of 255 gray levels on average."
        found.append(Sentence("fact", text))
    return found


def _troubles(facts: RunFacts) -> Sentence:
    troubles = []
    if facts.rollbacks:
        troubles.append(f"{_count(len(facts.rollbacks), 'rollback')} after non-finite values")
    if facts.warnings:
        troubles.append(_count(len(facts.warnings), "health warning"))
    if facts.problems:
        troubles.append(f"{_count(len(facts.problems), 'image')} left out")
    if troubles:
        return Sentence("bad", f"In training: {', '.join(troubles)}; see the warnings below.")
    if not facts.rows:
        return Sentence("open", "No metrics were written yet.")
    return Sentence("good", "In training: no rollback, no health warning, no image left out.")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
