"""Faults that a forked child plants in itself before it runs, each a function of plain values."""

import errno
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from simgan.engine import algorithm, checkpoint, failpoints, run_state, session, setup, step
from simgan.engine.config import train_config
from simgan.engine.history import HistoryBuffer
from simgan.engine.losses import RefinerLoss
from simgan.engine.metrics import MetricSums
from simgan.engine.refine_config import refine_config
from simgan.engine.run_folder import RunFolder
from simgan.engine.run_state import PHASES
from simgan.engine.session import Session


class Printer:
    """An observer whose lines end up in the run's log."""

    def phase(self, name: str, total: int, done: int) -> None:
        print(f"phase {name} {done}/{total}", flush=True)

    def tick(self, metrics: dict[str, float]) -> None:
        pass

    def message(self, text: str) -> None:
        print(text, flush=True)

    def warning(self, text: str) -> None:
        print(f"Warning: {text}", flush=True)


def after_each_step(act: Callable[[Session], None]) -> None:
    """Call `act` after every step, before the housekeeping that follows it."""
    real = Session._housekeeping

    def housekeeping(self: Session, total: int) -> None:
        act(self)
        real(self, total)

    Session._housekeeping = housekeeping  # type: ignore[method-assign]


def here(run: Session, phase: str, number: int) -> bool:
    """Whether a run has just done step `number` of a phase."""
    return PHASES[run.training.place.phase] == phase and run.training.place.step == number


def signal_after(phase: str, number: int, *signals: int) -> None:
    """Send signals to this process after a step."""

    def act(run: Session) -> None:
        if here(run, phase, number):
            for each in signals:
                os.kill(os.getpid(), each)

    after_each_step(act)


def kill_after(phase: str, number: int) -> None:
    """Die without a trace after a step, before its housekeeping."""
    signal_after(phase, number, signal.SIGKILL)


def signal_while_packing(number: int) -> None:
    """Send a signal while the first image set is being decoded."""
    real = setup.pack

    def pack(*arguments: Any, **named: Any) -> Any:
        os.kill(os.getpid(), number)
        return real(*arguments, **named)

    setup.pack = pack


def slow_steps(seconds: float) -> None:
    """Make every step take a little longer, so that a signal from outside meets a running one."""
    after_each_step(lambda run: time.sleep(seconds))


def nan_loss(source: str, phase: str, numbers: list[int], attempts: list[int]) -> None:
    """Make the loss of some steps not a number, in some attempts, with all that follows from it."""
    armed = [False]
    real_step = Session._step

    def one_step(self: Session, name: str) -> None:
        place = self.training.place
        armed[0] = name == phase and place.step + 1 in numbers and place.attempt in attempts
        real_step(self, name)

    def poisoned(real: Callable[..., Any]) -> Callable[..., Any]:
        def loss(*arguments: Any) -> Any:
            value = real(*arguments)
            if not armed[0]:
                return value
            if isinstance(value, RefinerLoss):
                return RefinerLoss(*(part * float("nan") for part in value))
            return value * float("nan")

        return loss

    Session._step = one_step  # type: ignore[method-assign]
    names = {"refiner": ("refiner_loss", "regularization_loss")}
    for name in names.get(source, ("discriminator_loss",)):
        setattr(step, name, poisoned(getattr(step, name)))


def nan_weight(phase: str, number: int) -> None:
    """Make one single weight not a number, once, without any loss that shows it."""

    def poison(run: Session) -> None:
        if here(run, phase, number) and run.training.place.attempt == 0:
            with torch.no_grad():
                next(run.training.players.discriminator.parameters()).view(-1)[0] = float("nan")

    after_each_step(poison)


def failing(function: str, code: str, part: str, times: int) -> None:
    """Make os.rename, os.replace or os.fsync fail the first `times` times it meets `part`."""
    real = getattr(os, function)
    left = [times]

    def broken(target: Any, *rest: Any) -> Any:
        name = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else str(target)
        if part in name and left[0]:
            left[0] -= 1
            number = getattr(errno, code)
            raise OSError(number, os.strerror(number), name)
        return real(target, *rest)

    setattr(os, function, broken)


def lasting_failpoint(name: str, action: str, first: int, last: int) -> None:
    """A failpoint that acts from the `first` to the `last` time it is passed."""
    passed = [0]

    def failpoint(place: str) -> None:
        if place == name:
            passed[0] += 1
            if first <= passed[0] <= last:
                failpoints._act(name, action)

    for module in (algorithm, checkpoint, session):
        module.failpoint = failpoint  # type: ignore[attr-defined]


