"""Refines an image piece by piece with the result of refining it whole."""

from collections.abc import Callable, Iterator

from torch import Tensor

MIN_TILE = 32


def tiles(height: int, width: int, tile: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the tiles that cover an image, each at most tile x tile pixels."""
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            yield slice(top, min(top + tile, height)), slice(left, min(left + tile, width))


def forward_tiled(
    network: Callable[[Tensor], Tensor], x: Tensor, *, tile: int, receptive_field: int
) -> Tensor:
    """`network(x)`, computed in tiles.

    Each tile is read with a border of (receptive_field - 1) / 2 pixels, which is cut off again.
    At the true borders of the image there is nothing to read, so the network pads with zeros
    exactly where it would for the whole image: the result does not depend on `tile` (bit for bit
    where a convolution's result does not depend on the size of its input, as on a CPU).

    Args:
        network: fully convolutional, stride 1, keeps height and width; accepts strided input.
        x: [N, C, H, W].
        tile: side of a tile without its border.
        receptive_field: side in pixels of the input square that one output pixel sees.
    """
    halo = (receptive_field - 1) // 2
    height, width = x.shape[-2:]
    result: Tensor | None = None
    for rows, columns in tiles(height, width, tile):
        top, left = max(rows.start - halo, 0), max(columns.start - halo, 0)
        bottom, right = min(rows.stop + halo, height), min(columns.stop + halo, width)
        piece = network(x[..., top:bottom, left:right])
        if result is None:
            result = piece.new_empty((*piece.shape[:-2], height, width))
        inner = piece[..., rows.start - top :, columns.start - left :]
        result[..., rows, columns] = inner[
            ..., : rows.stop - rows.start, : columns.stop - columns.start
        ]
    assert result is not None
    return result
