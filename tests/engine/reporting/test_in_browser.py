"""The page in a real browser: no request, no complaint, no sideways scrolling."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_report import make
from tiny_results import results

from simgan.engine.reporting import report

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
BROWSER = os.environ.get("SIMGAN_TEST_BROWSER") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="needs chromium on PATH, or its path in SIMGAN_TEST_BROWSER"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = make(tmp_path_factory.mktemp("browser"))
    (run / "label-check").mkdir()
    wide = {f"column {n}": "long" * 30 for n in range(12)}
    values = results("one" * 100)["label-check"] | {"rows": [wide]}
    (run / "label-check/check.json").write_text(json.dumps(values))
    return report(run).resolve().as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_quietly_and_fits(width: int, scheme: str, url: str, browser: Any) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    for fold in page.query_selector_all("details > summary"):
        fold.click()
    assert [r for r in requests if not r.startswith("data:")] == [url]
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    sizes = "Array.from(document.images).map(i => i.complete && i.naturalWidth > 0)"
    assert all(page.evaluate(sizes))
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert (ink == "rgb(27, 31, 36)") == (scheme == "light")
    context.close()


def test_paper_is_light_on_a_dark_screen(url: str, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 700, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.goto(url)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") == 700
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    context.close()


def test_text_of_charts_can_be_read_on_a_phone(url: str, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(url)
    heights = page.evaluate(
        "Array.from(document.querySelectorAll('.chart > svg text'))"
        ".map(text => text.getBoundingClientRect().height)"
    )
    assert len(heights) > 50 and min(heights) >= 11
    outside = page.evaluate(
        "Array.from(document.querySelectorAll('.chart > svg text')).filter(text => {"
        "const box = text.getBoundingClientRect(); return box.left < 0 || box.right > 390})"
        ".map(text => text.textContent)"
    )
    assert outside == []
    context.close()


def test_it_prints_on_paper(url: str, browser: Any, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(url)
    page.pdf(path=str(tmp_path / "page.pdf"), format="A4")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    page.close()
