"""How far small pieces of an image moved, to a fraction of a pixel, by phase correlation.

Cross spectra are partly whitened and low-passed, so that neither contrast nor noise decides; the
peak is located by parabolas. Each estimate is then put in: the second piece is cut out anew where
the first one is believed to be, and what is left is measured again. So the window, which pulls any
single estimate towards 0, pulls no longer at the end.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDS = 6
WHITENING = 0.75  # 0: cross-correlation, 1: pure phase
LOW_PASS = 0.25  # deviation of a Gaussian over frequencies, cycles per px
FARTHEST, NEXT = 5, 2  # px that the first and the later estimates may find
LEAST_ALIKE = 0.5  # correlation of the pieces once they are aligned
LEAST_TEXTURE = 0.05  # of the image's deviation: gradient across the flattest direction, per px
CHUNK = 64  # images at once


@dataclass(frozen=True)
class Shifts:
    """How K pieces of N images moved.

    Attributes:
        shift: float64 [N, K, 2], (x, y) px to the right and down.
        flat: bool [N, K], too little texture to tell.
        unlike: bool [N, K], not recognised again (or moved too far).
    """

    shift: Tensor
    flat: Tensor
    unlike: Tensor


def measure_shifts(first: Tensor, second: Tensor, points: Tensor, side: int) -> Shifts:
    """Shift of the surroundings of each point from the first image to the second.

    Args:
        first, second: brightness [N, H, W].
        points: [N, K, 2], (x, y) px; (0, 0) is the middle of the top left pixel.
        side: of the square pieces, px, odd.
    """
    parts = []
    for start in range(0, len(first), CHUNK):
        a, b, p = (x[start : start + CHUNK].double() for x in (first, second, points))
        parts.append(_measure(a, b, p, side))
    return Shifts(*(torch.cat(group) for group in zip(*parts, strict=True)))


def _measure(
    first: Tensor, second: Tensor, points: Tensor, side: int
) -> tuple[Tensor, Tensor, Tensor]:
    hann = torch.hann_window(side + 2, periodic=False, dtype=first.dtype)[1:-1]
    window = hann[:, None] * hann
    before = pieces(first, points, side)
    shift = torch.zeros_like(points)
    for number in range(ROUNDS):
        after = pieces(second, points + shift, side)
        shift = shift + _peak(before, after, window, FARTHEST if number == 0 else NEXT)
    after = pieces(second, points + shift, side)
    unlike = (_likeness(before, after, window) < LEAST_ALIKE) | (shift.norm(dim=-1) > side / 2)
    deviation = first.flatten(1).std(dim=1)[:, None]
    return shift, texture(before, window) < LEAST_TEXTURE * deviation, unlike


def pieces(x: Tensor, points: Tensor, side: int) -> Tensor:
    """Squares [N, K, side, side] about points [N, K, 2] of [N, H, W], by cubic interpolation."""
    count, height, width = x.shape
    offsets = torch.arange(side, dtype=x.dtype) - (side - 1) / 2
    square = torch.zeros((side, side), dtype=x.dtype)
    columns = points[..., 0, None, None] + offsets + square
    rows = points[..., 1, None, None] + offsets[:, None] + square
    grid = torch.stack((2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1), dim=-1)
    values = F.grid_sample(
        x[:, None],
        grid.reshape(count, -1, side, 2),
        mode="bicubic",
        padding_mode="border",
        align_corners=True,
    )
    return values.reshape(columns.shape)


def texture(squares: Tensor, window: Tensor) -> Tensor:
    """Root mean square gradient in the direction where it is least, per px, [N, K].

    A straight edge has none along itself: there, how far it moved cannot be seen.
    """
    down, right = torch.gradient(squares, dim=(-2, -1))
    share = window / window.sum()
    a, b, c = ((share * g).sum((-2, -1)) for g in (right * right, right * down, down * down))
    least = (a + c) / 2 - torch.sqrt(((a - c) / 2) ** 2 + b * b)
    return least.clamp_min(0).sqrt()


def _centered(squares: Tensor, window: Tensor) -> Tensor:
    return squares - (squares * window).sum((-2, -1), keepdim=True) / window.sum()


def _likeness(before: Tensor, after: Tensor, window: Tensor) -> Tensor:
    """Correlation of windowed pieces, [N, K]."""
    a, b = _centered(before, window), _centered(after, window)
    both, own, other = ((window * p).sum((-2, -1)) for p in (a * b, a * a, b * b))
    return both / (own * other).sqrt().clamp_min(1e-12)


def _peak(before: Tensor, after: Tensor, window: Tensor, reach: int) -> Tensor:
    """Place of the highest correlation at most `reach` px away in x and y, [N, K, 2]."""
    side = window.shape[0]
    a, b = (torch.fft.fft2(_centered(p, window) * window) for p in (before, after))
    cross = a.conj() * b
    size = cross.abs()
    floor = 1e-9 * size.amax((-2, -1), keepdim=True) + 1e-30
    frequency = torch.fft.fftfreq(side, dtype=before.dtype)
    band = torch.exp(-(frequency[:, None] ** 2 + frequency**2) / (2 * LOW_PASS**2))
    found = torch.fft.ifft2(cross / (size + floor) ** WHITENING * band).real
    found = torch.fft.fftshift(found, dim=(-2, -1))
    middle = side // 2
    reach = min(reach, middle - 1)
    near = found[..., middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    place = near.flatten(-2).argmax(-1)
    row = torch.div(place, 2 * reach + 1, rounding_mode="floor") + middle - reach
    column = place % (2 * reach + 1) + middle - reach
    flat = found.flatten(-2)

    def at(rows: Tensor, columns: Tensor) -> Tensor:
        value: Tensor = flat.gather(-1, (rows * side + columns)[..., None])[..., 0]
        return value

    top = at(row, column)
    x = column - middle + _vertex(at(row, column - 1), top, at(row, column + 1))
    y = row - middle + _vertex(at(row - 1, column), top, at(row + 1, column))
    return torch.stack((x, y), dim=-1)


def _vertex(before: Tensor, at: Tensor, after: Tensor) -> Tensor:
    """Where the parabola through three neighbours is highest, -0.5 to 0.5."""
    bend = before - 2 * at + after
    vertex = 0.5 * (before - after) / bend.clamp_max(-1e-30)
    limited: Tensor = vertex.clamp(-0.5, 0.5)
    return limited
