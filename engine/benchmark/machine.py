"""What the numbers were measured on: hardware, versions, commit, command, date."""

import importlib.metadata
import itertools
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from simgan.engine.benchmark.plan import Plan
from simgan.engine.config import TrainConfig
from simgan.engine.precision import Precision, pick_backends
from simgan.engine.refining.pipeline import cores
from simgan.engine.run_folder import environment
from simgan.kernels.dispatch import BACKENDS, COPIES, resolve_backend
from simgan.kernels.native import native
from simgan.kernels.residual_block import block_limits

# Our name to that of nvidia-smi.
SMI_FIELDS = {
    "driver": "driver_version",
    "power_limit": "power.limit",
    "sm_clock": "clocks.sm",
    "sm_clock_max": "clocks.max.sm",
    "memory_clock": "clocks.mem",
}


def header(plan: Plan, precision: Precision) -> dict[str, Any]:
    """Everything a reader needs to judge or repeat the numbers, as plain values."""
    config, device = plan.config, precision.device
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": commit(Path(__file__).resolve().parents[2]),
        **environment(),
        "cpu": cpu_model(),
        **clocks(device),
        "triton": _version("triton"),
        "native": native().problem or native().info,
        "device": str(device),
        "cores": len(cores()),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "precision": precision.describe(),
        "tf32": torch.backends.cudnn.allow_tf32 if device.type == "cuda" else None,
        "backends": _backends(config, precision),
        "quick": plan.quick,
        "rounds": plan.rounds,
        "batch": config.batch,
        "k_g": config.k_g,
        "k_d": config.k_d,
        "history_capacity": config.history_capacity,
        "image": list(plan.size),
        "refiner": {"width": config.width, "blocks": config.blocks, "kernel": config.kernel},
    }


def clocks(device: torch.device) -> dict[str, Any]:
    """`cpu_mhz` and `gpu` as they are now; meant to be asked while the machine is still warm."""
    return {"cpu_mhz": cpu_mhz(), "gpu": _gpu(device)}


def commit(root: Path) -> str | None:
    """Commit of the sources, with `+changes` when they differ from it; None outside a clone."""
    if not (root / ".git").exists():
        return None
    try:
        name = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{name}+changes" if changed else name


def cpu_model() -> str:
    """Name of the CPU as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def cpu_mhz() -> float | None:
    """Clock of the fastest core now, in MHz; None where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    clocks = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return max(clocks, default=None)


def _gpu(device: torch.device) -> dict[str, Any] | None:
    if device.type != "cuda":
        return None
    properties = torch.cuda.get_device_properties(device)
    return {
        "name": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "memory_bytes": properties.total_memory,
        "multiprocessors": properties.multi_processor_count,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        **_nvidia_smi(str(getattr(properties, "uuid", ""))),
    }


def _nvidia_smi(uuid: str) -> dict[str, str | None]:
    """Driver, power and clocks of one GPU as the driver's own tool writes them, with units.

    Args:
        uuid: of the GPU, without "GPU-"; empty for the first.
    """
    values: list[str] = []
    words = ["nvidia-smi", f"--query-gpu={','.join(SMI_FIELDS.values())}", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            [*words, *([f"--id=GPU-{uuid}"] if uuid else [])],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        values = [value.strip() for value in done.stdout.splitlines()[0].split(",")]
    except (OSError, subprocess.SubprocessError, IndexError):
        pass
    return dict(itertools.zip_longest(SMI_FIELDS, values[: len(SMI_FIELDS)]))


def _backends(config: TrainConfig, precision: Precision) -> dict[str, str]:
    """Which implementation of each op runs in the networks' cases."""
    refused = {"residual_block": block_limits(config.width, config.kernel)}
    asked = pick_backends(config.backend, precision, refused)
    narrow = torch.empty(0, device=precision.device, dtype=precision.amp_dtype or torch.float32)
    return {
        op: resolve_backend(
            op,
            asked.get(op),
            narrow.float() if op in COPIES else narrow,
            limits=refused.get(op),
        )
        for op in BACKENDS
    }
