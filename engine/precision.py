"""What --device, --amp, --channels-last, --backend and --deterministic mean."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from simgan.engine.errors import ConfigError
from simgan.kernels.dispatch import BACKENDS, COPIES, requested_backends, resolve_backend


def pick_device(text: str) -> torch.device:
    """'auto' -> the first GPU, or the CPU where there is none; anything else as it is named.

    Raises:
        ConfigError: a GPU is named that this machine or this torch does not have.
    """
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(text)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise ConfigError(
                f"device {text} is not available: "
                f"torch {torch.__version__} sees {count} CUDA devices",
                fix="Use --device auto or cpu.",
            )
    return device


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Inside, a GPU is the current one: events and Triton kernels take that, not their tensors'."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@dataclass(frozen=True)
class Precision:
    """Arithmetic and memory format of a run.

    Attributes:
        device: where the networks are.
        amp_dtype: dtype of autocast, or None for plain float32.
        channels_last: whether images and weights are NHWC in memory.
    """

    device: torch.device
    amp_dtype: torch.dtype | None = None
    channels_last: bool = False

    @classmethod
    def choose(cls, device: torch.device, *, amp: bool, channels_last: bool) -> "Precision":
        """bf16 where the device computes in it, else fp16 on a GPU and float32 on a CPU."""
        return cls(device, _amp_dtype(device) if amp else None, channels_last)

    @property
    def needs_scaler(self) -> bool:
        """fp16 gradients underflow without a scaler; bf16 has the exponents of float32."""
        return self.amp_dtype is torch.float16

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which networks run forward."""
        if self.amp_dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.amp_dtype)

    @property
    def memory_format(self) -> torch.memory_format:
        """Of images, weights and the history."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def images(self, x: Tensor) -> Tensor:
        """`x` [N, C, H, W] on the device in the memory format of the run."""
        return x.to(self.device, non_blocking=True).contiguous(memory_format=self.memory_format)

    def module(self, module: nn.Module) -> nn.Module:
        """`module` on the device, its weights in the memory format of the run."""
        module = module.to(self.device)
        if self.channels_last:
            # The stub of Module.to knows this keyword only together with a 4-d tensor overload.
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module

    def describe(self) -> str:
        """For the start-up line, for example `cpu, float32, channels_last`."""
        dtype = str(self.amp_dtype or torch.float32).removeprefix("torch.")
        return f"{self.device}, {dtype}" + (", channels_last" if self.channels_last else "")


def _amp_dtype(device: torch.device) -> torch.dtype | None:
    if device.type == "cuda":
        # Older GPUs emulate bf16, more slowly than float32; their fp16 is fast.
        computes_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if computes_bf16 else torch.float16
    return torch.bfloat16 if cpu_computes_bf16() else None


def cpu_capabilities() -> Mapping[str, Any]:
    """What torch knows about this CPU; nothing where torch is too old to tell."""
    found: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return found


def cpu_computes_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware; emulation is slower than float32."""
    capabilities = cpu_capabilities()
    return any(
        capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
    )


def pick_backends(
    text: str | None,
    precision: Precision,
    limits: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, str]:
    """The backend asked for of each op; a bare name asks it of every op that has it.

    Args:
        text: `--backend`, in the language of SIMGAN_BACKEND: NAME or OP=NAME, comma-separated.
        precision: device and dtype it must work on.
        limits: op to the backends that cannot take the shapes of this run, with the reason.

    Raises:
        ConfigError: the name is unknown, or that backend cannot run here.
    """
    try:
        asked = requested_backends(text)
        for op in BACKENDS:
            dtype = torch.float32 if op in COPIES else precision.amp_dtype
            sample = torch.empty(0, device=precision.device, dtype=dtype or torch.float32)
            resolve_backend(op, asked.get(op), sample, limits=(limits or {}).get(op))
    except ValueError as error:
        raise ConfigError(str(error), fix="See 'simgan-engine doctor'.") from error
    return asked


@contextmanager
def repeatable(deterministic: bool, threads: int | None = None) -> Iterator[None]:
    """Bitwise repeatable arithmetic for a `with` block; restores the settings it found.

    Args:
        deterministic: whether to do anything at all.
        threads: CPU threads to compute with; another number changes the order of sums.
    """
    if not deterministic:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.mkldnn.deterministic,
        torch.backends.cudnn.benchmark,
        torch.get_num_threads(),
    )
    torch.use_deterministic_algorithms(True)
    torch.backends.mkldnn.deterministic = True  # type: ignore[assignment]
    torch.backends.cudnn.benchmark = False
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.mkldnn.deterministic = before[1]
        torch.backends.cudnn.benchmark = before[2]
        torch.set_num_threads(before[3])
