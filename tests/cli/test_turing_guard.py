"""Who gets an answer from the page of the visual Turing test, and who does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_turing import settings_for
from turing_page import Client, served

from simgan.cli.web.guard import LARGEST_BODY
from simgan.engine.evaluation.turing.answers import ANSWERS_FILE
from simgan.engine.evaluation.turing.experiment import experiment

GETS = ("/api/test", "/api/state", "/api/image/x", "/api/result", "/api/answers.csv")
POSTS = ("/api/rater", "/api/answer", "/api/undo", "/api/finish")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guard")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    """A page on which Ann has begun."""
    with experiment(settings_for(folder)) as test, served(test) as client:
        client.join("Ann")
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:{port}"}, 200),
        ({"origin": "http://127.0.0.1:{port}", "sec_fetch_site": "same-origin"}, 200),
        ({"host": "evil.example:{port}"}, 400),
        ({"host": "127.0.0.1.evil.example:{port}"}, 400),
        ({"host": "127.0.0.1"}, 400),
        ({"host": "127.0.0.1:1"}, 400),
        ({"host": "[::1]:{port}"}, 400),
        ({"host": None}, 400),
        ({"host": ["127.0.0.1:{port}", "evil.example"]}, 400),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://127.0.0.1:{port}"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://localhost:{port}"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"x_turing_key": None}, 403),
        ({"x_turing_key": ""}, 403),
        ({"x_turing_key": "{key}x"}, 403),
        ({"x_turing_key": ["{key}", "{key}"]}, 403),
    ],
    ids=str,
)
def test_only_this_machines_own_page_gets_in(
    client: Client, headers: dict[str, Any], status: int
) -> None:
    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(one) for one in value]
        return value and value.replace("{port}", str(client.port)).replace("{key}", client.key)

    replaced = {name: filled(value) for name, value in headers.items()}
    assert client.get("/api/state", **replaced).status == status
    if not isinstance(replaced.get("host", ""), str):
        return  # refused by uvicorn itself, which resets a connection whose body it has not read
    assert client.post("/api/rater", {"name": "Ann"}, **replaced).status == status


def test_every_path_below_api_asks_for_the_key(client: Client) -> None:
    for path in GETS:
        assert client.get(path, x_turing_key=None).status == 403, path
    for path in POSTS:
        assert client.post(path, x_turing_key="wrong").status == 403, path


def test_acts_are_posts_of_json(client: Client) -> None:
    for path in POSTS:
        assert client.get(path).status == 405, path
        assert client.send("PUT", path, b"{}", content_length="2").status == 405, path
        for kind in (None, "text/plain", "application/x-www-form-urlencoded"):
            assert client.post(path, content_type=kind).status == 415, (path, kind)
    reply = client.send("OPTIONS", "/api/answer", origin=f"http://127.0.0.1:{client.port}")
    assert reply.status == 405
    assert not any("access-control" in name.lower() for name, _ in reply.headers)


@pytest.mark.parametrize(
    "path",
    [
        *("/../test.json", "/..%2ftest.json", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"),
        *(
            "/page/",
            "/page.css/",
            "/index.html/..",
            "/answers.jsonl",
            "/images.npz",
            "/.git/config",
        ),
        *("/api/image/", "/api/image/0", "/api/image/..%2f..%2ftest.json", "/api/image/%00"),
        "/api/",
    ],
)
def test_nothing_but_the_page_can_be_reached(client: Client, path: str) -> None:
    reply = client.get(path)
    assert reply.status == 404, reply.body
    assert len(reply.body) < 100


def test_a_large_body_is_refused_however_it_is_sent(client: Client) -> None:
    large = b'{"name": "' + b"x" * LARGEST_BODY + b'"}'
    assert client.send("POST", "/api/rater", large).status == 413
    pieces = b"".join(b"1000\r\n" + b" " * 4096 + b"\r\n" for _ in range(5)) + b"0\r\n\r\n"
    reply = client.send(
        "POST", "/api/rater", pieces, content_length=None, transfer_encoding="chunked"
    )
    assert reply.status == 413


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 10_000, b"NaN"])
def test_what_is_no_object_is_refused(client: Client, body: bytes) -> None:
    reply = client.send("POST", "/api/answer", body)
    assert (reply.status, reply.json) == (400, {"error": "a JSON object is expected"})


@pytest.mark.parametrize(
    ("path", "value", "status"),
    [
        ("/api/rater", {}, 400),
        ("/api/rater", {"name": 7}, 400),
        ("/api/rater", {"name": "x" * 41}, 409),
        ("/api/rater", {"name": "\ud800"}, 409),
        ("/api/answer", {"image": "x"}, 409),
        ("/api/answer", {"image": ["x"], "answer": "real"}, 400),
    ],
)
def test_what_our_page_would_not_send_is_refused(
    client: Client, path: str, value: Any, status: int
) -> None:
    reply = client.post(path, value)
    assert reply.status == status
    assert list(reply.json) == ["error"]


def test_another_session_is_told_to_join(client: Client) -> None:
    for path in ("/api/state", "/api/result", "/api/answers.csv", "/api/results.json"):
        assert client.get(path, x_turing_rater="x" * 22).status == 401, path
    assert client.post("/api/undo", x_turing_rater=None).status == 401


def test_every_reply_forbids_what_it_can(client: Client) -> None:
    for path in ("/", "/page.js", "/api/state", "/nothing"):
        for headers in ({}, {"host": "evil.example"}):
            reply = client.get(path, **headers)
            policy = reply.header("content-security-policy") or ""
            assert policy.startswith("default-src 'self'; ")
            assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
            assert reply.header("cache-control") == "no-store"
            assert reply.header("x-content-type-options") == "nosniff"
            assert reply.header("referrer-policy") == "no-referrer"
            for name in ("server", "date", "etag", "last-modified", "set-cookie"):
                assert reply.header(name) is None, name


def test_the_page_names_no_other_place(client: Client) -> None:
    for path in ("/", "/page.css", "/page.js", "/result.js", "/server.js", "/icon.svg"):
        reply = client.get(path, x_turing_key=None)
        assert reply.status == 200, path
        text = reply.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text and "url(" not in text, path
        assert client.key not in text


def test_nothing_of_this_was_written_down(client: Client, folder: Path) -> None:
    """Runs last: of all the requests above only Ann's first one was an act."""
    assert (folder / "test" / ANSWERS_FILE).read_text().count("\n") == 1
