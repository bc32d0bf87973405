"""The CUDA kernels as the compiler leaves them: every register in the file, none in memory."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

NVCC = shutil.which("nvcc")
ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "csrc" / "cuda" / "residual_block.cu"


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="nvcc was not found")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a"])
def test_the_residual_block_spills_no_register(architecture: str, tmp_path: Path) -> None:
    assert NVCC is not None
    command = [NVCC, "-std=c++17", f"-arch={architecture}", "-Xptxas=-v", "-c", str(SOURCE)]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "object")], capture_output=True, text=True, check=True
    )
    report = done.stdout + done.stderr
    spills = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", report)
    # Forward, backward and filters for two dtypes and four widths, and the sum for two dtypes.
    assert len(spills) == 3 * 2 * 4 + 2
    assert set(spills) == {("0", "0")}


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="nvcc was not found")
@pytest.mark.parametrize(
    ("source", "kernels"),
    [("csrc/cuda/residual_trunk.cu", 8), ("benchmarks/micro/wgmma.cu", 10)],
)
def test_on_sm_90a_nothing_spills_and_no_wgmma_waits(
    tmp_path: Path, source: str, kernels: int
) -> None:
    assert NVCC is not None
    command = [NVCC, "-std=c++17", "-gencode=arch=compute_90a,code=sm_90a", "-Xptxas=-v", "-cubin"]
    command += ["-o", str(tmp_path / "cubin"), str(ROOT / source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = done.stdout + done.stderr
    sizes = r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    assert re.findall(sizes, report) == [("0", "0", "0")] * kernels
    # C7510 and those after it say that a wgmma is serialized, C7508 that setmaxnreg is ignored.
    assert re.findall(r"\(C75\d\d\).*", report) == []