def watch_for_code(canary: str) -> None:
    """Write the name of anything that unpickles or starts a program to `canary`."""
    watched = ("pickle.find_class", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in watched:
            fd = os.open(canary, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(fd, f"{event} {arguments}\n".encode())
            os.close(fd)

    sys.addaudithook(hook)


def watch_for_sockets(canary: str) -> None:
    """Write the address of every connection to `canary`."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            fd = os.open(canary, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(fd, f"{event} {arguments[1:]}\n".encode())
            os.close(fd)

    sys.addaudithook(hook)


def hold_lock(path: str, seconds: float) -> None:
    """Hold a run's lock for some time."""
    with RunFolder.open(path).lock():
        print("holding", flush=True)
        time.sleep(seconds)


def try_lock(path: str, gate: str, seconds: float) -> None:
    """Wait for the gate file, then try to hold the lock."""
    while not Path(gate).exists():
        time.sleep(0.002)
    hold_lock(path, seconds)


def create_runs(root: str, gate: str, count: int) -> None:
    """Wait for the gate file, then make numbered run folders and print their names."""
    while not Path(gate).exists():
        time.sleep(0.002)
    for _ in range(count):
        print(RunFolder.create(train_config({"preset": "demo"}), root).path.name, flush=True)


def forget(what: str) -> None:
    """Leave out one part of a checkpoint when a run is restored from it."""
    if what == "history":
        HistoryBuffer.load_state_dict = lambda self, state: None  # type: ignore[method-assign]
    elif what == "slots":
        real = HistoryBuffer.load_state_dict

        def images_only(self: HistoryBuffer, state: Any) -> None:
            real(self, {"images": state["images"], "slots": self.slots.clone()})

        HistoryBuffer.load_state_dict = images_only  # type: ignore[method-assign]
    elif what == "optimizers":
        run_state._load_optimizer = lambda optimizer, tensors: None
    elif what == "metrics":
        MetricSums.load_state_dict = lambda self, state: None  # type: ignore[method-assign]
    else:
        placed = run_state.place_data

        def place_data(training: Any, position: dict[str, int]) -> None:
            placed(training, {**position, what: 0})

        run_state.place_data = place_data


def signal_after_next_step() -> None:
    """SIGTERM as soon as one more step is done."""
    sent: list[int] = []

    def act(run: Session) -> None:
        if not sent:
            sent.append(1)
            os.kill(os.getpid(), signal.SIGTERM)

    after_each_step(act)


def note_disk_calls(folder: str) -> None:
    """Save one checkpoint and print, in order, what was synced and renamed."""
    calls: list[list[str]] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def noted_fsync(handle: int) -> None:
        calls.append(["fsync", Path(os.readlink(f"/proc/self/fd/{handle}")).name])
        fsync(handle)

    def noted_rename(old: Any, new: Any) -> None:
        calls.append(["rename", Path(old).name, Path(new).name])
        rename(old, new)

    def noted_replace(old: Any, new: Any) -> None:
        calls.append(["replace", Path(old).name, Path(new).name])
        replace(old, new)

    os.fsync, os.rename, os.replace = noted_fsync, noted_rename, noted_replace
    tensors = {name: {"x": torch.zeros(3)} for name in ("refiner", "history")}
    parent = Path(folder) / "checkpoints"
    parent.mkdir()
    checkpoint.save_checkpoint(parent, "step-00000001", tensors, {"step": 1})
    print(json.dumps(calls))


def refine_with(values: dict[str, Any]) -> None:
    """Refine through the Python interface."""
    from simgan.engine.refining import refine

    refine(refine_config(values))


def drawn_names() -> None:
    """Print the synthetic images that each step of Algorithm 1 begins with."""
    real = Session._step

    def one_step(self: Session, name: str) -> None:
        place, batches = self.training.place, self.training.synthetic
        if name == "train":
            index = batches.order.slice(batches.position, 6).tolist()
            print("drawn", place.attempt, place.step, *index, flush=True)
        real(self, name)

    Session._step = one_step  # type: ignore[method-assign]


def connect_somewhere() -> None:
    """Try to connect to a port of this machine where nobody listens."""
    with socket.socket() as client, suppress(OSError):
        client.connect(("127.0.0.1", 9))
