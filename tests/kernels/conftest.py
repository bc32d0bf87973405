"""What the kernel tests live under: Triton's interpreter where there is no GPU, poisoned memory."""

import os
from typing import Any

import pytest
import torch
from torch import Tensor

# Triton reads it when a kernel is defined, so it is set before any test imports one.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture
def poisoned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh floating tensors hold NaN, so an element that a kernel does not write shows."""

    def poison(make: Any) -> Any:
        def made(*args: Any, **kwargs: Any) -> Tensor:
            tensor: Tensor = make(*args, **kwargs)
            return tensor.fill_(float("nan")) if tensor.is_floating_point() else tensor

        return made

    monkeypatch.setattr(torch, "empty", poison(torch.empty))
    monkeypatch.setattr(torch, "empty_like", poison(torch.empty_like))
    monkeypatch.setattr(Tensor, "new_empty", poison(Tensor.new_empty))
