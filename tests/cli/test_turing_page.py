"""The page of the visual Turing test as a server: who gets an answer, and what it tells."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_turing import settings_for

from simgan.engine.evaluation.turing.config import turing_config
from simgan.engine.evaluation.turing.experiment import experiment
from simgan.engine.observer import SilentObserver

testclient = pytest.importorskip("starlette.testclient", reason="needs starlette and httpx")
api = pytest.importorskip("simgan.cli.web.api", reason="needs simgan-engine[web]")

PORT, KEY = 4321, "the-key"
OWN = {"host": f"127.0.0.1:{PORT}", "x-turing-key": KEY}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    config = turing_config(settings_for(tmp_path, practice=0))
    with experiment(config, observer=SilentObserver()) as test:
        app = api.application(test, port=PORT, key=KEY)
        yield testclient.TestClient(app, base_url=f"http://127.0.0.1:{PORT}")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": f"evil.example:{PORT}"}, 400),
        ({"x-turing-key": "another"}, 403),
        ({"x-turing-key": ""}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_only_the_own_page_with_the_key_gets_an_answer(
    client: Any, headers: dict[str, str], status: int
) -> None:
    assert client.get("/api/test", headers={**OWN, **headers}).status_code == status


def test_bodies_are_small_and_json(client: Any) -> None:
    large = {"name": "A" * 20_000}
    assert client.post("/api/rater", json=large, headers=OWN).status_code == 413
    text = {**OWN, "content-type": "text/plain"}
    assert client.post("/api/rater", content='{"name": "A"}', headers=text).status_code == 415


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/%2e%2e/page.css", "/api/image/0"])
def test_nothing_else_is_served(client: Any, path: str) -> None:
    assert client.get(path, headers=OWN).status_code in (401, 404)


def test_a_rater_judges_undoes_and_is_told_the_truth_at_the_end_only(client: Any) -> None:
    joined = client.post("/api/rater", json={"name": "Ann"}, headers=OWN).json()
    me = {**OWN, "x-turing-rater": joined["session"]}
    state, told, sizes = joined["state"], client.get("/", headers=OWN).text, set()
    assert client.get("/api/result", headers=me).status_code == 409
    while not state["judged"]:
        image = client.get(f"/api/image/{state['image']}", headers=me)
        assert image.content.startswith(b"\x89PNG") and b"tEXt" not in image.content
        sizes.add(image.content[16:24])
        told += str(sorted(set(image.headers) - {"content-length"})) + str(state)
        said = {"image": state["image"], "answer": "real", "seconds": 1.0}
        state = client.post("/api/answer", json=said, headers=me).json()["state"]
        again = client.post("/api/answer", json=said, headers=me)
        assert again.status_code == 409, "an image is judged once"
    state = client.post("/api/undo", headers=me, json={}).json()["state"]
    assert state["done"] == 7
    said = {"image": state["image"], "answer": "synthetic", "seconds": 1.0}
    client.post("/api/answer", json=said, headers=me)
    assert len(sizes) == 1, "all images have one size"
    assert not any(word in told for word in ("forged", "genuine", "secretly"))
    client.post("/api/finish", headers=me, json={})
    result = client.get("/api/result", headers=me).json()
    assert result["over"] and result["own"][0]["answers"] == 8
    assert len(result["images"]) == 8
