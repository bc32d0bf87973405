"""However often refine dies, the same command ends with the same files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_refine import (
    make_folder,
    make_run,
    random_images,
    random_refiner,
    refine_here,
    tree,
)

from simgan.engine.data.image_folder import ImageFolder
from simgan.engine.data.sinks import hold_output, open_sink
from simgan.engine.data.sources import open_source
from simgan.engine.errors import DataError, DiskError, Interrupted, LockedError

# Imports once, then forks a process for every line of stdin and answers how it ended.
FORKER = """
import json, os, sys, torch
torch.set_num_threads(1)
from simgan.engine.refining import refine
for line in sys.stdin:
    failpoint, config = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ["SIMGAN_FAILPOINT"] = failpoint
        refine(config)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Killer:
    """Runs refine in processes of their own, which die at a failpoint."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def __call__(self, run: Path, source: Path, output: Path, failpoint: str) -> int:
        """The exit status: -9 after a kill."""
        paths = {"run": str(run), "input": str(source), "output": str(output)}
        config = {**paths, "device": "cpu", "batch": 2, "workers": 2}
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([failpoint, config]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def killed() -> Iterator[Killer]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", FORKER]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


class _Words:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.warnings: list[str] = []
        self.steps: list[int] = []

    def phase(self, name: str, total: int, done: int) -> None:
        self.steps.append(done)

    def tick(self, metrics: dict[str, float]) -> None:
        self.steps.append(int(metrics["step"]))

    def message(self, text: str) -> None:
        self.messages.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@pytest.mark.parametrize("container", ["folder", "npz"])
def test_killed_runs_end_with_the_same_files(
    killed: Killer, tmp_path: Path, container: str
) -> None:
    run = make_run(tmp_path)
    if container == "folder":
        source, whole, parts = make_folder(tmp_path / "in", 10), tmp_path / "a", tmp_path / "b"
    else:
        source, whole, parts = tmp_path / "in.npz", tmp_path / "a.npz", tmp_path / "b.npz"
        np.savez(source, images=random_images(10, 24, 30), gaze=np.arange(20.0).reshape(10, 2))
    refine_here(run, source, whole, batch=2)
    places = ("write", "manifest", "batch")
    for failpoint in (f"refine.{place}:kill:{nth}" for nth in (1, 2) for place in places):
        assert killed(run, source, parts, failpoint) == -9
    words = _Words()
    result = refine_here(run, source, parts, batch=2, progress=words)
    assert any(text.endswith("of 10 already done, continuing") for text in words.messages)
    assert 0 < result.refined < 10 and result.count == 10
    if container == "folder":
        assert _without_summary(parts) == _without_summary(whole)
        assert not [path for path in parts.rglob(".*") if path.is_file()]
    else:
        assert parts.read_bytes() == whole.read_bytes()
        lines = (path.with_name(path.name + ".manifest.jsonl") for path in (parts, whole))
        assert len({path.read_text() for path in lines}) == 1


def _without_summary(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if name != "manifest.json"}


def test_a_killed_publication_is_repeated(killed: Killer, tmp_path: Path) -> None:
    run, source = make_run(tmp_path), tmp_path / "in.npy"
    np.save(source, random_images(4, 24, 30))
    assert killed(run, source, tmp_path / "b.npy", "refine.publish:kill") == -9
    refine_here(run, source, tmp_path / "a.npy")
    refine_here(run, source, tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()
    assert killed(run, source, tmp_path / "c.npy", "refine.published:kill") == -9
    assert refine_here(run, source, tmp_path / "c.npy").refined == 0
    assert (tmp_path / "c.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()


def test_a_finished_set_is_not_refined_again(tmp_path: Path) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "in")
    refine_here(run, source, tmp_path / "out")
    before = tree(tmp_path / "out")
    result = refine_here(run, source, tmp_path / "out")
    assert result.refined == 0 and result.count == 7
    assert tree(tmp_path / "out") == before


def test_changed_inputs_outputs_and_labels_are_refined_again(tmp_path: Path) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "in")
    refine_here(run, source, tmp_path / "out")
    before = tree(tmp_path / "out")
    (source / "0.png").write_bytes((source / "2.png").read_bytes())
    (source / "2.json").write_text('{"look": [9]}')
    (tmp_path / "out" / "4.png").write_bytes(b"")
    result = refine_here(run, source, tmp_path / "out")
    after = tree(tmp_path / "out")
    assert result.refined == 3
    assert after["0.png"] == before["2.png"] and after["4.png"] == before["4.png"]
    assert after["2.json"] == b'{"look": [9]}'


def test_another_checkpoint_is_refused(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in")
    refine_here(make_run(tmp_path), source, tmp_path / "out")
    other = make_run(tmp_path / "other", random_refiner(width=5))
    before = tree(tmp_path / "out")
    with pytest.raises(DataError, match="was refined with another checkpoint"):
        refine_here(other, source, tmp_path / "out")
    assert tree(tmp_path / "out") == before


def test_another_input_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    refine_here(run, make_folder(tmp_path / "in"), tmp_path / "out")
    smaller = make_folder(tmp_path / "smaller", 3)
    with pytest.raises(DataError, match="holds 4 refined images that are not in the input"):
        refine_here(run, smaller, tmp_path / "out")


def test_an_output_in_use_is_refused(tmp_path: Path) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "in")
    sink = open_sink(open_source(source), tmp_path / "out", "same")
    with (
        hold_output(sink),
        pytest.raises(LockedError, match=f"out is in use by pid {os.getpid()} on host"),
    ):
        refine_here(run, source, tmp_path / "out")
    assert refine_here(run, source, tmp_path / "out").count == 7


def test_a_signal_keeps_what_is_done(tmp_path: Path) -> None:
    class Interrupting(_Words):
        def tick(self, metrics: dict[str, float]) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    run, source = make_run(tmp_path), make_folder(tmp_path / "in", 12)
    with pytest.raises(Interrupted) as caught:
        refine_here(run, source, tmp_path / "out", batch=2, progress=_Once(Interrupting()))
    assert caught.value.exit_code == 143
    assert "of 12 images; they are kept" in caught.value.what
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    done = sum("name" in json.loads(line) for line in lines)
    assert 0 < done < 12
    assert refine_here(run, source, tmp_path / "out", batch=2).refined == 12 - done


def test_a_signal_is_heard_while_the_finished_images_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "in", 12)
    refine_here(run, source, tmp_path / "out")
    before = tree(tmp_path / "out")
    looked_at = []
    whole = ImageFolder.input_digest

    def interrupting(*arguments: Any) -> str:
        looked_at.append(arguments)
        if len(looked_at) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)  # a handler runs in the main thread
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ImageFolder, "input_digest", interrupting)
        with pytest.raises(Interrupted, match="stopping after 12 of 12 images"):
            refine_here(run, source, tmp_path / "out", workers=1)
    assert len(looked_at) == 1
    assert tree(tmp_path / "out") == before
    assert refine_here(run, source, tmp_path / "out").refined == 0


class _Once(_Words):
    """Passes the first tick on; a second signal would end the process."""

    def __init__(self, other: _Words) -> None:
        super().__init__()
        self.other = other

    def tick(self, metrics: dict[str, float]) -> None:
        super().tick(metrics)
        if len(self.steps) == 2:
            self.other.tick(metrics)


@pytest.mark.parametrize("action", ["enospc", "eio"])
def test_a_failing_disk_is_said_and_the_rerun_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    run, source = make_run(tmp_path), make_folder(tmp_path / "in", 8)
    monkeypatch.setenv("SIMGAN_FAILPOINT", f"refine.write:{action}:3")
    monkeypatch.setattr("simgan.engine.failpoints._passed", {})
    with pytest.raises(DiskError, match="cannot write"):
        refine_here(run, source, tmp_path / "out", batch=2)
    monkeypatch.delenv("SIMGAN_FAILPOINT")
    assert refine_here(run, source, tmp_path / "out", batch=2).count == 8
