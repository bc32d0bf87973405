"""Runs of the engine in forked children of one process that has imported torch."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tiny import TINY, tiny_data

from simgan.engine.checkpoint import checkpoints

ZYGOTE = Path(__file__).parent / "reliability" / "zygote.py"
TIMINGS = ("images_per_s", "eta_s", "data_wait", "look_s")
PATIENCE = 120.0  # seconds after which a child counts as hanging


class Child:
    """One forked run."""

    def __init__(self, zygote: "Zygote", pid: int, log: Path) -> None:
        self.zygote = zygote
        self.pid = pid
        self.log = log
        self.status: int | None = None

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()

    def running(self) -> bool:
        if self.status is None:
            self.status = self.zygote.ask({"poll": self.pid})["status"]
        return self.status is None

    def wait(self) -> int:
        """Its exit code, negative for the signal that killed it."""
        end = time.monotonic() + PATIENCE
        while self.running():
            if time.monotonic() > end:
                self.send(signal.SIGKILL)
                raise AssertionError(f"hangs after printing:\n{self.text}")
            time.sleep(0.005)
        assert self.status is not None
        return self.status

    def wait_for(self, text: str) -> None:
        """Wait until it has printed something."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert self.running(), f"ended before it said {text!r}:\n{self.text}"
            assert time.monotonic() < end, f"never said {text!r}:\n{self.text}"
            time.sleep(0.005)

    def send(self, number: int) -> None:
        os.kill(self.pid, number)


class Zygote:
    """The process that forks. Its children find only the given environment added to its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started = 0
        self.process = subprocess.Popen(
            [sys.executable, str(ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "OMP_WAIT_POLICY": "PASSIVE",
                "SIMGAN_CACHE": str(folder / "cache"),
            },
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def start(self, **order: Any) -> Child:
        """Fork a child; the keys are those of `zygote.child`."""
        self.started += 1
        log = self.folder / f"child-{self.started}.log"
        log.touch()
        order = {"cwd": str(self.folder), "log": str(log), **order}
        return Child(self, self.ask({"start": order})["pid"], log)

    def run(self, **order: Any) -> tuple[int, str]:
        """Exit code and output of a child."""
        child = self.start(**order)
        return child.wait(), child.text

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what depends on the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    parsed = [json.loads(line) for line in lines]
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in parsed]


def newest(run: Path) -> Path:
    """The last checkpoint folder by name."""
    return checkpoints(run / "checkpoints")[-1]


def final_state(run: Path) -> dict[str, Any]:
    """SHA-256 of every tensor file of the last checkpoint, its state, and the rows of metrics."""
    last = newest(run)
    found: dict[str, Any] = {path.name: sha256(path) for path in last.glob("*.safetensors")}
    state = json.loads((last / "state.json").read_bytes())
    for name in ("metrics_offset", "environment", "config"):
        del state[name]  # bytes of timings, the machine, the name of the run folder
    return {"checkpoint": last.name, **found, "state": state, "rows": rows(run)}


def leftovers(run: Path) -> list[str]:
    """What a killed process may have left half written or half deleted."""
    return [str(path) for path in run.rglob(".*") if path.name.startswith((".tmp-", ".del-"))]


SMALL: dict[str, Any] = {
    **TINY,
    "batch": 2,
    "width": 2,
    "history_capacity": 3,
    "pretrain_refiner_steps": 3,
    "pretrain_discriminator_steps": 3,
    "sample_every": 100,
    "keep": 2,
}


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Of a run in `folder`/run that has all three phases and takes a fraction of a second."""
    return {**SMALL, **tiny_data(folder / "data"), "out": str(folder / "run"), **changes}
