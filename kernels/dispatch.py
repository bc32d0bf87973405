"""Which implementation of an op runs: the argument, then SIMGAN_BACKEND, then the best proved one.

SIMGAN_BACKEND holds comma-separated requests. `NAME` asks for that backend in every op that has one
(the other ops choose automatically); `OP=NAME` asks for it in one op and wins over a bare NAME.
A request that cannot be met raises ValueError; only the automatic choice falls back.
"""

import functools
import importlib.util
import os
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from simgan.kernels.arguments import FLOATING
from simgan.kernels.native import native

REFERENCE = "reference"  # plain torch: the definition of the op, any device
TRITON = "triton"  # triton_kernel.py: CUDA, or any device under TRITON_INTERPRET=1
CPP = "cpp"  # csrc/cpu
CUDA = "cuda"  # csrc/cuda
HOPPER = "hopper"  # csrc/cuda/residual_trunk.cu: sm_90a only

BACKENDS: dict[str, tuple[str, ...]] = {
    "residual_block": (REFERENCE, TRITON, CPP, CUDA, HOPPER),
    "patch_cross_entropy": (REFERENCE, TRITON, CPP, CUDA),
    "self_regularization": (REFERENCE, TRITON, CPP, CUDA),
    "refiner_loss": (REFERENCE, TRITON, CPP, CUDA),
    "history_replace": (REFERENCE, TRITON, CPP, CUDA),
    "history_exchange": (REFERENCE, TRITON, CPP, CUDA),
}
COPIES = ("history_replace", "history_exchange")  # they move bytes, whatever the dtype

# What the automatic choice tries per device type, best first. A backend enters when its tests have
# passed on such a device and a measurement showed a gain. The Triton kernels are checked in the
# interpreter only and the CUDA kernels are compiled only, so neither is in the row of cuda yet.
AUTOMATIC: dict[str, tuple[str, ...]] = {"cpu": (CPP, REFERENCE), "cuda": (REFERENCE,)}

_SHORT_FLOATS = (torch.float32, torch.bfloat16, torch.float16)
# dtypes of a backend where they are fewer than the op's.
_DTYPES: dict[str, tuple[torch.dtype, ...]] = {
    TRITON: _SHORT_FLOATS,
    CPP: (torch.float32,),
    CUDA: (torch.float32,),
    HOPPER: (torch.bfloat16,),
}
# The same where an op's backend differs from the others of its kind.
_OWN_DTYPES: dict[tuple[str, str], tuple[torch.dtype, ...]] = {
    ("residual_block", CUDA): (torch.bfloat16, torch.float16),  # what tensor cores multiply
}
_HOPPER_CAPABILITY = (9, 0)
_LOWEST_CAPABILITY = (8, 0)  # of the CUDA architectures that CMakeLists.txt compiles for


def available_backends(op: str, device_type: str, dtype: torch.dtype | None = None) -> list[str]:
    """Names of the backends of `op` that can run here on tensors of this device type and dtype.

    Without `dtype` it is enough that they can run on one of theirs.
    """
    _check_op(op)
    return [
        name
        for name in BACKENDS[op]
        if _problem(op, name, device_type, (dtype or backend_dtypes(op, name)[0],)) is None
    ]


def backend_dtypes(op: str, backend: str) -> tuple[torch.dtype, ...]:
    """The floating dtypes that a backend of `op` takes."""
    return _OWN_DTYPES.get((op, backend)) or _DTYPES.get(backend, FLOATING)


def resolve_backend(
    op: str,
    requested: str | None,
    *tensors: Tensor,
    limits: Mapping[str, str] | None = None,
) -> str:
    """Name of the backend that will run `op` on these tensors.

    Args:
        op: name of the op, a key of BACKENDS.
        requested: the caller's `backend` argument; None for SIMGAN_BACKEND or the automatic choice.
        tensors: the floating inputs of one call, all on one device.
        limits: backends that cannot take this call because of its shapes, with the reason.

    Raises:
        ValueError: an explicit request (argument or variable) cannot be met; the message says why.
    """
    return _choose(
        op,
        requested,
        os.environ.get("SIMGAN_BACKEND", ""),
        tensors[0].device.type,
        tuple(tensor.dtype for tensor in tensors),
        tuple(limits.items()) if limits else (),
    )


def _choose(
    op: str,
    requested: str | None,
    variable: str,
    device_type: str,
    dtypes: tuple[torch.dtype, ...],
    limits: tuple[tuple[str, str], ...],
) -> str:
    return _cached_choice(op, requested, variable, device_type, dtypes, limits)


# What torch.compiler.assume_constant_result does, without its import of the compiler (seconds): the
# choice is made while tracing and is part of the compiled graph.
_choose.__dict__["_dynamo_marked_constant"] = True


