"""The README's commands and Python run as they stand there, on small data and settings."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny import tiny_images

README = Path(__file__).parent.parent / "README.md"
PROGRAM = Path(sys.executable).with_name("simgan-engine")
NOT_HERE = ("make ", "pip ")  # run by CI itself

# The variables that every command reads, so that the literal lines take seconds.
SMALL = {
    "SIMGAN_STEPS": "3",
    "SIMGAN_BATCH": "4",
    "SIMGAN_WIDTH": "4",
    "SIMGAN_BLOCKS": "1",
    "SIMGAN_HISTORY_CAPACITY": "8",
    "SIMGAN_PRETRAIN_REFINER_STEPS": "1",
    "SIMGAN_PRETRAIN_DISCRIMINATOR_STEPS": "1",
    "SIMGAN_TENSORBOARD": "false",
    "SIMGAN_DEVICE": "cpu",
}


def commands() -> list[str]:
    """Every simgan-engine line of the README's console blocks, without prompt and comment."""
    lines = []
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.S):
        for line in block.splitlines():
            command = line.removeprefix("$ ").partition("  #")[0].strip()
            if line.startswith("$ ") and not command.startswith(NOT_HERE):
                lines.append(command)
    return lines


@pytest.fixture
def user(in_tmp: Path) -> Path:
    """A folder as a user might have it: simulator/ with labels, photos/ without."""
    for name, seed, count in (("simulator", 1, 10), ("photos", 2, 8)):
        (in_tmp / name).mkdir()
        for index, pixels in enumerate(tiny_images(count, seed)):
            Image.fromarray(pixels[..., 0]).save(in_tmp / name / f"{index}.png")
            if name == "simulator":
                (in_tmp / name / f"{index}.json").write_text('{"gaze": [0.1, -0.2]}')
    return in_tmp


@pytest.mark.slow
def test_every_command_of_the_readme_runs(user: Path) -> None:
    environment = {**os.environ, **SMALL}
    lines = commands()
    assert len(lines) >= 6
    for line in lines:
        program, *words = line.split()
        assert program == "simgan-engine", line
        # Runs are numbered; the README speaks of the first one on the user's own images.
        words = [word.replace("0001-gaze", newest_run(user)) for word in words]
        done = subprocess.run(
            [PROGRAM, *words], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    run = user / "runs" / newest_run(user)
    assert (run / "refined" / "3.json").read_bytes() == (user / "simulator/3.json").read_bytes()
    assert Image.open(run / "refined" / "3.png").size == (28, 24)


def newest_run(user: Path) -> str:
    runs = sorted(path.name for path in (user / "runs").glob("0*"))
    return runs[-1] if runs else "0001-gaze"


@pytest.mark.slow
def test_the_python_of_the_readme_runs(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    small = {name.removeprefix("SIMGAN_").lower(): value for name, value in SMALL.items()}
    numbers = {name: int(value) for name, value in small.items() if value.isdigit()}
    numbers.pop("steps")
    code = code.replace('"steps": 4000', f'"steps": 2, "device": "cpu", **{numbers}')
    exec(compile(code, "README.md", "exec"), {})
    assert (user / "refined" / "9.png").is_file()
