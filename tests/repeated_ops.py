"""CUDA graphs without a GPU: the operations of a step are noted while it runs and repeated later.

As with a real graph a replay runs no Python of the step: it does the same operations on the same
tensors. What the step keeps on the host, or in tensors that are made anew, therefore stays behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map


class Tape(TorchDispatchMode):
    """Notes every operation with its arguments and results."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        kept = tree_map(lambda leaf: leaf, (args, kwargs))  # the caller may change its lists
        result = func(*args, **kwargs)
        if func.namespace != "profiler":
            self.calls.append((func, *kept, result))
        return result

    @torch.no_grad()
    def repeat(self) -> None:
        """Do it all again; results go where those of the first time are."""
        for func, args, kwargs, result in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class TapedGraph:
    """Stands for torch.cuda.CUDAGraph; a capture does the step, so the first replay rests."""

    made: list["TapedGraph"]

    def __init__(self) -> None:
        self.tape = Tape()
        self.replays = 0
        self.made.append(self)

    def replay(self) -> None:
        if self.replays:
            self.tape.repeat()
        self.replays += 1


class _Stream:
    def __init__(self, device: object = None) -> None:
        self.device = device

    def wait_stream(self, other: "_Stream") -> None:
        assert isinstance(other, _Stream)

    def synchronize(self) -> None:
        pass


@contextmanager
def _capturing(graph: TapedGraph, stream: _Stream, capture_error_mode: str) -> Iterator[None]:
    with graph.tape:
        yield


def tape_graphs(monkeypatch: pytest.MonkeyPatch) -> list[TapedGraph]:
    """Let CUDA graphs be tapes on the CPU, and runs use them; the list of those that are made."""
    TapedGraph.made = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", TapedGraph)
    monkeypatch.setattr(torch.cuda, "graph", _capturing)
    monkeypatch.setattr(torch.cuda, "Stream", _Stream)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "current_stream", _Stream)
    monkeypatch.setattr("simgan.engine.stepper.obstacle", lambda training: None)
    return TapedGraph.made
