"""The course of a visual Turing test over HTTP, and that nothing tells the truth before its end."""

import io
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_turing import play, settings_for, tiny_design
from turing_page import Client, Reply, served

from simgan.engine.evaluation.turing.answers import ANSWERS_FILE, AnswerLog
from simgan.engine.evaluation.turing.config import Raters
from simgan.engine.evaluation.turing.design import Design, Picture
from simgan.engine.evaluation.turing.experiment import Experiment, experiment
from simgan.engine.evaluation.turing.panel import Panel
from simgan.engine.evaluation.turing.pictures import png_of

ID = re.compile(rb"[A-Za-z0-9_-]{22}")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with experiment(settings_for(tmp_path, raters="2")) as test, served(test) as client:
        yield client


def chunks(png: bytes) -> list[tuple[bytes, int]]:
    """Type and length of each chunk of a PNG file."""
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        found.append((png[at + 4 : at + 8], length))
        at += 12 + length
    return found


def test_a_test_from_the_first_image_to_the_result(client: Client) -> None:
    state = client.join("Ann")
    assert (state["practice"], state["part"], state["parts"], state["total"]) == (True, 0, 1, 2)
    for _ in range(2):
        reply = client.answer("real").json
        assert reply["feedback"]["right"] == (reply["feedback"]["truth"] == "real")
    state = reply["state"]
    assert (state["practice"], state["part"], state["done"], state["total"]) == (False, 1, 0, 8)
    seen = []
    while not state["judged"]:
        seen.append(state["image"])
        reply = client.answer("real", state["image"]).json
        assert list(reply) == ["state"], "no feedback in the test"
        state = reply["state"]
    assert len(set(seen)) == 8
    assert client.get("/api/result").status == 409
    assert client.post("/api/finish").json["state"]["finished"]
    (own,) = client.get("/api/result").json["own"]
    assert (own["right"], own["answers"]) == (4, 8), "half of the images are real"
    assert own["confusion"] == {
        "real": {"real": 4, "synthetic": 0},
        "refined": {"real": 4, "synthetic": 0},
    }


def test_a_second_click_counts_nothing(client: Client) -> None:
    image = client.join("Ann")["image"]
    assert client.answer("real", image).status == 200
    again = client.answer("synthetic", image)
    assert (again.status, again.json["error"]) == (409, "This image has been judged already.")
    assert client.state()["done"] == 1


def test_undo_shows_the_image_again_and_ends_with_the_result(client: Client) -> None:
    client.play("Ann")
    while client.state()["can_undo"]:
        before = client.state()
        state = client.post("/api/undo").json["state"]
        assert state["done"] == (before["done"] - 1 if before["total"] else 7)
    assert (state["part"], state["done"]) == (1, 0)
    assert client.post("/api/undo").status == 409
    client.play("Ann")
    client.post("/api/finish")
    assert client.post("/api/undo").status == 409
    assert client.post("/api/finish").status == 200, "a second click does no harm"


def test_two_raters_have_their_own_orders_places_and_names_of_images(client: Client) -> None:
    client.join("Ann")
    ann = client.session
    client.answer("real")
    first = client.state()
    bob_state = client.join("Bob")
    assert bob_state["done"] == 0
    assert bob_state["image"] not in (first["image"], first["next"])
    assert client.get(f"/api/image/{first['image']}").status == 404, "an image of Ann's"
    assert client.answer("real", first["image"]).status == 409
    assert client.get("/api/state", x_turing_rater=ann).json == first
    assert client.post("/api/rater", {"name": "Cid"}).status == 409


def test_the_truth_waits_for_all_raters(client: Client) -> None:
    client.play("Ann")
    client.post("/api/finish")
    ann = client.session
    early = client.get("/api/result").json
    assert (early["over"], early["waiting"]) == (False, 1)
    assert not {"parts", "images"} & set(early)
    for path in ("/api/answers.csv", "/api/results.json"):
        assert client.get(path).status == 409, path
    client.play("Bob", "synthetic")
    client.post("/api/finish")
    for session in (ann, client.session):
        late = client.get("/api/result", x_turing_rater=session).json
        assert late["over"] and len(late["images"]) == 8
        picture = late["images"][0]["picture"]
        assert client.get(f"/api/image/{picture}", x_turing_rater=session).status == 200
    assert client.get("/api/answers.csv").body.count(b"\n") == 1 + 16
    saved = client.get("/api/results.json").json
    assert saved["parts"][0]["pooled"]["answers"] == 16 and saved["finished"] == 2


def test_results_lie_in_the_folder(client: Client, tmp_path: Path) -> None:
    client.play("Ann")
    assert not (tmp_path / "test" / "results.json").exists()
    client.post("/api/finish")
    saved = json.loads((tmp_path / "test" / "results.json").read_text())
    assert saved["parts"][0]["raters"][0]["right"] == 4
    assert (tmp_path / "test" / "answers.csv").read_text().count("\n") == 9


