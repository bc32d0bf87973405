"""What the page asks for and sends: images by random names, answers, and the end.

Until all raters have finished, nothing that leaves here depends on the truth about an image of
the test. Handlers run one after the other on one thread, so that two clicks cannot meet.
"""

import importlib.resources
import json
import math
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simgan.cli.web.guard import Guard
from simgan.engine.errors import EngineError
from simgan.engine.evaluation.turing.config import Raters, key_of
from simgan.engine.evaluation.turing.design import PRACTICE, REAL, SYNTHETIC
from simgan.engine.evaluation.turing.experiment import CSV_FILE, REPORT_FILE, Experiment
from simgan.engine.evaluation.turing.panel import Rater, Refused
from simgan.engine.evaluation.turing.pictures import png_of
from simgan.engine.evaluation.turing.report import answers_csv, own_rows, plan, report

RATER_HEADER = "x-turing-rater"
NAME_BYTES = 16
MEDIA = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
Handler = Callable[[Request], Awaitable[Response]]


class Page:
    """The server's memory: who has joined since it started, and the names it gave to images.

    Args:
        experiment: that is going on.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.panel = experiment.panel
        self.sessions: dict[str, Rater] = {}
        # Per rater, so that names cannot be compared either.
        self.names: dict[tuple[str, int], str] = {}
        self.images: dict[str, tuple[str, int]] = {}
        self.files = [png_of(pixels) for pixels in experiment.design.pixels]

    def routes(self) -> list[Route]:
        """Everything that is served."""
        return [
            *_static_files(),
            Route("/api/test", _handled(self.test), methods=["GET"]),
            Route("/api/rater", _handled(self.join), methods=["POST"]),
            Route("/api/state", _handled(self.state), methods=["GET"]),
            Route("/api/image/{name}", _handled(self.image), methods=["GET"]),
            Route("/api/answer", _handled(self.answer), methods=["POST"]),
            Route("/api/undo", _handled(self.undo), methods=["POST"]),
            Route("/api/finish", _handled(self.finish), methods=["POST"]),
            Route("/api/result", _handled(self.result), methods=["GET"]),
            Route(f"/api/{CSV_FILE}", _handled(self.csv), methods=["GET"]),
            Route(f"/api/{REPORT_FILE}", _handled(self.report), methods=["GET"]),
        ]

    async def test(self, request: Request) -> Response:
        """What the start page says."""
        design, allowed = self.panel.design, self.panel.allowed
        height, width = design.pixels.shape[1:3]
        raters = self.panel.raters.values()
        return _json(
            {
                "width": width,
                "height": height,
                "scaling": design.settings["scaling"],
                "practice": len(design.blocks.get(PRACTICE, [])),
                "plan": plan(design, allowed.most),
                "expected": allowed.most,
                "names": _absent(allowed, [rater.name for rater in raters]),
                "raters": [{"name": r.name, "finished": r.finished} for r in raters],
            }
        )

    async def join(self, request: Request) -> Response:
        """A rater begins or goes on."""
        body = await _object(request)
        rater = self.panel.join(_text(body, "name"))
        session = secrets.token_urlsafe(NAME_BYTES)
        self.sessions[session] = rater
        return _json({"session": session, "state": self._state(rater)})

    async def state(self, request: Request) -> Response:
        """Where a rater stands."""
        return _json(self._state(self._rater(request)))

    async def image(self, request: Request) -> Response:
        """One image of those that this rater was told of."""
        rater = self._rater(request)
        owner, number = self.images.get(request.path_params["name"], ("", 0))
        if owner != rater.name:
            return _error(404, "no such image")
        return Response(self.files[number], media_type="image/png")

    async def answer(self, request: Request) -> Response:
        """A judgement; in practice the truth comes back."""
        rater = self._rater(request)
        body = await _object(request)
        owner, number = self.images.get(_text(body, "image"), ("", 0))
        if owner != rater.name:
            raise Refused("This image is not part of the test.")
        practice = rater.block == PRACTICE
        right = self.panel.answer(rater, number, _text(body, "answer"), _seconds(body))
        reply = {"state": self._state(rater)}
        if practice:
            truth = REAL if self.panel.design.is_real(number) else SYNTHETIC
            reply["feedback"] = {"right": right, "truth": truth}
        return _json(reply)

    async def undo(self, request: Request) -> Response:
        """The last answer is taken back."""
        rater = self._rater(request)
        self.panel.undo(rater)
        return _json({"state": self._state(rater)})

    async def finish(self, request: Request) -> Response:
        """The rater is done; results go to the folder."""
        rater = self._rater(request)
        self.panel.finish(rater)
        self.experiment.write_results()
        return _json({"state": self._state(rater)})

    async def result(self, request: Request) -> Response:
        """The rater's own numbers; when all have finished, everything."""
        rater = self._rater(request)
        if not rater.finished:
            return _error(409, "the result is shown at the end")
        reply: dict[str, Any] = {
            "over": self.panel.over,
            "waiting": self.panel.allowed.most - sum(r.finished for r in self._raters()),
            "own": own_rows(self.panel, rater),
            "plan": plan(self.panel.design, max(1, len(self.panel.raters))),
        }
        if self.panel.over:
            found = report(self.panel)
            for row in found["images"]:
                row["picture"] = self._name(rater, row.pop("image"))
            reply |= {"parts": found["parts"], "images": found["images"]}
        return _json(reply)

    async def csv(self, request: Request) -> Response:
        """All answers with the truth."""
        self._over(request)
        return Response(answers_csv(self.panel), media_type="text/csv")

    async def report(self, request: Request) -> Response:
        """The whole result."""
        self._over(request)
        return _json(report(self.panel))

    def _over(self, request: Request) -> None:
        self._rater(request)
        if not self.panel.over:
            raise Refused("The results can be saved when all have finished.")

    def _raters(self) -> list[Rater]:
        return list(self.panel.raters.values())

    def _rater(self, request: Request) -> Rater:
        try:
            return self.sessions[request.headers.get(RATER_HEADER, "")]
        except KeyError:
            raise _Unknown from None

    def _name(self, rater: Rater, image: int) -> str:
        """The random name by which this rater gets an image."""
        if (rater.name, image) not in self.names:
            name = secrets.token_urlsafe(NAME_BYTES)
            self.names[rater.name, image] = name
            self.images[name] = rater.name, image
        return self.names[rater.name, image]

    def _state(self, rater: Rater) -> dict[str, Any]:
        block, parts = rater.block, self.panel.design.parts
        names = [self._name(rater, image) for image in rater.upcoming()]
        return {
            "rater": rater.name,
            "practice": block == PRACTICE,
            "part": parts.index(block) + 1 if block in parts else 0,
            "parts": len(parts),
            "done": len(rater.answers[block]) if block else 0,
            "total": len(rater.order[block]) if block else 0,
            "image": names[0] if names else None,
            "next": names[1] if len(names) > 1 else None,
            "can_undo": rater.last() is not None,
            "judged": block is None,
            "finished": rater.finished,
        }


