"""Heat maps of joints: how they are made of positions, and positions of them.

Positions are (u, v) in px of a 224x224 image, (0, 0) the middle of its top left pixel, whatever the
size of the maps. Nothing here waits for the device.
"""

import torch
from torch import Tensor

SIDE = 224  # px of the paper's images, in which errors are told
SIGMA = 1.0  # cells of a map, as in Newell et al.
FLOOR = 0.01  # of the peak, below which a neighbour counts as that


def targets(joints: Tensor, side: int) -> Tensor:
    """Maps [N, J, side, side] with a Gaussian of height 1 and deviation 1 cell at each joint.

    Args:
        joints: float [N, J, 2]; those outside of the image leave what reaches into it.
        side: of the maps.
    """
    place = (joints + 0.5) * (side / SIDE) - 0.5
    cells = torch.arange(side, device=joints.device, dtype=joints.dtype)
    across, down = (
        torch.exp(-((cells - place[..., axis, None]) ** 2) / (2 * SIGMA**2)) for axis in (0, 1)
    )
    return down[..., :, None] * across[..., None, :]


def decoded(maps: Tensor) -> Tensor:
    """Positions [N, J, 2] of the peaks of maps [N, J, h, h]; NaN where a map holds NaN.

    The greatest cell, moved along each axis to the top of the parabola through the logarithms of it
    and its two neighbours - exact for a Gaussian - by at most half a cell; not beyond the edge.
    """
    side = maps.shape[-1]
    peak, index = maps.flatten(2).max(dim=2)
    row, column = index // side, index % side
    position = []
    for axis, cell in ((-1, column), (-2, row)):
        step = 1 if axis == -1 else side
        inside = (cell > 0) & (cell < side - 1) & (peak > 0)
        middle = torch.where(inside, index, step)  # any cell with neighbours
        floor = FLOOR * peak.clamp_min(torch.finfo(maps.dtype).tiny)
        before, at, after = (
            maps.flatten(2)
            .gather(2, (middle + offset).clamp(0, side * side - 1)[..., None])[..., 0]
            .maximum(floor)
            .log()
            for offset in (-step, 0, step)
        )
        bend = 2 * at - before - after
        move = torch.where(bend > 0, (after - before) / (2 * bend), torch.zeros_like(bend))
        moved = torch.where(inside, move.clamp(-0.5, 0.5), torch.zeros_like(move))
        position.append(cell + moved)
    found = (torch.stack(position, dim=-1) + 0.5) * (SIDE / side) - 0.5
    return found + torch.where(peak.isnan(), peak, torch.zeros_like(peak))[..., None]


def map_loss(maps: Tensor, joints: Tensor) -> Tensor:
    """Mean squared difference from the targets, over images, joints and cells; sum over stacks.

    Args:
        maps: [N, S, J, h, h] of every stack, so that each is supervised.
        joints: [N, J, 2].
    """
    wanted = targets(joints, maps.shape[-1])[:, None]
    return (maps - wanted).square().mean(dim=(0, 2, 3, 4)).sum()
