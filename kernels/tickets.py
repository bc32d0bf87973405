"""Counters by which the blocks of one launch find out which of them is the last to finish."""

import torch
from torch import Tensor

_STREAMS = 256  # with a counter of their own, per device
_pools: dict[int, tuple[dict[int, int], tuple[Tensor, ...]]] = {}  # by device: stream to counter


def ticket(device: torch.device) -> Tensor:
    """int32 [1] on `device`, 0 before and after every launch that takes it.

    Launches that may run at the same time must not share one, so each stream has its own. A CUDA
    graph keeps that of the stream it was captured on: graphs of one stream must not be replayed
    side by side.

    Raises:
        RuntimeError: more than 256 streams of the device asked for one.
    """
    if device.type != "cuda":
        return torch.zeros(1, dtype=torch.int32, device=device)
    index = device.index if device.index is not None else torch.cuda.current_device()
    if index not in _pools:
        if torch.cuda.is_current_stream_capturing():
            # What is made during a capture holds nothing before the graph's first replay.
            return torch.zeros(1, dtype=torch.int32, device=device)
        counters = torch.zeros(_STREAMS, 1, dtype=torch.int32, device=device)
        torch.cuda.current_stream(index).synchronize()  # once: other streams will use them
        _pools[index] = {}, counters.unbind()
    places, tickets = _pools[index]
    place = places.setdefault(torch.cuda.current_stream(index).cuda_stream, len(places))
    if place >= _STREAMS:
        raise RuntimeError(f"at most {_STREAMS} streams of a device can use this kernel")
    return tickets[place]
