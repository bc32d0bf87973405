"""The console entry: fast help, exit codes and the shape of error messages."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
import torch

from simgan.cli import main
from simgan.engine import errors

PROGRAM = Path(sys.executable).with_name("simgan-engine")


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `simgan-engine doctor` raise `error`."""

    @click.command("doctor")
    def command() -> None:
        raise error

    module = ModuleType("simgan.cli.planted")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(main.COMMANDS, "doctor", ("simgan.cli.planted:command", "Planted."))


def outcome(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    with pytest.raises(SystemExit) as exit_info:
        main.run(arguments)
    captured = capsys.readouterr()
    assert isinstance(exit_info.value.code, int)
    return exit_info.value.code, captured.out, captured.err


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in main.COMMANDS)])
def test_help_imports_no_torch(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom simgan.cli.main import run\n"
        f"try: run({arguments!r})\nexcept SystemExit as end: code = end.code\n"
        "sys.exit(code or ('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: simgan-engine" in done.stdout


def test_help_of_the_program_imports_no_command() -> None:
    code = (
        "import sys\nfrom simgan.cli.main import run\n"
        "try: run(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith('simgan.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert loaded == str(
        [
            *("simgan.cli", "simgan.cli.failures", "simgan.cli.main"),
            *("simgan.engine", "simgan.engine.errors"),
        ]
    )


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_of_the_table_exists(name: str) -> None:
    context = click.Context(main.main)
    assert isinstance(main.main.get_command(context, name), click.Command)


def test_a_command_that_is_not_installed_breaks_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(main.COMMANDS, "bench", ("simgan.cli.absent:command", "Not there."))
    assert "Not there." in outcome(["--help"], capsys)[1]
    code, _, err = outcome(["bench"], capsys)
    assert (code, "bench is not part of this installation" in err) == (2, True)


def test_a_misspelt_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = outcome(["refin"], capsys)
    assert code == 2
    assert "no command 'refin'. Did you mean refine?" in err


ERRORS = [
    (errors.ConfigError("lr is odd", where="simgan.toml", fix="Change it."), 3),
    (errors.DataError("x.png is odd"), 3),
    (errors.CheckpointError("hash mismatch"), 4),
    (errors.DivergedError("non-finite"), 5),
    (errors.DeviceMemoryError("too large"), 6),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), 6),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 6),
    (MemoryError(), 6),
    (errors.DiskError("disk full"), 7),
    (OSError(errno.ENOSPC, "No space left on device", "a.npy"), 7),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), 7),
    (PermissionError(errno.EACCES, "Permission denied", "/root/x"), 7),
    (errors.LockedError("in use"), 8),
    (errors.CheckFailedError("shift"), 9),
    (click.UsageError("bad"), 2),
    (KeyError("bug"), 1),
    (errors.Interrupted("stopping after step 3: saved", signal_number=2), 130),
    (errors.Interrupted("stopping after step 3: saved", signal_number=15), 143),
    (KeyboardInterrupt(), 130),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
]


@pytest.mark.parametrize(
    ("error", "code"), ERRORS, ids=[f"{type(e).__name__}-{code}" for e, code in ERRORS]
)
def test_each_error_has_its_exit_code_and_no_traceback(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    raising(error, monkeypatch)
    got, out, err = outcome(["doctor"], capfd)
    assert got == code
    assert out == ""
    assert "Traceback" not in err


def test_what_where_and_fix_are_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(ERRORS[0][0], monkeypatch)
    _, _, err = outcome(["doctor"], capsys)
    assert err.splitlines() == ["Error: lr is odd", "  simgan.toml", "  Change it."]


def test_a_signal_is_not_called_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(errors.Interrupted("stopping: saved", signal_number=2, fix="Resume: x"), monkeypatch)
    assert outcome(["doctor"], capsys)[2].splitlines() == ["stopping: saved", "  Resume: x"]


def test_a_bug_leaves_a_report_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    raising(KeyError("planted"), monkeypatch)
    _, _, err = outcome(["doctor"], capsys)
    assert len(err.splitlines()) == 1
    found = re.fullmatch(r"Error: this is a bug in simgan-engine \(KeyError\); report: (.*)\n", err)
    assert found is not None
    report = Path(found[1]).read_text()
    for words in ("KeyError: 'planted'", "Traceback", "torch ", "simgan-engine ", "command: "):
        assert words in report


def test_the_traceback_is_shown_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMGAN_DEBUG", "1")
    raising(errors.DataError("x.png is odd"), monkeypatch)
    _, _, err = outcome(["doctor"], capsys)
    assert "Traceback" in err
    assert err.splitlines()[-1] == "Error: x.png is odd"


def test_a_reader_that_leaves_is_no_error() -> None:
    """`simgan-engine config show | true`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [PROGRAM, "config", "show"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 141


def test_completion_offers_commands_and_options() -> None:
    for words, index, offered in (
        ("simgan-engine re", 1, "refine"),
        ("simgan-engine train --la", 2, "--lambda-reg"),
    ):
        environment = {
            **os.environ,
            "_SIMGAN_ENGINE_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(index),
        }
        done = subprocess.run(
            [PROGRAM], env=environment, capture_output=True, text=True, check=False
        )
        assert f"plain,{offered}" in done.stdout.splitlines(), done


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert outcome(["--version"], capsys)[1] == f"simgan-engine {version('simgan-engine')}\n"
