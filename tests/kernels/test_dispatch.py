"""Which backend runs: argument, then SIMGAN_BACKEND, then the best proved one."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from simgan.kernels import dispatch, patch_cross_entropy
from simgan.kernels.dispatch import AUTOMATIC, BACKENDS, available_backends, resolve_backend
from simgan.kernels.native import Native, native
from simgan.kernels.residual_block import block_limits

LOGITS = torch.zeros(1, 2, 1, 1)
CE = "patch_cross_entropy"
built = pytest.mark.skipif(native().module is None, reason=f"native module {native().problem}")


@pytest.fixture(autouse=True)
def fresh_choices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("SIMGAN_BACKEND", raising=False)
    dispatch._cached_choice.cache_clear()
    yield
    dispatch._cached_choice.cache_clear()


def pretend_native(monkeypatch: pytest.MonkeyPatch, state: Native) -> None:
    monkeypatch.setattr(dispatch, "native", lambda: state)


def test_the_argument_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMGAN_BACKEND", "triton")
    assert resolve_backend(CE, "reference", LOGITS) == "reference"


def test_the_variable_wins_over_the_automatic_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMGAN_BACKEND", "reference")
    assert {resolve_backend(op, None, LOGITS) for op in BACKENDS} == {"reference"}


@built
def test_the_automatic_choice_on_a_cpu_is_the_native_kernel() -> None:
    assert resolve_backend(CE, None, LOGITS) == "cpp"
    assert resolve_backend("residual_block", None, LOGITS) == "cpp"


@built
def test_limits_of_a_call_move_the_automatic_choice_and_refuse_a_request() -> None:
    limits = {"cpp": "it takes multiples of 16 channels, got 24"}
    assert resolve_backend("residual_block", None, LOGITS, limits=limits) == "reference"
    with pytest.raises(ValueError, match=r"cannot run residual_block here: it takes multiples"):
        resolve_backend("residual_block", "cpp", LOGITS, limits=limits)


def test_a_kernel_that_never_ran_on_a_gpu_is_not_chosen_there() -> None:
    assert AUTOMATIC["cuda"] == ("reference",)


def test_the_automatic_choice_falls_back_for_a_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        assert resolve_backend(CE, None, LOGITS.to(dtype)) == "reference"


def test_the_automatic_choice_falls_back_without_the_native_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend_native(monkeypatch, Native(None, "not built: no C++ compiler found at install"))
    assert {resolve_backend(op, None, LOGITS) for op in BACKENDS} == {"reference"}
    assert "cpp" not in available_backends(CE, "cpu")
    assert patch_cross_entropy(LOGITS, 0).item() == pytest.approx(0.6931472)


def test_a_module_that_was_never_built_is_told_from_a_broken_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend_native(monkeypatch, Native(None, "not built: no C++ compiler found at install"))
    with pytest.raises(ValueError, match=r"the native module is not built: no C\+\+ compiler"):
        resolve_backend(CE, "cpp", LOGITS)
    pretend_native(monkeypatch, Native(None, "broken: undefined symbol", broken=True))
    with pytest.raises(ValueError, match="the native module is broken: undefined symbol"):
        resolve_backend(CE, "cpp", LOGITS)


def test_a_broken_module_is_told_before_another_backend_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend_native(monkeypatch, Native(None, "broken: undefined symbol", broken=True))
    with pytest.warns(RuntimeWarning, match="native kernels are broken: undefined symbol"):
        assert resolve_backend(CE, None, LOGITS) == "reference"


def test_the_cuda_backend_says_when_it_was_built_without_cuda(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = SimpleNamespace(native_info=lambda: {"cuda": []})
    pretend_native(monkeypatch, Native(module, ""))  # type: ignore[arg-type]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    problem = dispatch._problem(CE, "cuda", "cuda", (torch.float32,))
    assert problem == "the native module is built without CUDA: no nvcc was found at install"


def test_a_backend_of_one_op_may_take_other_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(native_info=lambda: {"cuda": ["sm_80"]})
    pretend_native(monkeypatch, Native(module, ""))  # type: ignore[arg-type]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    problem = dispatch._problem("residual_block", "cuda", "cuda", (torch.float32,))
    assert problem == "it takes torch.bfloat16, torch.float16, got torch.float32"
    assert dispatch._problem("residual_block", "cuda", "cuda", (torch.bfloat16,)) is None
    assert dispatch._problem(CE, "cuda", "cuda", (torch.float32,)) is None
    assert "cuda" in available_backends("residual_block", "cuda")
    assert "cuda" not in available_backends("residual_block", "cuda", torch.float32)
    assert "cuda" in available_backends("residual_block", "cuda", torch.float16)


@pytest.mark.parametrize(
    ("architectures", "capability", "dtype", "problem"),
    [
        (["sm_80", "sm_90a"], (9, 0), torch.bfloat16, None),
        (["sm_80", "sm_90a"], (9, 0), torch.float16, "it takes torch.bfloat16, got torch.float16"),
        (
            ["sm_80", "sm_90a"],
            (10, 0),
            torch.bfloat16,
            "it needs a GPU of compute capability 9.0, got 10.0",
        ),
        (
            ["sm_80"],
            (9, 0),
            torch.bfloat16,
            "the native module is built for sm_80, not for sm_90a",
        ),
    ],
)
def test_the_hopper_backend_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
    architectures: list[str],
    capability: tuple[int, int],
    dtype: torch.dtype,
    problem: str | None,
) -> None:
    module = SimpleNamespace(native_info=lambda: {"cuda": architectures})
    pretend_native(monkeypatch, Native(module, ""))  # type: ignore[arg-type]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert dispatch._problem("residual_block", "hopper", "cuda", (dtype,)) == problem


def test_the_hopper_backend_is_never_the_automatic_choice() -> None:
    assert all("hopper" not in names for names in AUTOMATIC.values())


@pytest.mark.parametrize(
    ("channels", "kernel", "columns", "reason"),
    [
        (64, 3, 110, None),
        (64, 3, 111, "it takes maps up to 110 wide, got 111"),
        (32, 3, 55, "it takes 64 channels, got 32"),
        (64, 7, 55, "it takes 3x3 kernels, got 7x7"),
    ],
)
def test_the_hopper_backend_names_its_limits(
    channels: int, kernel: int, columns: int, reason: str | None
) -> None:
    assert block_limits(channels, kernel, columns).get("hopper") == reason


@pytest.mark.parametrize(
    ("op", "asked", "tensor", "message"),
    [
        (
            CE,
            "metal",
            LOGITS,
            "the argument backend must be one of reference, triton, cpp, cuda for "
            "patch_cross_entropy, got 'metal'",
        ),
        (
            CE,
            "cuda",
            LOGITS,
            "the argument backend asks for 'cuda', which cannot run patch_cross_entropy here: "
            "it needs a tensor on cuda, got one on cpu",
        ),
        (
            CE,
            "triton",
            LOGITS.double(),
            "the argument backend asks for 'triton', which cannot run patch_cross_entropy here: "
            "it takes torch.float32, torch.bfloat16, torch.float16, got torch.float64",
        ),
    ],
)
def test_a_request_that_cannot_be_met_says_why(
    monkeypatch: pytest.MonkeyPatch, op: str, asked: str, tensor: torch.Tensor, message: str
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(ValueError) as caught:
        resolve_backend(op, asked, tensor)
    assert str(caught.value) == message


def test_triton_on_a_cpu_needs_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ValueError, match="it needs a CUDA tensor, got one on cpu"):
        resolve_backend(CE, "triton", LOGITS)


def test_triton_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"install simgan-engine\[triton\]"):
        resolve_backend(CE, "triton", LOGITS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_without_a_gpu_nothing_is_available_on_cuda() -> None:
    assert available_backends(CE, "cuda") == []


def test_a_bare_name_in_the_variable_asks_only_ops_that_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BACKENDS, "residual_block", ("reference", "cpp"))
    monkeypatch.setenv("SIMGAN_BACKEND", "cuda")
    assert resolve_backend("residual_block", "reference", LOGITS) == "reference"
    assert dispatch._from_variable("residual_block", "cuda") is None
    assert dispatch._from_variable(CE, "cuda") == "cuda"
    monkeypatch.setenv("SIMGAN_BACKEND", "cpp")
    with pytest.raises(ValueError, match=r"SIMGAN_BACKEND asks for 'cpp', which cannot run"):
        resolve_backend(CE, None, LOGITS.double())


def test_the_variable_can_ask_one_op(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv("SIMGAN_BACKEND", "reference, patch_cross_entropy=triton")
    assert resolve_backend(CE, None, LOGITS) == "triton"
    assert resolve_backend("self_regularization", None, LOGITS) == "reference"


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("gpu", "SIMGAN_BACKEND must name one of cpp, cuda, reference, triton, got 'gpu'"),
        ("conv=triton", "SIMGAN_BACKEND must name one of the ops residual_block, "),
        (
            "residual_block=cuda",
            "SIMGAN_BACKEND must be one of reference, triton, cpp for residual_block",
        ),
    ],
)
def test_a_variable_that_asks_for_nothing_known_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, message: str
) -> None:
    monkeypatch.setitem(BACKENDS, "residual_block", ("reference", "triton", "cpp"))
    monkeypatch.setenv("SIMGAN_BACKEND", variable)
    with pytest.raises(ValueError) as caught:
        resolve_backend("residual_block", None, LOGITS)
    assert str(caught.value).startswith(message)


def test_an_unknown_op_is_refused() -> None:
    with pytest.raises(ValueError, match="op must be one of residual_block, "):
        available_backends("conv", "cpu")
