"""`doctor`: versions, device, backends, optional packages and the line for completion."""

import importlib.metadata
import json

import pytest
import torch
from click.testing import CliRunner, Result

from simgan.cli import doctor
from simgan.kernels.dispatch import BACKENDS


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(doctor.command, list(arguments), catch_exceptions=False)


def test_json_names_the_active_backend_of_every_operation() -> None:
    found = json.loads(invoke("--json").output)
    assert found["versions"]["torch"] == torch.__version__
    assert set(found["backends"]) == set(BACKENDS)
    for row in found["backends"].values():
        assert row["active"] in row["available"]


def test_a_request_that_cannot_be_met_is_told_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMGAN_BACKEND", "no-such-backend")
    assert "Warning: SIMGAN_BACKEND must name one of" in invoke().output


def test_a_missing_package_comes_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def version(name: str) -> str:
        if name == "h5py":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    rows = [" ".join(line.split()) for line in invoke().output.splitlines()]
    assert "h5py missing: pip install 'simgan-engine[hdf5]'" in rows
    assert "simplejpeg 1.0" in rows


def test_extras_for_developers_are_not_offered() -> None:
    names = {row["name"] for row in json.loads(invoke("--json").output)["packages"]}
    assert {"h5py", "tifffile", "triton"} <= names
    assert not names & {"pytest", "ruff", "simgan-engine"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_line_is_for_the_shell_in_use(
    shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert f"_SIMGAN_ENGINE_COMPLETE={shell}_source simgan-engine" in invoke().output
