"""The raters of a test and how far each has come: every act is written down before it counts."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simgan.engine.errors import DataError
from simgan.engine.evaluation.turing.answers import AnswerLog
from simgan.engine.evaluation.turing.config import Raters, key_of, rater_name
from simgan.engine.evaluation.turing.design import PRACTICE, REAL, SYNTHETIC, Design

ANSWERS = (REAL, SYNTHETIC)  # what a rater can say of an image
LONGEST_S = 86_400.0


class Refused(Exception):  # noqa: N818 - a rater's mistake or a second click, not a fault
    """An act that cannot be done now; the message says why, in words for a rater."""


@dataclass(frozen=True)
class Answer:
    """One judgement.

    Attributes:
        image: its number in the design.
        said: real or synthetic.
        seconds: from the image's appearance to the answer, as the page measured it, or None.
        at: when it was given, ISO 8601.
    """

    image: int
    said: str
    seconds: float | None
    at: str


@dataclass
class Rater:
    """One person.

    Attributes:
        name: as first given.
        order: numbers of images by block, in this person's order.
        answers: by block, in that order.
        finished: has seen the end; nothing can be changed any more.
    """

    name: str
    order: dict[str, list[int]]
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    finished: bool = False

    def __post_init__(self) -> None:
        self.answers = {block: [] for block in self.order}

    @property
    def block(self) -> str | None:
        """The block that goes on; None when all images are judged."""
        return next((b for b, o in self.order.items() if len(self.answers[b]) < len(o)), None)

    def upcoming(self, count: int = 2) -> list[int]:
        """The image to judge now, and those after it in the block."""
        if self.block is None:
            return []
        done = len(self.answers[self.block])
        return self.order[self.block][done : done + count]

    def last(self) -> str | None:
        """The block whose last answer can be taken back; feedback makes practice final."""
        given = [b for b in self.order if b != PRACTICE and self.answers[b]]
        return given[-1] if given and not self.finished else None


class Panel:
    """All raters of a test.

    Args:
        design: what they judge.
        acts: the lines of answers.jsonl so far.
        log: where further acts go; without it nothing can be added.
        raters: who may take part.
        seed: of the orders.
    Raises:
        DataError: the lines do not fit the design.
    """

    def __init__(
        self,
        design: Design,
        acts: Iterable[Mapping[str, Any]] = (),
        log: AnswerLog | None = None,
        raters: Raters | None = None,
        seed: int = 0,
    ) -> None:
        self.design = design
        self.log = log
        self.allowed = raters or Raters(1)
        self.seed = seed
        self.raters: dict[str, Rater] = {}
        for number, act in enumerate(acts, 1):
            try:
                self._apply(act)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                raise DataError(
                    f"the answers do not fit the test: line {number} of answers.jsonl ({error!r})"
                ) from error

    @property
    def over(self) -> bool:
        """Whether all who may take part have finished: then the truth can be told."""
        return sum(rater.finished for rater in self.raters.values()) >= self.allowed.most

    def join(self, name: str) -> Rater:
        """The rater of a name, who goes on or begins.

        Raises:
            Refused: the name cannot be used, or nobody else can take part.
        """
        try:
            name = rater_name(name)
        except ValueError:
            raise Refused("Please enter a name of 1 to 40 letters.") from None
        key = key_of(name)
        if key in self.raters:
            return self.raters[key]
        listed = {key_of(name): name for name in self.allowed.names} or {key: name}
        if key not in listed:
            raise Refused("This name is not on the list of the test.")
        if len(self.raters) >= self.allowed.most:
            raise Refused(
                f"The test is for {self.allowed.most} and all have begun. To let more people "
                "take part, start it with a larger --raters."
            )
        generator = np.random.default_rng([self.seed, *key.encode()])
        order = {
            block: generator.permutation(images).tolist()
            for block, images in self.design.blocks.items()
        }
        self._do({"act": "join", "rater": listed[key], "order": order})
        return self.raters[key]

    def answer(self, rater: Rater, image: int, said: str, seconds: float | None = None) -> bool:
        """Judge the image that is shown.

        Returns:
            whether the answer is right; for practice only may a rater be told.
        Raises:
            Refused: another image is shown by now (a second click, or a second window).
        """
        if image not in rater.upcoming(1):
            raise Refused("This image has been judged already.")
        if said not in ANSWERS:
            raise Refused(f"The answer must be one of {', '.join(ANSWERS)}.")
        if seconds is not None and not 0 <= seconds <= LONGEST_S:
            seconds = None
        block = rater.block or ""
        place = {"block": block, "position": len(rater.answers[block])}
        self._do({"act": "answer", "rater": rater.name, **place, "image": image, "answer": said,
                  "seconds": seconds})  # fmt: skip
        return self.is_right(rater.answers[block][-1])

    def undo(self, rater: Rater) -> None:
        """Take the last answer back.

        Raises:
            Refused: there is none, or the rater has finished.
        """
        block = rater.last()
        if block is None:
            raise Refused("There is no answer to take back.")
        place = {"block": block, "position": len(rater.answers[block]) - 1}
        self._do({"act": "undo", "rater": rater.name, **place})

    def finish(self, rater: Rater) -> None:
        """End the test for this rater.

        Raises:
            Refused: images are left.
        """
        if rater.block is not None:
            raise Refused("There are images left to judge.")
        if not rater.finished:
            self._do({"act": "finish", "rater": rater.name})

    def is_right(self, answer: Answer) -> bool:
        """Whether a judgement is true."""
        return self.design.is_real(answer.image) == (answer.said == REAL)

    def _do(self, act: dict[str, Any]) -> None:
        assert self.log is not None
        act["at"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self.log.append(act)
        self._apply(act)

    def _apply(self, act: Mapping[str, Any]) -> None:
        kind, name = act["act"], act["rater"]
        if kind == "join":
            _expect(key_of(name) not in self.raters, "joins twice")
            order = {block: list(images) for block, images in act["order"].items()}
            wanted = self.design.blocks.items()
            _expect([*order] == [*self.design.blocks], "other blocks")
            _expect(all(sorted(order[b]) == sorted(i) for b, i in wanted), "other images")
            self.raters[key_of(name)] = Rater(name, order)
            return
        rater = self.raters[key_of(name)]
        _expect(not rater.finished, "has finished")
        if kind == "answer":
            block, position = act["block"], act["position"]
            _expect(block == rater.block and position == len(rater.answers[block]), "not in order")
            _expect(rater.order[block][position] == act["image"], "another image")
            _expect(act["answer"] in ANSWERS, "unknown answer")
            seconds = None if act["seconds"] is None else float(act["seconds"])
            given = Answer(act["image"], act["answer"], seconds, act["at"])
            rater.answers[block].append(given)
        elif kind == "undo":
            block = act["block"]
            _expect(block == rater.last(), "nothing to take back")
            _expect(act["position"] == len(rater.answers[block]) - 1, "not the last answer")
            rater.answers[block].pop()
        elif kind == "finish":
            _expect(rater.block is None, "images are left")
            rater.finished = True
        else:
            raise ValueError(f"unknown act {kind!r}")


def _expect(true: bool, problem: str) -> None:
    if not true:
        raise ValueError(problem)
