"""The CUDA kernels as the compiler leaves them: every register in the file, none in memory."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

NVCC = shutil.which("nvcc")
SOURCE = Path(__file__).parents[2] / "csrc" / "cuda" / "residual_block.cu"


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
