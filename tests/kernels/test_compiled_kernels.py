"""GPU kernels as the compilers make them, without a GPU: spills, registers, tensor cores."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from simgan.kernels.native import native

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed"),
]
ROOT = Path(__file__).parents[2]
REPORT = ROOT / "benchmarks" / "kernel_resources.py"
# Per thread; the widest, a bf16 convolution on sm_80, took 184 with triton 3.7.
MOST_REGISTERS = 192
MOST_SHARED = {"sm_80": 163 * 1024, "sm_90": 227 * 1024}  # bytes that a block may have


def rows(tier: str) -> list[dict[str, str | int]]:
    # A process of its own: in this one Triton's interpreter may have taken the compiler's place.
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, REPORT, "--json", tier],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str | int]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def triton_kernels() -> list[dict[str, str | int]]:
    return rows("triton")


@pytest.fixture(scope="module")
def cuda_kernels() -> list[dict[str, str | int]]:
    if not native().info["cuda"]:
        pytest.skip("the native module is built without CUDA: no nvcc")
    return rows("cuda")


def test_every_triton_kernel_is_compiled_for_both_architectures_and_all_dtypes(
    triton_kernels: list[dict[str, str | int]],
) -> None:
    written = {
        line.removeprefix("def ").partition("(")[0]
        for path in (ROOT / "kernels").glob("*/triton_kernel.py")
        for line in path.read_text().splitlines()
        if line.startswith("def ") and line.partition("(")[0].endswith("_kernel")
    }
    for arch in ("sm_80", "sm_90"):
        compiled = {str(row["kernel"]).split()[0] for row in triton_kernels if row["arch"] == arch}
        assert compiled == written
    names = {str(row["kernel"]).split()[0] for row in triton_kernels if row["dtype"] == "bf16"}
    assert names == written
    assert {row["dtype"] for row in triton_kernels} == {"fp32", "bf16", "fp16"}


def test_no_triton_kernel_spills(triton_kernels: list[dict[str, str | int]]) -> None:
    assert [row for row in triton_kernels if row["stack"] or row["spills"]] == []


def test_triton_kernels_leave_room_for_others(triton_kernels: list[dict[str, str | int]]) -> None:
    for row in triton_kernels:
        assert int(row["registers"]) <= MOST_REGISTERS, row
        assert int(row["shared"]) <= MOST_SHARED[str(row["arch"])] // 2, row


def test_convolutions_of_short_floats_run_on_the_tensor_cores(
    triton_kernels: list[dict[str, str | int]],
) -> None:
    convolutions = [
        row
        for row in triton_kernels
        if str(row["kernel"]).startswith("residual_block") and row["dtype"] in ("bf16", "fp16")
    ]
    assert convolutions
    assert [row for row in convolutions if not row["matrix"]] == []


def test_no_cuda_kernel_spills_on_either_architecture(
    cuda_kernels: list[dict[str, str | int]],
) -> None:
    found = cuda_kernels
    assert {row["arch"] for row in found} == {"sm_80", "sm_90a"}
    for dtype in ("bf16", "fp16"):
        kernels = {str(row["kernel"]).split()[0]: row for row in found if row["dtype"] == dtype}
        assert {"residual_block_kernel", "residual_block_filters_kernel"} <= set(kernels)
    assert {"exchange_rows_kernel", "refiner_loss_kernel"} <= {row["kernel"] for row in found}
    assert [row for row in found if row["stack"] or row["spills"]] == []


def test_the_residual_blocks_of_csrc_run_on_the_tensor_cores(
    cuda_kernels: list[dict[str, str | int]],
) -> None:
    blocks = [
        row
        for row in cuda_kernels
        if re.match(r"residual_(block|trunk)(_filters)?_kernel", str(row["kernel"]))
    ]
    assert {row["arch"] for row in blocks} == {"sm_80", "sm_90a"}
    assert [row for row in blocks if not row["matrix"]] == []
