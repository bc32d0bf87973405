"""The emulator of sm_90a: bulk copies, byte-counting barriers, wgmma; what is wrong, it tells."""

import ctypes
from collections.abc import Iterator

import pytest
import torch
from emulated import COMPILER, Emulator, build
from torch import Tensor

if COMPILER is None:
    pytest.skip("the emulator needs a C++ compiler", allow_module_level=True)

# In the order of enum Fault in tests/emulation/hopper_faults.cpp, from 1.
FAULTS = {
    "no_product_fence": "wgmma without a wgmma.fence",
    "no_product_wait": "a warp ends before its wgmma",
    "no_async_fence": "wgmma at shared byte .* reads what no fence.proxy.async has shown it",
    "no_async_fence_before_a_store": "cp.async.bulk to global at .* reads what no fence.proxy",
    "no_barrier_wait": "wgmma at shared byte 0 reads bytes that cp.async still brings",
    "too_many_bytes": "deadlock: .*mbarrier.try_wait",
    "an_odd_copy": "cp.async.bulk of 1784 bytes .* not multiples of 16",
    "too_many_arrivals": "the mbarrier at shared byte .* has all its arrivals",
    "a_fragment_changes": "changes a fragment before its wgmma is waited for",
    "a_store_not_awaited": "a thread ends before its cp.async.bulk to global memory",
    "an_early_overwrite": "race: st.shared of thread 0 at shared byte 1792 and a read of thread",
    "too_many_registers": "deadlock: .*setmaxnreg.inc",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    return Emulator(build("hopper_faults", tmp_path_factory.mktemp("emulation")))


@pytest.fixture
def emulator(library: Emulator) -> Iterator[Emulator]:
    library.reset()
    yield library
    library.reset()


def planes(maps: Tensor) -> Tensor:
    """[slots, channels] as [channels / 8 planes, slots, 8 channels]."""
    return maps.unflatten(1, (-1, 8)).transpose(0, 1).contiguous()


def addresses(*tensors: Tensor) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]


def multiply(emulator: Emulator, fault: int) -> tuple[Tensor, Tensor]:
    """[64, 16] x [16, 112] by the emulated tensor core and by torch."""
    torch.manual_seed(5)
    a, b = torch.randn(64, 16).bfloat16(), torch.randn(112, 16).bfloat16()
    out = emulator.poisoned((8, 112, 8), (896, 8, 1), torch.bfloat16)
    arguments = addresses(emulator.guarded(a), emulator.guarded(planes(b)), out)
    emulator.check(emulator.library.multiply(*arguments, fault))
    return out.transpose(0, 1).flatten(1), b.double() @ a.double().T


@pytest.mark.parametrize("backwards", [False, True])
def test_a_right_kernel_gives_the_product(emulator: Emulator, backwards: bool) -> None:
    emulator.run_backwards(backwards)
    result, truth = multiply(emulator, 0)
    torch.testing.assert_close(result.double(), truth, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("fault", range(1, len(FAULTS) + 1), ids=list(FAULTS))
def test_a_wrong_kernel_is_told_what_is_wrong(
    emulator: Emulator, fault: int, backwards: bool
) -> None:
    emulator.run_backwards(backwards)
    with pytest.raises(RuntimeError, match=list(FAULTS.values())[fault - 1]):
        multiply(emulator, fault)
    multiply(emulator, 0)  # the next launch is not harmed


@pytest.mark.parametrize("shift", [-57, -1, 0, 3, 56, 111])
def test_a_descriptor_moves_by_single_slots(emulator: Emulator, shift: int) -> None:
    torch.manual_seed(6)
    maps, weight = torch.randn(336, 64).bfloat16(), torch.randn(64, 64).bfloat16()
    out = emulator.poisoned((64, 112), (112, 1), torch.float32)
    source, filters, to = addresses(emulator.guarded(planes(maps)), emulator.guarded(weight), out)
    emulator.check(emulator.library.check_shift(source, filters, shift, to))
    window = maps[112 + shift : 224 + shift].double()
    torch.testing.assert_close(out.double(), weight.double() @ window.T, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shift", [-57, 0, 56])
def test_a_transposed_operand_has_its_distances_the_documented_way_round(
    emulator: Emulator, shift: int
) -> None:
    torch.manual_seed(7)
    maps, grad = torch.randn(336, 64).bfloat16(), torch.randn(112, 64).bfloat16()
    out = emulator.poisoned((64, 64), (64, 1), torch.float32)
    tensors = (emulator.guarded(planes(maps)), emulator.guarded(planes(grad)), out)
    source, grads, to = addresses(*tensors)
    emulator.check(emulator.library.check_transposed(source, grads, shift, 0, to))
    truth = grad.double().T @ maps[112 + shift : 224 + shift].double()
    torch.testing.assert_close(out.double(), truth, rtol=0, atol=1e-4)
