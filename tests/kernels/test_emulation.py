"""The emulator of CUDA kernels: it calculates as the hardware does, and sees what is wrong."""

import ctypes
import struct
from collections.abc import Iterator

import pytest
import torch
from emulated import COMPILER, Emulator, build
from torch import Tensor

if COMPILER is None:
    pytest.skip("the emulator needs a C++ compiler", allow_module_level=True)

# In the order of enum Fault in tests/emulation/faults.cpp, from 1.
FAULTS = {
    "no_wait": "reads bytes that cp.async still brings",
    "no_barrier": "race: .* of thread .* and a .* of thread .* have no barrier between",
    "a_lane_leaves": "deadlock: from thread 0 at ldmatrix.x4; from thread 5 at its end",
    "a_barrier_diverges": "deadlock: from thread 0 at its end; from thread 32 at __syncthreads",
    "collectives_diverge": "warp . diverges: lane .* is at .*, others at",
    "beyond_shared_memory": "ld.shared at shared byte 1024 is outside the CTA's 1024 bytes",
    "misaligned": "ld.shared at shared byte 2 is misaligned",
    "write_after_read": "race: st.shared of thread .* at shared byte 0 and a read of thread",
    "beyond_a_buffer": "touches 0x.*, which is outside every buffer",
    "a_copy_left_behind": "thread .* ends before its cp.async",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    return Emulator(build("faults", tmp_path_factory.mktemp("emulation")))


@pytest.fixture
def emulator(library: Emulator) -> Iterator[Emulator]:
    library.reset()
    yield library
    library.reset()


def multiply(emulator: Emulator, fault: int, shared: int = 1024) -> tuple[Tensor, Tensor]:
    """The product by the emulated tensor core and by torch."""
    torch.manual_seed(3)
    a, b = torch.randn(16, 16).half(), torch.randn(16, 8).half()
    result = emulator.poisoned((2, 16, 8), (128, 8, 1), torch.float32)
    tensors = (emulator.guarded(a), emulator.guarded(b), result)
    arguments = (ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)
    emulator.check(emulator.library.multiply(*arguments, fault, shared))
    return result.clone(), (a.double() @ b.double()).expand(2, 16, 8)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_right_kernel_gives_the_product(emulator: Emulator, backwards: bool) -> None:
    emulator.run_backwards(backwards)
    result, truth = multiply(emulator, 0)
    torch.testing.assert_close(result.double(), truth, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("fault", range(1, len(FAULTS) + 1), ids=list(FAULTS))
def test_a_wrong_kernel_is_told_what_is_wrong(
    emulator: Emulator, fault: int, backwards: bool
) -> None:
    emulator.run_backwards(backwards)
    message = list(FAULTS.values())[fault - 1]
    if backwards and message.startswith("deadlock"):
        message = "deadlock"
    with pytest.raises(RuntimeError, match=message):
        multiply(emulator, fault)
    multiply(emulator, 0)  # the next launch is not harmed


def test_more_shared_memory_than_asked_for_is_refused(emulator: Emulator) -> None:
    with pytest.raises(RuntimeError, match="more shared memory than was asked for"):
        multiply(emulator, 0, shared=48 * 1024 + 16)


def test_numbers_round_as_in_torch(emulator: Emulator) -> None:
    torch.manual_seed(4)
    values = torch.cat((torch.randn(2000), torch.randn(2000) * 1e-6, torch.randn(500) * 4e4))
    special = torch.tensor([0.0, -0.0, float("inf"), float("-inf"), 65519.0, 65520.0, 6e-8, 2.9e-8])
    values = torch.cat((values, special))
    for name, dtype in (("half_of", torch.float16), ("bfloat16_of", torch.bfloat16)):
        convert = getattr(emulator.library, name)
        convert.argtypes, convert.restype = [ctypes.c_float], ctypes.c_uint16
        bits = torch.tensor([convert(value) for value in values.tolist()], dtype=torch.int32)
        assert torch.equal(bits, values.to(dtype).view(torch.int16).int() & 0xFFFF)
    back = emulator.library.float_of_half
    back.argtypes, back.restype = [ctypes.c_uint16], ctypes.c_float
    for bits in range(0, 65536, 7):
        (expected,) = struct.unpack("<e", struct.pack("<H", bits))
        assert back(bits) == expected or expected != expected