@functools.cache
def _cached_choice(
    op: str,
    requested: str | None,
    variable: str,
    device_type: str,
    dtypes: tuple[torch.dtype, ...],
    limits: tuple[tuple[str, str], ...],
) -> str:
    _check_op(op)
    refused = dict(limits)
    asked, source = requested, "the argument backend"
    if asked is None:
        asked, source = _from_variable(op, variable), "SIMGAN_BACKEND"
    if asked is not None:
        if asked not in BACKENDS[op]:
            names = ", ".join(BACKENDS[op])
            raise ValueError(f"{source} must be one of {names} for {op}, got {asked!r}")
        problem = _problem(op, asked, device_type, dtypes) or refused.get(asked)
        if problem is not None:
            raise ValueError(f"{source} asks for {asked!r}, which cannot run {op} here: {problem}")
        return asked
    for name in AUTOMATIC.get(device_type, (REFERENCE,)):
        if name in (CPP, CUDA, HOPPER) and native().broken:
            warnings.warn(
                f"the native kernels are {native().problem}; using others",
                RuntimeWarning,
                stacklevel=2,
            )
        if name not in BACKENDS[op] or name in refused:
            continue
        if _problem(op, name, device_type, dtypes) is None:
            return name
    return REFERENCE


def _check_op(op: str) -> None:
    if op not in BACKENDS:
        raise ValueError(f"op must be one of {', '.join(BACKENDS)}, got {op!r}")


def requested_backends(text: str | None) -> dict[str, str]:
    """What a request in the language of SIMGAN_BACKEND asks of each op; other ops are left out.

    Raises:
        ValueError: it names an unknown op or backend.
    """
    asked = {op: _from_variable(op, text or "", "backend") for op in BACKENDS}
    return {op: name for op, name in asked.items() if name is not None}


def _from_variable(op: str, variable: str, source: str = "SIMGAN_BACKEND") -> str | None:
    """What SIMGAN_BACKEND asks of this op; None leaves the choice open."""
    known = {name for names in BACKENDS.values() for name in names}
    general = special = None
    for request in filter(None, (part.strip() for part in variable.split(","))):
        target, separator, name = request.rpartition("=")
        if separator and target not in BACKENDS:
            raise ValueError(
                f"{source} must name one of the ops {', '.join(BACKENDS)}, got {target!r}"
            )
        if name not in known:
            raise ValueError(f"{source} must name one of {', '.join(sorted(known))}, got {name!r}")
        if not separator:
            general = name
        elif target == op:
            special = name
    if special is not None:
        return special
    return general if general in BACKENDS[op] else None


def _problem(
    op: str, backend: str, device_type: str, dtypes: tuple[torch.dtype, ...]
) -> str | None:
    """Why `backend` cannot run here on such tensors; None if it can."""
    if device_type == "cuda" and not torch.cuda.is_available():
        return "no CUDA device was found"
    if backend == REFERENCE:
        return None
    problem = _triton_problem(device_type) if backend == TRITON else None
    if backend in (CPP, CUDA, HOPPER):
        problem = _native_problem(backend, device_type)
    if problem is None and op not in COPIES:
        problem = _dtype_problem(op, backend, dtypes)
    return problem


def _dtype_problem(op: str, backend: str, dtypes: tuple[torch.dtype, ...]) -> str | None:
    known = backend_dtypes(op, backend)
    unfit = [dtype for dtype in dtypes if dtype not in known]
    if not unfit:
        return None
    fit = ", ".join(str(dtype) for dtype in FLOATING if dtype in known)
    return f"it takes {fit}, got {unfit[0]}"


def _triton_problem(device_type: str) -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed: install simgan-engine[triton]"
    if device_type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"it needs a CUDA tensor, got one on {device_type}"
    return None


def _native_problem(backend: str, device_type: str) -> str | None:
    wanted = "cpu" if backend == CPP else "cuda"
    if device_type != wanted:
        return f"it needs a tensor on {wanted}, got one on {device_type}"
    state = native()
    if state.module is None:
        return f"the native module is {state.problem}"
    if backend == CPP:
        return None
    if not state.info["cuda"]:
        return "the native module is built without CUDA: no nvcc was found at install"
    return _gpu_problem(backend, state.info["cuda"], torch.cuda.get_device_capability())


def _gpu_problem(backend: str, architectures: list[str], capability: tuple[int, int]) -> str | None:
    """Why this GPU cannot run what the native module holds for it."""
    found = ".".join(map(str, capability))
    if backend == HOPPER and capability != _HOPPER_CAPABILITY:
        return f"it needs a GPU of compute capability 9.0, got {found}"
    if backend == HOPPER and "sm_90a" not in architectures:
        return f"the native module is built for {', '.join(architectures)}, not for sm_90a"
    if capability < _LOWEST_CAPABILITY:
        return f"it needs a GPU of compute capability 8.0 or higher, got {found}"
    return None
