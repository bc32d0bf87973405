"""A running page of the visual Turing test, and requests to it as they go over the wire."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from simgan.cli.web.server import Server
from simgan.engine.evaluation.turing.experiment import Experiment


@dataclass
class Reply:
    """What came back: status, header lines in their order, and the body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name]
        return found[0] if found else None


@dataclass
class Client:
    """Requests as the page makes them; any header can be replaced, or left out with None.

    Attributes:
        heard: every reply so far, with its method and path.
    """

    port: int
    key: str
    session: str = ""
    heard: list[tuple[str, str, Reply]] = field(default_factory=list)

    def send(
        self, method: str, path: str, body: bytes = b"", **replaced: str | list[str] | None
    ) -> Reply:
        headers: dict[str, str | list[str] | None] = {
            "Host": f"127.0.0.1:{self.port}",
            "X-Turing-Key": self.key,
            "X-Turing-Rater": self.session,
        }
        if method == "POST":
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        headers |= {name.replace("_", "-").title(): value for name, value in replaced.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                for one in value if isinstance(value, list) else [value]:
                    if one is not None:
                        connection.putheader(name, one)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            reply = Reply(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()
        self.heard.append((method, path, reply))
        return reply

    def get(self, path: str, **headers: str | list[str] | None) -> Reply:
        return self.send("GET", path, **headers)

    def post(self, path: str, value: Any = None, **headers: str | list[str] | None) -> Reply:
        return self.send("POST", path, json.dumps(value or {}).encode(), **headers)

    def join(self, name: str) -> dict[str, Any]:
        """Begin or go on as a rater; the state."""
        reply = self.post("/api/rater", {"name": name})
        assert reply.status == 200, reply.body
        self.session = reply.json["session"]
        state: dict[str, Any] = reply.json["state"]
        return state

    def state(self) -> dict[str, Any]:
        value: dict[str, Any] = self.get("/api/state").json
        return value

    def answer(self, said: str, image: str | None = None) -> Reply:
        """Judge the image that is shown."""
        shown = image or self.state()["image"]
        return self.post("/api/answer", {"image": shown, "answer": said, "seconds": 1.25})

    def play(self, name: str, said: str = "real") -> None:
        """Look at every image and say the same of it; not finished yet."""
        state = self.join(name)
        while not state["judged"]:
            assert self.get(f"/api/image/{state['image']}").status == 200
            state = self.answer(said, state["image"]).json["state"]


@contextmanager
def served(test: Experiment) -> Iterator[Client]:
    """A server of the test on a thread, and a client that has its key."""
    server = Server(test)
    thread = threading.Thread(target=server.uvicorn.run, kwargs={"sockets": [server.socket]})
    thread.start()
    try:
        yield Client(server.port, server.key)
    finally:
        server.uvicorn.should_exit = True
        thread.join(20)
        server.socket.close()
    assert not thread.is_alive()
