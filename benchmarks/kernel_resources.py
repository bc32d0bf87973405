"""What every GPU kernel takes of a multiprocessor, without a GPU: registers, shared memory, spills.

    python benchmarks/kernel_resources.py                  a table in Markdown
    python benchmarks/kernel_resources.py triton --json    one tier's rows for machines

Triton kernels are compiled for sm_80 and sm_90 with the signatures of real launches: the launchers
run on CPU tensors and what they would start is noted down instead. The kernels of csrc/cuda are
read from the built module. Both need triton, for its compiler and its cuobjdump.

Exit codes: 0 done; 3 triton is not installed, or TRITON_INTERPRET=1 replaces its compiler.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

CAPABILITIES = (80, 90)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
NO_TRITON = 3
NAMES = {
    torch.float32: "fp32",
    torch.bfloat16: "bf16",
    torch.float16: "fp16",
    torch.int8: "i8",
    torch.uint8: "u8",
    torch.int16: "i16",
    torch.int32: "i32",
    torch.int64: "i64",
}
TYPES = {"__nv_bfloat16": "bf16", "__half": "fp16", "j": "uint32_t", "h": "uint8_t"}  # of csrc/cuda


@dataclass(frozen=True)
class Row:
    """One compiled kernel.

    Attributes:
        kernel: name of the function, with the compile-time switches that are on.
        dtype: of the images ("fp32", ...); of csrc/cuda the template argument, if any.
        registers: per thread.
        shared: bytes per block; of csrc/cuda without what a launch asks for (dynamic).
        stack: bytes of local memory per thread: spills, and arrays that found no registers.
        spills: instructions that load from or store to local memory.
        matrix: instructions on the tensor cores.
    """

    tier: str
    kernel: str
    dtype: str
    arch: str
    registers: int
    shared: int
    stack: int
    spills: int
    matrix: int


@dataclass(frozen=True)
class Launch:
    """A kernel and what a launcher gave it."""

    function: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]


def triton_rows() -> Iterator[Row]:
    """Every launch of every Triton kernel, in every dtype, compiled for every capability."""
    seen = set()
    for dtype in DTYPES:
        for launch in launches(dtype):
            source, options, label = _source(launch)
            for capability in CAPABILITIES:
                key = (source.hash(), capability)
                if key not in seen:
                    seen.add(key)
                    yield _compiled(source, options, label, NAMES[dtype], capability)


def launches(dtype: torch.dtype) -> list[Launch]:
    """What the launchers start for images of `dtype`: 35x55, 64 channels, 9x14 patches."""
    from triton.runtime.jit import JITFunction

    noted: list[Launch] = []

    def note(self: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:
        noted.append(Launch(self, arguments, options))

    run, JITFunction.run = JITFunction.run, note
    try:
        for start in (_block, _losses, _history):
            start(dtype)
    finally:
        JITFunction.run = run
    return noted


def _block(dtype: torch.dtype) -> None:
    from simgan.kernels.residual_block import triton_kernel

    x = torch.zeros(16, 64, 35, 55, dtype=dtype)
    for size in (3, 7) if dtype is torch.bfloat16 else (3,):
        weight, bias = torch.zeros(64, 64, size, size, dtype=dtype), torch.zeros(64, dtype=dtype)
        output, hidden = triton_kernel.forward(x, weight, bias, weight, bias)
        triton_kernel.backward(output, x, hidden, output, weight, weight, [True] * 5)
    weight, bias = torch.zeros(64, 64, 3, 3, dtype=dtype), torch.zeros(64, dtype=dtype)
    output, hidden = triton_kernel.forward(x, weight, bias, weight, bias, padding="replicate")
    saved = (x, hidden, output, weight, weight)
    triton_kernel.backward(output, *saved, [True] * 5, padding="replicate")


def _losses(dtype: torch.dtype) -> None:
    from simgan.kernels.patch_cross_entropy import triton_kernel as entropy
    from simgan.kernels.refiner_loss import triton_kernel as refiner_loss
    from simgan.kernels.self_regularization import triton_kernel as distance

    grad = torch.ones(())
    logits, images = torch.zeros(16, 2, 9, 14, dtype=dtype), torch.zeros(16, 1, 35, 55, dtype=dtype)
    entropy.forward(logits, 0)
    entropy.backward(grad, logits, 0)
    distance.forward(images, images)
    distance.backward(grad, images, images)
    *_, slopes, signs = refiner_loss.forward(logits, images, images, 0.5, [True, True])
    refiner_loss.backward(grad, slopes, signs, 0.5, dtype, dtype)


def _history(dtype: torch.dtype) -> None:
    from simgan.kernels.history_exchange import triton_kernel as exchange
    from simgan.kernels.history_replace import triton_kernel as replace

    buffer = torch.zeros(64, 1, 35, 55, dtype=dtype)
    replace.replace_(buffer, buffer[:16].clone(), torch.arange(16))
    exchange.exchange_(buffer, buffer[:16].clone(), torch.zeros(2, dtype=torch.int64))


def _source(launch: Launch) -> tuple[Any, dict[str, Any], str]:
    """The kernel specialised as Triton does it at a launch, its options, and a readable label."""
    from triton.compiler import ASTSource

    names = launch.function.arg_names
    given = dict(zip(names, launch.arguments, strict=False))
    given |= {name: value for name, value in launch.options.items() if name in names}
    options = {name: value for name, value in launch.options.items() if name not in names}
    signature: dict[str, str] = {}
    constants: dict[tuple[int, ...], Any] = {}
    attributes: dict[tuple[int, ...], list[list[Any]]] = {}
    for place, name in enumerate(names):
        value = given[name]
        signature[name] = _type(value, launch.function.params[place].is_constexpr)
        if signature[name] == "constexpr":
            constants[(place,)] = value
        elif _address(value) % 16 == 0:
            attributes[(place,)] = [["tt.divisibility", 16]]
    switches = [name for name in names if given[name] is True]
    size = f"{given['K']}x{given['K']}" if "K" in given else ""
    label = " ".join(filter(None, (launch.function.__name__, size, *switches)))
    return ASTSource(launch.function, signature, constants, attributes), options, label


def _type(value: Any, constant: bool) -> str:
    if constant or (isinstance(value, int) and value == 1):
        return "constexpr"
    if isinstance(value, Tensor):
        return f"*{NAMES[value.dtype]}"
    if isinstance(value, float):
        return "fp32"
    return "i32" if value < 2**31 else "i64"


def _address(value: Any) -> int:
    """What Triton tests for divisibility by 16."""
    if isinstance(value, Tensor):
        return value.data_ptr()
    return value if isinstance(value, int) else 1


def _compiled(source: Any, options: dict[str, Any], label: str, dtype: str, capability: int) -> Row:
    import triton
    from triton.backends.compiler import GPUTarget

    kernel = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(kernel.asm["cubin"])
        ((_, usage),) = _usages(_tool("--dump-resource-usage", cubin))
        ((_, code),) = _codes(_tool("--dump-sass", cubin))
    shared = max(usage["SHARED"], kernel.metadata.shared)
    return _row("triton", label, dtype, f"sm_{capability}", {**usage, "SHARED": shared}, code)


def cuda_rows() -> Iterator[Row]:
    """Every kernel of csrc/cuda for every architecture in the built module; none without CUDA."""
    from simgan.kernels.native import native

    state = native()
    if state.module is None or not state.info["cuda"]:
        return
    path = Path(str(state.module.__file__))
    for arch in state.info["cuda"]:
        codes = dict(_codes(_tool("--dump-sass", path, "--gpu-architecture", arch)))
        text = _tool("--dump-resource-usage", path, "--gpu-architecture", arch)
        for mangled, usage in _usages(text):
            name, template = _demangled(mangled)
            yield _row("cuda", name, template, arch, usage, codes[mangled])


def _row(tier: str, kernel: str, dtype: str, arch: str, usage: dict[str, int], code: str) -> Row:
    return Row(
        tier,
        kernel,
        dtype,
        arch,
        registers=usage["REG"],
        shared=usage["SHARED"],
        stack=max(usage["STACK"], usage["LOCAL"]),
        spills=len(re.findall(r"\b(?:LDL|STL)\b", code)),
        matrix=len(re.findall(r"\b[HIQ]G?MMA\b", code)),
    )


def _tool(*words: str | Path) -> str:
    spec = find_spec("triton")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "backends/nvidia/bin/cuobjdump"
    return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout


def _usages(text: str) -> Iterator[tuple[str, dict[str, int]]]:
    for name, numbers in re.findall(r"Function (\S+):\s*\n\s*(.*)", text):
        fields = (field.split(":") for field in numbers.split())
        yield name, {field[0].partition("[")[0]: int(field[-1]) for field in fields}


def _codes(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("Function : ")[1:]:
        name, _, code = part.partition("\n")
        yield name.strip(), code


def _demangled(symbol: str) -> tuple[str, str]:
    """Name of a kernel with its numbers, and its type, out of its Itanium symbol."""
    for found in re.finditer(r"(?=(\d{1,2})([a-z]\w*?_kernel)(I?))", symbol):
        length, name, opened = found.groups()
        if len(name) == int(length):
            end = found.start() + len(length) + len(name) + len(opened)
            types, numbers = _arguments(symbol[end:]) if opened else ("", "")
            return f"{name} {numbers}".strip(), types
    return symbol, ""


def _arguments(text: str) -> tuple[str, str]:
    """Types and numbers in front of the E that closes a list of template arguments."""
    types, numbers = [], []
    while not text.startswith("E"):
        if number := re.match(r"L[a-z](\d+)E", text):
            numbers.append(number[1])
            text = text[number.end() :]
        elif length := re.match(r"\d+", text):
            end = length.end() + int(length[0])
            types.append(text[length.end() : end])
            text = text[end:]
        else:
            types.append(text[0])
            text = text[1:]
    return " ".join(TYPES.get(name, name) for name in types), " ".join(numbers)


def markdown(rows: list[Row]) -> str:
    """The rows as a table."""
    names = list(asdict(rows[0]))
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(map(str, asdict(row).values()))} |" for row in rows]
    return "\n".join(lines)


def main(words: list[str]) -> int:
    """Print the rows."""
    if find_spec("triton") is None or os.environ.get("TRITON_INTERPRET") == "1":
        print("kernel-resources: it needs triton and its compiler", file=sys.stderr)
        return NO_TRITON
    tiers: dict[str, Callable[[], Iterator[Row]]] = {"triton": triton_rows, "cuda": cuda_rows}
    asked = [tier for tier in tiers if tier in words] or list(tiers)
    rows = [row for tier in asked for row in tiers[tier]()]
    as_json = json.dumps([asdict(row) for row in rows], indent=1)
    print(as_json if "--json" in words else markdown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
