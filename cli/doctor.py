"""`simgan-engine doctor`: what this installation can do, and what would let it do more."""

import importlib.metadata
import json
import os
import platform
import re
from typing import Any

import click

from simgan.cli import words
from simgan.cli.failures import installed_version

REQUIREMENT = re.compile(r"(?P<name>[\w.-]+).*extra == ['\"](?P<extra>\w+)['\"]")
NO_PACKAGES = ("dev", "all")  # extras for developers, and the sum of the others
COMPLETION = {
    "bash": 'eval "$(_SIMGAN_ENGINE_COMPLETE=bash_source simgan-engine)"   # in ~/.bashrc',
    "zsh": 'eval "$(_SIMGAN_ENGINE_COMPLETE=zsh_source simgan-engine)"   # in ~/.zshrc',
    "fish": "_SIMGAN_ENGINE_COMPLETE=fish_source simgan-engine | source   # in config.fish",
}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Say what this installation can do: versions, device, backends, optional packages."""
    found = diagnosis()
    click.echo(json.dumps(found, indent=2) if as_json else _text(found))


def diagnosis() -> dict[str, Any]:
    """Everything `doctor` prints, as plain values."""
    import numpy
    import torch

    return {
        "versions": {
            "simgan-engine": installed_version(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "triton": installed_version("triton"),
            "numpy": numpy.__version__,
        },
        "device": _device(),
        "native": _native(),
        "backends": _backends(),
        "packages": _packages(),
        "completion": COMPLETION[_shell()],
    }


def _device() -> dict[str, Any]:
    import torch

    from simgan.engine.precision import pick_device

    device = pick_device("auto")
    found: dict[str, Any] = {"auto": str(device), "threads": torch.get_num_threads(), "gpus": []}
    if device.type == "cuda":
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            found["gpus"].append(f"{properties.name}, {words.size(properties.total_memory)}")
    elif torch.version.cuda is None:
        found["why_no_gpu"] = "this torch is built without CUDA"
    else:
        found["why_no_gpu"] = f"torch for CUDA {torch.version.cuda} sees no GPU"
    return found


def _native() -> dict[str, Any]:
    """Whether the compiled core works, and what it says of itself."""
    from simgan.kernels.native import native

    state = native()
    return {"works": not state.problem, "problem": state.problem, **state.info}


def _backends() -> dict[str, dict[str, Any]]:
    """For each operation the backend that runs on the automatic device, and those that could."""
    import torch

    from simgan.engine.precision import pick_device
    from simgan.kernels.dispatch import BACKENDS, available_backends, resolve_backend

    device = pick_device("auto")
    sample = torch.zeros(1, device=device)
    found: dict[str, dict[str, Any]] = {}
    for op in BACKENDS:
        active, problem = "none", ""
        try:
            active = resolve_backend(op, None, sample)
        except ValueError as error:  # SIMGAN_BACKEND asks for what cannot be met
            problem = str(error)
        available = available_backends(op, device.type)
        found[op] = {"active": active, "available": available, "problem": problem}
    return found


def _packages() -> list[dict[str, Any]]:
    """The optional packages of this distribution's own metadata, so that no list goes stale."""
    try:
        lines = importlib.metadata.requires("simgan-engine") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        match = REQUIREMENT.match(line)
        if match and match["extra"] not in NO_PACKAGES and match["name"] != "simgan-engine":
            name, extra = match["name"], match["extra"]
            found.append({"name": name, "extra": extra, "version": installed_version(name)})
    return found


def _shell() -> str:
    name = os.path.basename(os.environ.get("SHELL", ""))
    return name if name in COMPLETION else "bash"


def _text(found: dict[str, Any]) -> str:
    device, native = found["device"], found["native"]
    gpu = "; ".join(device["gpus"]) or device["why_no_gpu"]
    head = [(name, version or "not installed") for name, version in found["versions"].items()]
    head.append(("device", f"{device['auto']} ({device['threads']} threads; {gpu})"))
    parts = [native["compiler"], *(["CPU"] if native["cpu"] else []), *native["cuda"]]
    head.append(("native core", native["problem"] or ", ".join(parts)))
    backends = [
        (op, row["active"], f"of {', '.join(row['available'])}")
        for op, row in found["backends"].items()
    ]
    packages = [
        (row["name"], row["version"] or f"missing: pip install 'simgan-engine[{row['extra']}]'")
        for row in found["packages"]
    ]
    lines = [words.table(head), "", "backend of each operation", words.table(backends, indent=2)]
    lines += [
        f"  Warning: {row['problem']}" for row in found["backends"].values() if row["problem"]
    ]
    if packages:
        lines += ["", "optional packages", words.table(packages, indent=2)]
    lines += ["", "completion of commands and options", f"  {found['completion']}"]
    return "\n".join(lines)
