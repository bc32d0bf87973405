"""The words of `simgan-engine turing`, its end by a signal, and what an installation holds."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_turing import play, settings_for, tiny_design, tiny_sets
from turing_page import Client

from simgan.cli import main
from simgan.cli.web.server import Server, listen
from simgan.engine.errors import ConfigError
from simgan.engine.evaluation.turing import design as designs
from simgan.engine.evaluation.turing.answers import ANSWERS_FILE, AnswerLog
from simgan.engine.evaluation.turing.config import Raters, parse_raters, turing_config
from simgan.engine.evaluation.turing.experiment import Experiment
from simgan.engine.evaluation.turing.panel import Panel

PROGRAM = Path(sys.executable).with_name("simgan-engine")
ROOT = Path(__file__).parents[2]


def outcome(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    with pytest.raises(SystemExit) as info:
        main.run(["turing", *arguments])
    captured = capsys.readouterr()
    assert isinstance(info.value.code, int)
    return info.value.code, captured.out, captured.err


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """A running command and a client of its page."""
    program = [str(PROGRAM), "turing", "--no-browser", "--practice", "0", *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        try:
            assert it.stdout is not None and it.stderr is not None
            found = re.match(
                r"open http://127\.0\.0\.1:(\d+)/#k=(\S+)  \(only this", it.stdout.readline()
            )
            assert found, it.stderr.read()
            yield it, Client(int(found[1]), found[2])
        finally:
            it.kill()


def finished_test(folder: Path) -> Panel:
    """A finished test of two raters, saved."""
    folder.mkdir()
    designs.save(tiny_design(20, control=4), folder)
    design = designs.load(folder)
    panel = Panel(design, log=AnswerLog(folder / ANSWERS_FILE), raters=Raters(2))
    play(panel, "Ann [x]", wrong=(0, 1, 2))
    play(panel, "Bob", wrong=(0, 22))
    return panel


def test_a_killed_server_loses_nothing_and_signals_end_it_cleanly(tmp_path: Path) -> None:
    sets = tiny_sets(tmp_path / "data")
    words = ["--refined", sets["refined"], "--real", sets["real"], "--images", "8"]
    words += ["--out", str(tmp_path / "test")]
    with started(*words) as (server, client):
        client.join("Ann")
        for _ in range(3):
            client.answer("real")
        server.send_signal(signal.SIGKILL)
        server.wait(20)
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with started(*words) as (server, client):
            before = client.join("Ann")["done"]
            client.answer("synthetic")
            server.send_signal(number)
            _, said = server.communicate(timeout=20)
            assert server.returncode == code, said
            assert f"stopped; all answers are in {tmp_path / 'test'}\n" in said
            assert f"Results: simgan-engine turing --results {tmp_path / 'test'}" in said
            assert "Traceback" not in said
    assert before == 4
    assert (tmp_path / "test" / ANSWERS_FILE).read_text().count("\n") == 1 + 5


def test_power_is_said_before_the_start(tmp_path: Path) -> None:
    sets = tiny_sets(tmp_path / "data")
    words = ["--refined", sets["refined"], "--real", sets["real"], "--images", "20"]
    words += ["--out", str(tmp_path / "test"), "--raters", "5"]
    with started(*words) as (server, _):
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=20)
    assert (
        "refined against real: with 100 answers of 5 raters an accuracy of 64.5% or more is "
        "detected with 80% power (exact two-sided binomial test, 5%)" in said
    )


def test_results_are_printed_without_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_test(tmp_path / "test")
    code, out, _ = outcome(["--results", str(tmp_path / "test")], capsys)
    assert code == 0
    text = " ".join(out.split())
    for words in (
        "2 of 2 raters have finished",
        "refined against real refined and real images can be told apart: 36 of 40 right, 90.0%",
        "Ann [x] 17 20 85.0%",
        "Bob 19 20 95.0%",
        "all 36 40 90.0%",
        "name-000 refined 0 2",
        "synthetic against real",
        "no sign that synthetic and real images can be told apart: 7 of 8 right",
    ):
        assert words in text, words
    sentences = ("refined and", "no sign", "better than")  # left to the terminal to wrap
    tables = [line for line in out.splitlines() if not line.startswith(sentences)]
    assert max(map(len, tables)) <= 100


def test_results_as_json_are_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_test(tmp_path / "test")
    code, out, _ = outcome(["--results", str(tmp_path / "test"), "--json"], capsys)
    found = json.loads(out)
    assert code == 0
    assert [part["pooled"]["right"] for part in found["parts"]] == [36, 7]
    assert found["images"][0]["image"] == 0


def test_a_test_that_nobody_began_has_no_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    designs.save(tiny_design(), tmp_path)
    assert outcome(["--results", str(tmp_path)], capsys)[1] == "nobody has begun\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--results", "none"], 3, "Error: none holds no visual Turing test"),
        (["--json"], 2, "--json needs --results"),
        ([], 3, "Error: --refined is missing"),
        (["--images", "7"], 3, "Error: images must be even, half of them real, got 7"),
        (["--raters", "0"], 3, "raters must be between 1 and 1000, got 0"),
        (["--raters", "Ann,ann"], 3, "raters: two have one name"),
        (["--raters", "Ann,,Bob"], 3, "raters: a name must have 1 to 40"),
        (["--port", "70000"], 2, "--port"),
        (["--run", "7"], 4, "Error: 7 does not exist"),
        (["--refined", "a", "--real", "b"], 3, "b does not exist\n  real images: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_faults_of_a_user_are_sentences(
    in_tmp: Path,
    arguments: list[str],
    code: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    got, out, err = outcome(arguments, capsys)
    assert (got, out) == (code, ""), err
    assert sentence in err
    assert "Traceback" not in err
    assert not list(in_tmp.iterdir())


def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    settings = settings_for(tmp_path)
    arguments = ["--refined", settings["refined"], "--real", settings["real"]]
    code, _, err = outcome([*arguments, "--out", settings["out"]], capsys)
    assert code == 3
    assert "the page of turing needs the package uvicorn" in err
    assert "install simgan-engine[web]" in err


def test_only_this_machine_is_listened_to(tmp_path: Path) -> None:
    folder = tmp_path / "test"
    panel = finished_test(folder)
    server = Server(Experiment(folder, panel))
    try:
        assert server.socket.getsockname()[0] == "127.0.0.1"
        assert server.link.startswith(f"http://127.0.0.1:{server.port}/#k=")
        assert len(server.key) >= 43
        with pytest.raises(ConfigError, match=f"port {server.port} of this machine cannot be used"):
            listen(server.port)
    finally:
        server.socket.close()


def test_a_free_port_is_another_each_time() -> None:
    taken: list[socket.socket] = [listen(0), listen(0)]
    assert len({one.getsockname()[1] for one in taken}) == 2
    for one in taken:
        one.close()


def test_raters_are_a_number_or_names() -> None:
    assert parse_raters("3") == Raters(3)
    assert parse_raters(" Ann , Bob  Lee") == Raters(2, ("Ann", "Bob Lee"))
    assert turing_config({"raters": 4}).raters == "4"


def test_an_installation_holds_the_page(tmp_path: Path) -> None:
    build = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    build += ["build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    installed = tmp_path / "lib" / "simgan" / "cli" / "web" / "page"
    page = ROOT / "cli" / "web" / "page"
    assert {path.name for path in installed.iterdir()} == {path.name for path in page.iterdir()}
    for path in page.iterdir():
        assert (installed / path.name).read_bytes() == path.read_bytes()
