"""Names and texts of others are shown as they are and never become markup."""

import json

import pytest
from html_page import Page
from tiny import tiny_config
from tiny_report import hostile_folder, page_of
from tiny_results import results

from simgan.engine.reporting.parts import KINDS
from simgan.engine.trainer import train

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>'\"&amp;.png"
ODD = "\u202e{{ 7*7 }}{% raw %}\x1b[31m.png"
UNDECODABLE = "caf\udce9.png"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("hostile")
    names = [IMAGE, ODD, UNDECODABLE, *(f"{i}.png" for i in range(6))]
    synthetic = hostile_folder(folder / "<b onclick=x>synthetic", names)
    (folder / "<b onclick=x>synthetic" / "broken<i>.png").write_bytes(b"no image")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMGAN_CACHE", str(folder / "cache"))
        out = str(folder / "run <u>&'\"")
        changes = {"synthetic": synthetic, "out": out, "data": {"max_bad": 0.5}}
        run = train(tiny_config(folder, **changes)).run
        (run / "command.txt").write_text(f"train {SCRIPT}\0\x08 end")
        for kind in KINDS:
            if kind.anchor in results():
                (run / kind.anchor).mkdir()
                values = results(SCRIPT)[kind.anchor] | {SCRIPT: {SCRIPT: 1.0}}
                (run / kind.anchor / kind.files[0]).write_text(json.dumps(values))
        (run / "turing" / "<img src=x>.png").write_bytes(b"no png")
        return page_of(run)


def test_no_text_becomes_an_element(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "b", "i", "u"}
    assert all("onerror" not in a and "onclick" not in a for _, a in page.elements)
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.of("img"))


def test_texts_are_shown_as_they_are(page: Page) -> None:
    for text in (SCRIPT, IMAGE, "{{ 7*7 }}{% raw %}"):
        assert text in page.text, text
    for section in results():
        assert SCRIPT in page.words(section)
    assert "broken<i>.png" in page.words("data")
    assert "<img src=x>.png cannot be shown" in page.words("turing")
    assert f"train {SCRIPT}\ufffd\ufffd end" in page.words("reproduction")
    assert "run <u>&'\"" in page.words()


def test_the_page_is_valid_text(page: Page) -> None:
    assert "\x1b" not in page.text and "\0" not in page.text
    page.text.encode("utf-8")