def test_a_new_start_of_the_server_goes_on_with_new_names(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with experiment(settings) as test, served(test) as client:
        client.join("Ann")
        for _ in range(4):
            client.answer("real")
        before, key, session = client.state(), client.key, client.session
    with experiment(settings) as test, served(test) as client:
        assert client.key != key
        assert client.get("/api/state", x_turing_key=key).status == 403
        assert client.get("/api/state", x_turing_rater=session).status == 401
        state = client.join("ann")
        names = ("image", "next")
        assert {k: v for k, v in state.items() if k not in names} == {
            k: v for k, v in before.items() if k not in names
        }
        assert state["image"] != before["image"]


def test_a_full_disk_is_said_and_the_answer_can_be_given_again(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = client.join("Ann")["image"]
    before = (tmp_path / "test" / ANSWERS_FILE).read_bytes()
    monkeypatch.setenv("SIMGAN_FAILPOINT", "turing.answer:enospc")
    monkeypatch.setattr("simgan.engine.failpoints._passed", {})
    reply = client.answer("real", image)
    assert reply.status == 507 and "disk full" in reply.json["error"]
    assert (tmp_path / "test" / ANSWERS_FILE).read_bytes() == before
    assert client.answer("real", image).json["state"]["done"] == 1


def test_files_of_images_differ_in_their_pixels_alone() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (35, 55, 3), np.uint8)
    flat = np.full((35, 55, 3), 9, np.uint8)
    for some in ((noise, flat), (noise[..., :1], flat[..., :1])):
        first, second = map(png_of, some)
        assert chunks(first) == chunks(second)
        assert [kind for kind, _ in chunks(first)] == [b"IHDR", b"IDAT", b"IEND"]
        assert first[:33] == second[:33], "size, depth and mode"
        for pixels, data in zip(some, (first, second), strict=True):
            read = np.asarray(Image.open(io.BytesIO(data)))
            assert (read.reshape(pixels.shape) == pixels).all()


def transcript(design: Design, folder: Path) -> list[tuple[str, str, Reply]]:
    """Everything that a rater hears who says the same of all images, up to the last one."""
    panel = Panel(design, log=AnswerLog(folder / ANSWERS_FILE), raters=Raters(1))
    with served(Experiment(folder, panel)) as client:
        for path in ("/", "/page.js", "/result.js", "/server.js", "/page.css", "/api/test"):
            client.get(path)
        client.play("Ann")
        client.post("/api/undo")
        client.answer("synthetic")
        client.get("/api/result")
        return client.heard


def test_what_is_heard_before_the_end_does_not_depend_on_the_truth(tmp_path: Path) -> None:
    """The same images with the opposite truth: every byte is the same but for random names."""
    design = tiny_design(12, control=4)
    turned = {"real": "refined", "refined": "real"}
    flipped = [
        Picture(turned.get(p.kind, p.kind), f"other-{i}") for i, p in enumerate(design.pictures)
    ]
    opposite = replace(design, pictures=flipped)
    found = []
    for name, one in (("a", design), ("b", opposite)):
        (tmp_path / name).mkdir()
        found.append(transcript(one, tmp_path / name))
    assert len(found[0]) == len(found[1]) > 40
    for (_, path, one), (_, _, other) in zip(*found, strict=True):
        assert (one.status, one.headers) == (other.status, other.headers), path
        plain = path.startswith("/api/image/")
        mask = (lambda body: body) if plain else (lambda body: ID.sub(b"ID", body))
        assert mask(one.body) == mask(other.body), path


def test_nothing_of_files_or_sets_is_heard_before_the_end(client: Client, tmp_path: Path) -> None:
    client.get("/api/test")
    client.play("Ann")
    client.get("/api/result")
    images: list[Reply] = []
    for _, path, reply in client.heard:
        heard = reply.body + str(reply.headers).encode()
        for word in (b"forged", b"genuine", b"secretly", b".png", str(tmp_path).encode()):
            assert word not in heard, path
        if path.startswith("/api/image/"):
            images.append(reply)
    assert len(images) == 10
    assert len({str(reply.headers) for reply in images}) == 1
    assert len({len(reply.body) for reply in images}) == 1
    assert len({str(chunks(reply.body)) for reply in images}) == 1


def test_the_end_of_the_first_rater_says_nothing_about_an_image(tmp_path: Path) -> None:
    """While others go on, the result has counts alone."""
    panel = Panel(tiny_design(), log=AnswerLog(tmp_path / ANSWERS_FILE), raters=Raters(2))
    play(panel, "Ann")
    with served(Experiment(tmp_path, panel)) as client:
        client.join("Ann")
        text = client.get("/api/result").body.decode()
        assert "name-" not in text and "picture" not in text
        client.join("Bob")
        assert client.get("/api/result").status == 409


def test_the_start_page_knows_names_and_power(tmp_path: Path) -> None:
    settings: dict[str, Any] = settings_for(tmp_path, raters="Ann, Bob", images=10, practice=0)
    with experiment(settings) as test, served(test) as client:
        client.join("bob")
        facts = client.get("/api/test").json
    assert facts["names"] == ["Ann"]
    assert facts["raters"] == [{"name": "Bob", "finished": False}]
    assert (facts["width"], facts["height"], facts["scaling"]) == (28, 24, "smooth")
    (plan,) = facts["plan"]
    assert (plan["images"], plan["answers"]) == (10, 20)
    assert 0.5 < plan["pooled"] < plan["alone"] < 1
