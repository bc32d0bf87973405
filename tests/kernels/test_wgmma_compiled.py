"""The sm_90a kernels as the compiler leaves them: nothing spilled, no wgmma serialized."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

NVCC = shutil.which("nvcc")
ROOT = Path(__file__).parents[2]


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
