"""CUDA kernels built for the emulator of tests/emulation: no GPU, checked memory, found races."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

SOURCES = Path(__file__).parent / "emulation"
COMPILER = shutil.which(os.environ.get("CXX", "g++"))
FLAGS = (
    *("-std=c++20", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"),
    "-Wno-unknown-pragmas",  # unroll
    "-U_FORTIFY_SOURCE",  # it forbids the fibers' long jumps
)
KIB = 1024


def build(name: str, folder: Path) -> Path:
    """The library of tests/emulation/<name>.cpp, built in `folder` unless it is there."""
    assert COMPILER is not None
    library = folder / f"{name}.so"
    with FileLock(folder / f"{name}.lock"):
        if not library.exists():
            source = str(SOURCES / f"{name}.cpp")
            command = [COMPILER, *FLAGS, f"-I{SOURCES}", source, "-o", f"{library}.part"]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-4000:]
            Path(f"{library}.part").rename(library)
    return library


class Shape(ctypes.Structure):
    """BlockShape of csrc/launchers.h."""

    _fields_ = [(name, ctypes.c_int64) for name in ("images", "height", "width", "channels")]


class Block(ctypes.Structure):
    """HalfBlock of csrc/launchers.h."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in ("input", "filters", "bias1", "bias2", "gate", "between", "output")
    ]


class Trunk(ctypes.Structure):
    """Trunk of csrc/launchers.h."""

    _fields_ = [
        ("maps", Shape),
        ("blocks", ctypes.c_int64),
        ("parameters", ctypes.POINTER(ctypes.c_void_p)),
    ]


class Emulator:
    """An emulated library, and memory whose neighbours fault."""

    def __init__(self, library: Path) -> None:
        self.library = ctypes.CDLL(str(library))
        self.library.last_failure.restype = ctypes.c_char_p
        self.library.allocate.restype = ctypes.c_void_p
        self.library.allocate.argtypes = [ctypes.c_int64]

    def set_gpu(self, multiprocessors: int, shared: int, shared_of_block: int) -> None:
        """Processors, and shared memory of a processor and of a block in KiB."""
        self.library.set_gpu(multiprocessors, shared * KIB, shared_of_block * KIB)

    def run_backwards(self, backwards: bool) -> None:
        """Whether blocks and threads run last to first."""
        self.library.set_falling_order(backwards)

    def reset(self) -> None:
        """An H200's shared memory, few processors, rising order, no memory."""
        self.set_gpu(2, 228, 227)
        self.run_backwards(False)
        self.library.release_all()

    def poisoned(self, shape: tuple[int, ...], stride: tuple[int, ...], dtype: Any) -> Tensor:
        """A dense tensor full of NaN between pages that fault."""
        count = max(1, torch.Size(shape).numel())
        size = count * torch.empty(0, dtype=dtype).element_size()
        memory = (ctypes.c_char * size).from_address(self.library.allocate(size))
        torch.frombuffer(memory, dtype=torch.uint8).fill_(0xFF)  # NaN in every format
        return torch.frombuffer(memory, dtype=dtype).as_strided(shape, stride)

    def guarded(self, tensor: Tensor) -> Tensor:
        """A dense tensor's values between pages that fault."""
        return self.poisoned(tensor.shape, tensor.stride(), tensor.dtype).copy_(tensor)

    def check(self, code: int) -> None:
        """Raise RuntimeError with the emulator's words unless `code` is cudaSuccess."""
        if code != 0:
            raise RuntimeError(f"{code}: {self.library.last_failure().decode()}")


class EmulatedBlock(Emulator):
    """The native module's launchers of the residual block, by the names of csrc/bindings.cpp."""

    def strips(self, size: tuple[int, int, int, int]) -> list[int]:
        """Into how many strips each kernel, block and filters, cuts maps of this size."""
        return [self.library.strips(_shape(list(size)), kernel) for kernel in (0, 1)]

    def residual_block_forward_cuda(
        self, tensors: list[int], maps: list[int], kind: int, stream: int
    ) -> None:
        x, filters, bias1, bias2, hidden, output = tensors
        block = Block(x, filters, bias1, bias2, None, hidden, output)
        self.check(self.library.residual_block(0, ctypes.byref(block), _shape(maps), kind))

    def residual_block_backward_cuda(
        self, tensors: list[int], maps: list[int], kind: int, stream: int
    ) -> None:
        skip, filters, hidden, grad_hidden, grad_x = tensors
        block = Block(skip, filters, None, None, hidden, grad_hidden, grad_x)
        self.check(self.library.residual_block(1, ctypes.byref(block), _shape(maps), kind))

    def residual_block_partials_cuda(self, maps: list[int]) -> int:
        count = ctypes.c_int64()
        self.check(self.library.residual_block_partials(_shape(maps), ctypes.byref(count)))
        return count.value

    def residual_block_filter_gradient_cuda(
        self, tensors: list[int], maps: list[int], kind: int, stream: int
    ) -> None:
        x, grad, *results = map(ctypes.c_void_p, tensors)
        run = self.library.residual_block_filter_gradient
        self.check(run(x, grad, _shape(maps), kind, *results))


class EmulatedTrunk(Emulator):
    """The native module's launchers of the residual blocks on sm_90a."""

    def residual_trunk_sizes_cuda(self, maps: list[int], blocks: int) -> tuple[int, int]:
        kept, workspace = ctypes.c_int64(), ctypes.c_int64()
        trunk = Trunk(Shape(*maps), blocks, None)
        run = self.library.trunk_sizes
        self.check(run(ctypes.byref(trunk), ctypes.byref(kept), ctypes.byref(workspace)))
        return kept.value, workspace.value

    def residual_trunk_forward_cuda(
        self, tensors: list[int], parameters: list[int], maps: list[int], stream: int
    ) -> None:
        trunk = Trunk(Shape(*maps), len(parameters) // 4, _pointers(parameters))
        addresses = map(ctypes.c_void_p, tensors)
        self.check(self.library.trunk_forward(ctypes.byref(trunk), *addresses))

    def residual_trunk_backward_cuda(
        self,
        tensors: list[int],
        parameters: list[int],
        gradients: list[int],
        maps: list[int],
        stream: int,
    ) -> None:
        trunk = Trunk(Shape(*maps), len(parameters) // 4, _pointers(parameters))
        addresses = map(ctypes.c_void_p, tensors)
        run = self.library.trunk_backward
        self.check(run(ctypes.byref(trunk), *addresses, _pointers(gradients)))


def _pointers(addresses: list[int]) -> Any:
    return (ctypes.c_void_p * len(addresses))(*addresses)


def _shape(maps: list[int]) -> Any:
    return ctypes.byref(Shape(*maps))
