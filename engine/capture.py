"""A step captured into a CUDA graph: launched as a whole, without Python and without the host."""

from collections.abc import Callable, Hashable

import torch

WARM_UP = 3  # steps before a capture: libraries start up and choose, optimizers make their state


class Capture:
    """Runs a step a few times as it is, captures the next one, and replays it from then on.

    Every call does one step, whichever way. What the step changes must stay at its address while
    the key stays: weights, optimizer state, history, metrics, indices. Its Python runs in the first
    calls only.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._key: Hashable = None
        self._warm = 0

    @property
    def captured(self) -> bool:
        """Whether the next call with the same key is a replay."""
        return self._graph is not None

    def __call__(self, step: Callable[[], object], key: Hashable) -> None:
        """Do one step.

        Args:
            step: what to do; the same for all calls with one key.
            key: a new one drops the graph and begins again.
        """
        if key != self._key:
            if self._graph is not None:
                torch.cuda.current_stream().synchronize()  # a replay may be under way
            self._graph, self._key, self._warm = None, key, 0
        if self._graph is None and self._warm < WARM_UP:
            self._warm += 1
            self._beside(step)
            return
        if self._graph is None:
            self._graph = self._captured(step)
        self._graph.replay()

    def _beside(self, step: Callable[[], object]) -> None:
        """Run a step on the stream of the capture: a graph must not depend on work of another."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            step()
        current.wait_stream(self._stream)

    def _captured(self, step: Callable[[], object]) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        # Only what this thread does is watched: others may pin memory or close files meanwhile.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            step()
        return graph
