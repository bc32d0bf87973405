"""Row 31: a run folder has one user at a time, and its death frees it."""

import re
import signal
from pathlib import Path

import pytest
from forked import Child, Zygote, settings

from simgan.engine.config import train_config
from simgan.engine.errors import ConfigError
from simgan.engine.run_folder import RunFolder

STARTERS = 6


@pytest.fixture
def run(zygote: Zygote, quick_folder: Path) -> Path:
    values = settings(quick_folder, steps=2)
    assert zygote.run(train=values)[0] == 0
    return Path(values["out"])


def test_of_six_starters_one_wins_and_the_others_are_told_who(
    zygote: Zygote, quick_folder: Path, run: Path
) -> None:
    gate = quick_folder / "gate"
    starters = [zygote.start(call=["try_lock", str(run), str(gate), 3600]) for _ in range(STARTERS)]
    gate.touch()
    losers = wait_for_losers(starters)
    (winner,) = (child for child in starters if child not in losers)
    sentence = rf"LockedError: {run} is in use by pid {winner.pid} on host \S+ since \d\d:\d\d"
    for loser in losers:
        assert loser.status == 8
        assert re.search(sentence, loser.text), loser.text
    winner.wait_for("holding")
    winner.send(signal.SIGKILL)
    assert winner.wait() == -9


def wait_for_losers(starters: list[Child]) -> list[Child]:
    losers: list[Child] = []
    while len(losers) < STARTERS - 1:
        losers = [child for child in starters if not child.running()]
    return losers


def test_a_second_resume_of_a_run_in_use_is_refused_with_exit_code_8(
    zygote: Zygote, run: Path
) -> None:
    holder = zygote.start(call=["hold_lock", str(run), 3600])
    holder.wait_for("holding")
    code, text = zygote.run(cli=["train", "--resume", str(run), "--steps", "4"])
    assert code == 8
    assert f"Error: {run} is in use by pid {holder.pid} on host " in text
    holder.send(signal.SIGKILL)
    holder.wait()


def test_a_run_is_freed_by_the_death_of_its_user(zygote: Zygote, run: Path) -> None:
    holder = zygote.start(call=["hold_lock", str(run), 3600])
    holder.wait_for("holding")
    holder.send(signal.SIGKILL)
    assert holder.wait() == -9
    code, text = zygote.run(resume=[str(run), 4])
    assert code == 0, text
    assert not (run / "LOCK.json").exists()


def test_a_note_of_a_dead_user_is_not_taken_for_the_living_one(zygote: Zygote, run: Path) -> None:
    """Between taking the lock and writing the note, the note still names whoever died last."""
    dead = zygote.start(call=["hold_lock", str(run), 3600])
    dead.wait_for("holding")
    dead.send(signal.SIGKILL)
    dead.wait()
    note = (run / "LOCK.json").read_bytes()
    holder = zygote.start(call=["hold_lock", str(run), 3600])
    holder.wait_for("holding")
    (run / "LOCK.json").write_bytes(note)
    code, text = zygote.run(resume=[str(run), 4])
    assert code == 8
    assert str(dead.pid) not in text
    holder.send(signal.SIGKILL)
    holder.wait()


def test_concurrent_creators_never_share_a_number(zygote: Zygote, quick_folder: Path) -> None:
    gate, root = quick_folder / "gate", quick_folder / "runs"
    makers = [zygote.start(call=["create_runs", str(root), str(gate), 5]) for _ in range(6)]
    gate.touch()
    names = []
    for maker in makers:
        assert maker.wait() == 0, maker.text
        names += maker.text.split()
    assert sorted(names) == [f"{number:04d}-demo" for number in range(1, 31)]


def test_of_two_starters_with_one_folder_the_second_is_refused(tmp_path: Path) -> None:
    config = train_config({"preset": "demo", "out": str(tmp_path / "run")})
    RunFolder.create(config)
    with pytest.raises(ConfigError, match="already exists and is not empty"):
        RunFolder.create(config)


def test_a_starter_that_loses_the_race_for_a_folder_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = train_config({"preset": "demo", "out": str(tmp_path / "run")})
    real = Path.mkdir

    def mkdir_after_another(self: Path, *arguments: object, **named: object) -> None:
        if self.name == "checkpoints" and not self.exists():
            real(self)
        real(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", mkdir_after_another)
    with pytest.raises(ConfigError, match="already exists and is not empty"):
        RunFolder.create(config)
