"""Measures what decides the design of the GPU kernels, in under five minutes on one GPU.

    python benchmarks/gpu_micro.py [FILE]     the report goes to FILE, by default
                                              build/gpu-micro/report.json

The programs of benchmarks/micro/ are compiled with nvcc and run: whether wgmma may read a moved
operand, its rates, that of mma.sync, bandwidth from the L2 cache. With torch: bandwidth of device
memory, a large matrix product, cuDNN's convolutions at the refiner's sizes, the refiner's residual
blocks by backend "hopper" (if this install has it), the clock under load.

Exit codes: 0 all was measured and is right; 1 something failed or is wrong; 3 no CUDA device.
"""

import functools
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "gpu-micro"
PROGRAMS = ("wgmma", "mma_sync", "bandwidth")
NO_DEVICE = 3
HEIGHT, WIDTH, CHANNELS = 35, 55, 64
BATCHES = (512, 4096)
Report = dict[str, Any]


def main(words: list[str]) -> int:
    """Measure all; print and write down every part when it is done."""
    import torch

    if not torch.cuda.is_available():
        print(f"gpu-micro: nothing was run, torch {torch.__version__} finds no CUDA device")
        return NO_DEVICE
    path = Path(words[0]) if words else FOLDER / "report.json"
    FOLDER.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    report: Report = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    parts: dict[str, Callable[[], Report]] = {
        **{name: functools.partial(_program, name) for name in PROGRAMS},
        **{"memory": _memory, "matrix_product": _matrix_product, "convolutions": _convolutions},
        **{"clock": _clock, "trunk": _trunk},  # a kernel that has never run comes last
    }
    for name, part in parts.items():
        try:
            report[name] = part()
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            report[name] = {"error": str(error)}
        path.write_text(json.dumps(report, indent=1) + "\n")
        _print_part(name, report[name])
    failed = [name for name in parts if _wrong(report[name])]
    print(f"gpu-micro: {'failed: ' + ', '.join(failed) if failed else 'all right'}; {path}")
    return 1 if failed else 0


def _wrong(part: Report) -> bool:
    return "error" in part or part.get("right") is False


