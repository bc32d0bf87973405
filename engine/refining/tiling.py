"""Refines an image piece by piece with the result of refining it whole."""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

MIN_TILE = 32
Region = tuple[slice, slice]  # rows, columns


def tiles(height: int, width: int, tile: int) -> Iterator[Region]:
    """Rows and columns of the tiles that cover an image, as equal as can be, at most tile x tile.

    No tile is a narrow rest: a CPU's convolution computes very narrow images in another order.
    """
    for rows in _parts(height, tile):
        for columns in _parts(width, tile):
            yield rows, columns


def _parts(length: int, tile: int) -> list[slice]:
    count = -(-length // tile)
    edges = [length * number // count for number in range(count + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def forward_tiled(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    tile: int,
    receptive_field: int,
    at_once: int = 2,
) -> Tensor:
    """`network(x)`, computed in tiles.

    Each tile is read with a border of (receptive_field - 1) / 2 pixels, which is cut off again. At
    the true borders of the image there is nothing to read, so the network pads exactly where it
    would for the whole image: the result does not depend on `tile`. On a CPU it is the same bit for
    bit where the convolution is (see `forward.steady_threads`).

    Args:
        network: fully convolutional, stride 1, keeps height and width; accepts strided input.
        x: [N, C, H, W].
        tile: side of a tile without its border.
        receptive_field: side in pixels of the input square that one output pixel sees.
        at_once: tiles of one shape that go through the network together.
    """
    halo = (receptive_field - 1) // 2
    height, width = x.shape[-2:]
    groups: dict[tuple[int, int], list[tuple[Region, Region]]] = {}
    for region in tiles(height, width, tile):
        seen = _widen(region[0], halo, height), _widen(region[1], halo, width)
        shape = seen[0].stop - seen[0].start, seen[1].stop - seen[1].start
        groups.setdefault(shape, []).append((region, seen))
    result: Tensor | None = None
    for group in groups.values():
        for start in range(0, len(group), at_once):
            part = group[start : start + at_once]
            pieces = network(torch.cat([x[..., rows, columns] for _, (rows, columns) in part]))
            if result is None:
                result = pieces.new_empty((len(x), *pieces.shape[1:-2], height, width))
            for (region, seen), piece in zip(part, torch.split(pieces, len(x)), strict=True):
                rows, columns = _within(region[0], seen[0]), _within(region[1], seen[1])
                result[..., region[0], region[1]] = piece[..., rows, columns]
    assert result is not None
    return result


def _widen(part: slice, halo: int, length: int) -> slice:
    return slice(max(part.start - halo, 0), min(part.stop + halo, length))


def _within(part: slice, seen: slice) -> slice:
    return slice(part.start - seen.start, part.stop - seen.start)
