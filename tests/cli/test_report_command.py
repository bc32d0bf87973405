"""The words of `simgan-engine report`, its exit codes, and an installed wheel's templates."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from tiny import tiny_config

from simgan.cli import main
from simgan.cli.report import command
from simgan.engine.reporting.parts import KINDS
from simgan.engine.trainer import train

ROOT = Path(__file__).parents[2]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


@pytest.fixture
def run(in_tmp: Path) -> Path:
    config = tiny_config(in_tmp, steps=2, sample_every=2)
    return train(config).run


def test_a_page_lies_in_the_run_or_where_it_is_wanted(run: Path) -> None:
    result = invoke(str(run))
    assert result.stdout.startswith(f"{run / 'report.html'} (")
    found = json.loads(invoke(str(run), "--output", "page.html", "--json").stdout)
    page = Path("page.html")
    assert found == {"report": "page.html", "bytes": page.stat().st_size}
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert invoke(str(run), "-q").stdout == ""


def test_what_is_missing_is_warned_of(run: Path) -> None:
    (run.parent / "data/real.npz").unlink()
    assert "Warning: the real images cannot be shown" in invoke(str(run)).stderr


def test_open_shows_the_page_in_a_browser(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def launch(url: str) -> int:
        opened.append(url)
        return len(opened) - 1

    monkeypatch.setattr(click, "launch", launch)
    assert "no browser" not in invoke(str(run), "--open").stderr
    assert opened == [(run / "report.html").resolve().as_uri()]
    assert "no browser was found" in invoke(str(run), "--open").stderr


def test_every_result_has_an_option() -> None:
    names = {param.name for param in command.params}
    elsewhere = [kind for kind in KINDS if kind.folders != (".",)]  # the others are the run's own
    assert {kind.anchor.replace("-", "_") for kind in elsewhere} <= names


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "Missing argument 'RUN'"),
        (["nowhere"], 4, "Error: nowhere does not exist"),
        (["data"], 4, "Error: data is not a run folder"),
        (["run", "--turing", "none"], 3, "Error: turing: none does not exist"),
        (["run", "--bench", "data"], 3, "Error: bench: data is no file"),
        (["run", "--output", "data"], 3, "Error: output: data is a folder"),
        (["run", "--output", "none/page.html"], 7, "Error: cannot write none/page.html"),
    ],
    ids=["nothing", "nowhere", "no-run", "no-part", "no-bench", "folder", "no-folder"],
)
def test_faults_of_a_user_are_sentences(
    arguments: list[str],
    code: int,
    sentence: str,
    run: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as info:
        main.run(["report", *arguments])
    captured = capsys.readouterr()
    assert info.value.code == code
    assert sentence in captured.err and "Traceback" not in captured.err


def test_an_installed_package_has_the_templates(tmp_path: Path) -> None:
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    folder = Path("engine/reporting/templates")
    wanted = sorted(path.name for path in (ROOT / folder).iterdir())
    assert "page.html" in wanted
    assert sorted(path.name for path in (tmp_path / "simgan" / folder).iterdir()) == wanted