class _Unknown(Exception):  # noqa: N818 - not a fault: the server was started anew
    """The session is not of this start of the server."""


def application(experiment: Experiment, *, port: int, key: str) -> Guard:
    """The ASGI application of a test.

    Args:
        experiment: that is going on.
        port: that the server listens on.
        key: that the page sends with every request.
    """
    app = Starlette(routes=Page(experiment).routes())
    app.router.redirect_slashes = False
    return Guard(app, port, key)


def _handled(handler: Handler) -> Handler:
    """A handler whose refusals are answers: 409 for an act that cannot be, 507 for a full disk."""

    async def handled(request: Request) -> Response:
        try:
            return await handler(request)
        except _Unknown:
            return _error(401, "please enter your name again")
        except Refused as error:
            return _error(409, str(error))
        except _BadRequestError as error:
            return _error(400, str(error))
        except EngineError as error:
            return _error(507, error.what)

    return handled


def _static_files() -> list[Route]:
    """The page itself; it holds no facts about any test."""
    folder = importlib.resources.files("simgan.cli.web") / "page"
    routes = []
    for file in folder.iterdir():
        kind = MEDIA.get(file.name.rpartition(".")[2])
        if kind is not None:
            place = "/" if file.name == "index.html" else f"/{file.name}"
            routes.append(Route(place, _file(file.read_bytes(), kind), methods=["GET"]))
    return routes


def _file(data: bytes, kind: str) -> Handler:
    async def serve(request: Request) -> Response:
        return Response(data, media_type=kind)

    return serve


def _absent(allowed: Raters, present: list[str]) -> list[str]:
    """Names on the list that have not begun."""
    begun = set(map(key_of, present))
    return [name for name in allowed.names if key_of(name) not in begun]


class _BadRequestError(ValueError):
    """A request that our page would not send."""


async def _object(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _BadRequestError("a JSON object is expected")
    return value


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise _BadRequestError(f"{key} must be text")
    return value


def _seconds(body: dict[str, Any]) -> float | None:
    value = body.get("seconds")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _json(value: Any, status: int = 200) -> Response:
    text = json.dumps(value, allow_nan=False)
    return Response(text, status_code=status, media_type="application/json")


def _error(status: int, sentence: str) -> Response:
    return _json({"error": sentence}, status)
