"""The visual Turing test in a real browser: forty images by keys and clicks, undo, reload."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest
from tiny_turing import tiny_sets

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = os.environ.get("SIMGAN_CHROMIUM") or shutil.which("chromium")
PROGRAM = Path(sys.executable).with_name("simgan-engine")
IMAGES = 40

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (SIMGAN_CHROMIUM names one)"),
]


@pytest.fixture
def link(tmp_path: Path) -> Iterator[str]:
    """The link of a running test of forty images."""
    sets = tiny_sets(tmp_path / "data", 24)
    words = [str(PROGRAM), "turing", "--no-browser", "--images", str(IMAGES), "--practice", "0"]
    words += ["--refined", sets["refined"], "--real", sets["real"], "--out", str(tmp_path / "test")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        try:
            assert server.stdout is not None
            found = None
            for line in server.stdout:
                found = re.search(r"http://127\.0\.0\.1:\d+/#k=\S+", line)
                if found:
                    break
            assert found, "the command printed no link"
            yield found.group()
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 130


@pytest.fixture
def page() -> Iterator[Any]:
    """A page that remembers what it asked for and complained of."""
    with sync_api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: page.complaints.append(said.text) if said.type == "error" else None,
        )
        yield page
        browser.close()


def count_is(page: Any, text: str) -> None:
    sync_api.expect(page.locator("#count")).to_have_text(text)
    sync_api.expect(page.locator("body")).to_have_attribute("aria-busy", "false")


def test_forty_images_by_keys_and_clicks(link: str, page: Any, tmp_path: Path) -> None:
    page.goto(link)
    page.fill("#name", "Ann")
    page.click("#join button")
    page.click("#go")
    for number in range(IMAGES):
        count_is(page, f"{number + 1} of {IMAGES}")
        if number == 5:
            page.keyboard.press("Backspace")
            count_is(page, f"5 of {IMAGES}")
            page.keyboard.press("f")
            count_is(page, f"6 of {IMAGES}")
        if number == 20:
            page.reload()
            page.click("#go")
            count_is(page, f"21 of {IMAGES}")
        if number % 4 == 3:
            page.click("#synthetic")
        else:
            page.keyboard.press("j" if number % 4 == 1 else "ArrowLeft")
    source = page.content()
    assert not re.search("forged|genuine|secretly", source), "the page tells what is true"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#finish")
    page.wait_for_selector("#result:not([hidden])")

    report = json.loads((tmp_path / "test" / "results.json").read_text())
    own = report["parts"][0]["pooled"]
    expected = binomtest(own["right"], IMAGES)
    low, high = expected.proportion_ci(0.95, "exact")
    assert own["answers"] == IMAGES
    assert own["p"] == pytest.approx(expected.pvalue)
    assert own["interval"] == pytest.approx([low, high])
    assert f"{own['right']} of {IMAGES} right" in page.inner_text("#result-title")
    assert re.search(rf"{expected.pvalue:.3f}", page.inner_text("#own"))

    origin = link.partition("/#")[0]
    assert page.asked and all(url.startswith((origin, f"blob:{origin}")) for url in page.asked)
    assert not page.complaints
    # Without the key nobody gets anything.
    stranger = page.context.browser.new_page()
    stranger.goto(f"{origin}/")
    stranger.wait_for_selector("#problem:not([hidden])")
