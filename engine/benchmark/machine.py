"""What the numbers were measured on: hardware, versions, commit, command, date."""

import importlib.metadata
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
from simgan.engine.run_folder import environment
from simgan.kernels.dispatch import BACKENDS, COPIES, resolve_backend
from simgan.kernels.native import native
from simgan.kernels.residual_block import block_limits


def header(plan: Plan, precision: Precision) -> dict[str, Any]:
    """Everything a reader needs to judge or repeat the numbers, as plain values."""
    config, device = plan.config, precision.device
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": commit(Path(__file__).resolve().parents[2]),
        **environment(),
        "cpu": cpu_model(),
        "triton": _version("triton"),
        "native": native().problem or native().info,
        "device": str(device),
        "gpu": _gpu(device),
        "cores": os.cpu_count(),
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
        "driver": _nvidia_smi("driver_version"),
        "power_limit": _nvidia_smi("power.limit"),
    }


def _nvidia_smi(field: str) -> str | None:
    """One property of the first GPU; None where the tool is missing."""
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (done.stdout.splitlines() or [""])[0].strip() or None


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