def _program(name: str) -> Report:
    """Compile and run one program; its JSON, or what went wrong."""
    binary, source = FOLDER / name, ROOT / "benchmarks" / "micro" / f"{name}.cu"
    build = ["nvcc", "-std=c++17", "-O3", "-gencode=arch=compute_90a,code=sm_90a"]
    build += ["-o", str(binary), str(source)]
    try:
        for command in (build, [str(binary)]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
            if done.returncode and not done.stdout.startswith("{"):
                return {"error": f"{command[0]}: {done.stderr[-500:]}"}
        report: Report = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    return report


def _median_ms(run: Callable[[], object], repeats: int = 15) -> float:
    """Median time of one call by CUDA events, after three warm-up calls."""
    import torch

    times = []
    for i in range(repeats + 3):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        stop.record()
        stop.synchronize()
        if i >= 3:
            times.append(start.elapsed_time(stop))
    return statistics.median(times)


def _memory() -> Report:
    """Copy of 4 GB within device memory; bytes read plus bytes written."""
    import torch

    source = torch.randint(256, (4 << 30,), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    ms = _median_ms(lambda: target.copy_(source))
    return {"copy_gbps": 2 * source.numel() / ms / 1e6}


def _matrix_product() -> Report:
    import torch

    size = 8192
    a, b = (torch.randn(size, size, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    ms = _median_ms(lambda: a @ b)
    return {"size": size, "ms": ms, "tflops": 2 * size**3 / ms / 1e9}


def _convolutions() -> Report:
    """cuDNN in bf16, channels_last: TFLOP/s of the refiner's convolutions, times of the first."""
    import torch

    torch.backends.cudnn.benchmark = True
    return {str(batch): _convolutions_at(batch) for batch in BATCHES}


def _convolutions_at(batch: int) -> Report:
    import torch

    def maps(channels: int) -> torch.Tensor:
        made = torch.randn(batch, channels, HEIGHT, WIDTH, dtype=torch.bfloat16, device="cuda")
        return made.to(memory_format=torch.channels_last)

    def filters(inputs: int) -> torch.Tensor:
        made = torch.randn(CHANNELS, inputs, 3, 3, dtype=torch.bfloat16, device="cuda")
        return made.to(memory_format=torch.channels_last)

    x, skip, grad, weight, one, first = (
        maps(64),
        maps(64),
        maps(64),
        filters(64),
        maps(1),
        filters(1),
    )
    bias = torch.randn(CHANNELS, dtype=torch.bfloat16, device="cuda")
    where = ([1, 1], [1, 1], [1, 1])  # stride, padding, dilation

    def backward(at: torch.Tensor, by: torch.Tensor, mask: list[bool]) -> object:
        return torch.ops.aten.convolution_backward(
            grad, at, by, None, *where, False, [0, 0], 1, mask
        )

    runs: dict[str, Callable[[], object]] = {
        "forward": lambda: torch.conv2d(x, weight, None, *where),
        "forward_bias": lambda: torch.conv2d(x, weight, bias, *where),
        "by_data": lambda: backward(x, weight, [True, False, False]),
        "by_filters": lambda: backward(x, weight, [False, True, False]),
        "relu": lambda: torch.cudnn_convolution_relu(x, weight, bias, *where, 1),
        "add_relu": lambda: torch.cudnn_convolution_add_relu(x, weight, skip, 1, bias, *where, 1),
        "first_forward": lambda: torch.conv2d(one, first, bias, *where),
        "first_by_filters": lambda: backward(one, first, [False, True, False]),
    }
    found: Report = {}
    for name, run in runs.items():
        try:
            ms = _median_ms(run)
        except RuntimeError as error:
            found[name] = {"refused": str(error).splitlines()[0][:120]}
            continue
        inputs = 1 if name.startswith("first") else CHANNELS
        flop = 2 * batch * HEIGHT * WIDTH * CHANNELS * inputs * 9
        found[name] = {"ms": ms, "tflops": flop / ms / 1e9}
    return found


def _trunk() -> Report:
    """The four residual blocks by backend "hopper": checked against float64, then timed."""
    try:
        from simgan.kernels.dispatch import HOPPER, available_backends
    except ModuleNotFoundError as error:
        return {"refused": str(error)}
    if HOPPER not in available_backends("residual_block", "cuda"):
        return {"refused": "no GPU of compute capability 9.0, or no kernels for it"}
    x, blocks = _trunk_inputs(8)
    ours, plain = _chain(x, blocks, HOPPER), _chain(x, blocks, "reference")
    wide = [tuple(tensor.double() for tensor in block) for block in blocks]
    truth = _chain(x.double(), wide, "reference")
    errors = [((one.double() - truth).norm() / truth.norm()).item() for one in (ours, plain)]
    found: Report = {"error_ours": errors[0], "error_torch": errors[1]}
    found["right"] = errors[0] <= 2 * errors[1]
    for batch in BATCHES if found["right"] else ():
        x, blocks = _trunk_inputs(batch)
        for name in (HOPPER, "reference"):
            found[f"{name}_{batch}"] = _timed_trunk(x, blocks, name)
    return found


def _trunk_inputs(batch: int) -> tuple[Any, list[tuple[Any, ...]]]:
    """Maps [batch, 64, 35, 55], channels_last, and four blocks, bfloat16."""
    import torch

    def made(*shape: int, scale: float) -> torch.Tensor:
        return (torch.randn(*shape, device="cuda") * scale).bfloat16()

    pairs = [(made(64, 64, 3, 3, scale=0.06), made(64, scale=1.0)) for _ in range(8)]
    x = made(batch, CHANNELS, HEIGHT, WIDTH, scale=1.0).to(memory_format=torch.channels_last)
    return x, [(*pairs[at], *pairs[at + 1]) for at in range(0, 8, 2)]


def _chain(x: Any, blocks: list[tuple[Any, ...]], backend: str) -> Any:
    import torch

    from simgan.kernels import residual_trunk

    with torch.no_grad():
        return residual_trunk(x, blocks, backend=backend)


def _timed_trunk(x: Any, blocks: list[tuple[Any, ...]], backend: str) -> Report:
    """Forward alone; forward and backward at the training batch."""
    import torch

    from simgan.kernels import residual_trunk

    batch = x.shape[0]
    ms = _median_ms(lambda: _chain(x, blocks, backend))
    flop = 2 * batch * HEIGHT * WIDTH * CHANNELS * CHANNELS * 9 * 2 * len(blocks)
    found: Report = {"ms": ms, "images_per_s": 1e3 * batch / ms, "tflops": flop / ms / 1e9}
    if batch == min(BATCHES):
        leaves = [tensor.detach().requires_grad_() for block in blocks for tensor in block]
        own = [tuple(leaves[at : at + 4]) for at in range(0, len(leaves), 4)]
        start, grad = x.detach().requires_grad_(), torch.randn_like(x)

        def both() -> object:
            return torch.autograd.grad(
                residual_trunk(start, own, backend=backend), [start, *leaves], grad
            )

        found["both_ms"] = _median_ms(both)
        found["both_tflops"] = 3 * flop / found["both_ms"] / 1e9
    return found


def _clock() -> Report:
    """SM clock and power while convolutions run, as nvidia-smi samples them."""
    import torch

    x = torch.randn(4096, 64, HEIGHT, WIDTH, dtype=torch.bfloat16, device="cuda")
    x = x.to(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3, dtype=torch.bfloat16, device="cuda")
    weight = weight.to(memory_format=torch.channels_last)
    samples = []
    fields = "clocks.sm,power.draw,temperature.gpu"
    for _ in range(5):
        for _ in range(200):  # some 0.7 s of work, longer than one look takes
            torch.conv2d(x, weight, None, 1, 1)
        look = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
        done = subprocess.run(look, capture_output=True, text=True, timeout=20, check=True)
        samples.append(done.stdout.strip().splitlines()[0])
        torch.cuda.synchronize()
    return {"fields": fields, "samples": samples}


def _print_part(name: str, part: Report) -> None:
    """One line, and one more for each of its cases."""
    plain = {key: value for key, value in part.items() if not isinstance(value, (dict, list))}
    print(f"{name:16} {json.dumps(plain)}", flush=True)
    for key, value in part.items():
        cases = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        for case in cases:
            print(f"{'':16} {key} {json.dumps(case)}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
