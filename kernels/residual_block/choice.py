"""Which backends can run residual blocks of a shape, and which one does."""

import torch
from torch import Tensor

from simgan.kernels.dispatch import CPP, CUDA, HOPPER, TRITON, resolve_backend
from simgan.kernels.residual_block.padding import ZEROS

_TRITON_CHANNELS = (16, 32, 64)  # a tile holds all channels, a power of two
_CPP_CHANNELS = 16  # the longest vector
_CPP_KERNELS = (3, 5, 7, 9)  # whose error is measured; wider ones could be cut into parts as well
_CUDA_CHANNELS = (16, 32, 48, 64)  # a warp's registers hold the sums of all
_HOPPER_CHANNELS = 64  # a warpgroup's registers hold all filters of a convolution
_HOPPER_COLUMNS = 110  # a chunk and the rows around it lie in shared memory


def block_limits(
    channels: int, kernel: int, columns: int = 1, *, padding: str = ZEROS
) -> dict[str, str]:
    """Backends that cannot take blocks of this width, filter size and padding, with the reason.

    `columns` is the width of the maps, where it is known.
    """
    found = {}
    if channels not in _TRITON_CHANNELS:
        found[TRITON] = f"it takes {_TRITON_CHANNELS} channels, got {channels}"
    if channels % _CPP_CHANNELS:
        found[CPP] = f"it takes multiples of {_CPP_CHANNELS} channels, got {channels}"
    if channels not in _CUDA_CHANNELS:
        found[CUDA] = f"it takes {_CUDA_CHANNELS} channels, got {channels}"
    if channels != _HOPPER_CHANNELS:
        found[HOPPER] = f"it takes {_HOPPER_CHANNELS} channels, got {channels}"
    elif columns > _HOPPER_COLUMNS:
        found[HOPPER] = f"it takes maps up to {_HOPPER_COLUMNS} wide, got {columns}"
    if kernel not in _CPP_KERNELS:
        found[CPP] = f"it takes kernels of side {_CPP_KERNELS}, got {kernel}x{kernel}"
    if kernel != 3:
        found[CUDA] = found[HOPPER] = f"it takes 3x3 kernels, got {kernel}x{kernel}"
    if padding != ZEROS:
        found[CUDA] = found[HOPPER] = f"it takes padding {ZEROS}, got {padding}"
    return found


def calculates_in_channels_last(
    x: Tensor,
    channels: int,
    kernel: int,
    backend: str | None = None,
    *,
    padding: str = ZEROS,
) -> bool:
    """Whether `residual_block` lays its maps out anew unless they are channels_last.

    One conversion in front of a chain of blocks then saves several in every block.

    Args:
        x: a tensor of the dtype and on the device of the maps.
        channels, kernel, padding: of the blocks.
        backend: as asked of `residual_block`.
    """
    chosen = backend_of_blocks(x, channels, kernel, backend, padding=padding)
    return chosen in (CPP, TRITON, CUDA, HOPPER)


def backend_of_blocks(
    x: Tensor,
    channels: int,
    kernel: int,
    backend: str | None = None,
    columns: int = 1,
    *,
    padding: str = ZEROS,
) -> str:
    """The backend that `residual_block` takes for such maps; arguments as above.

    Raises:
        ValueError: the asked backend cannot run here.
    """
    device_type = x.device.type
    if torch.is_autocast_enabled(device_type):
        x = x.new_empty(0, dtype=torch.get_autocast_dtype(device_type))
    refused = block_limits(channels, kernel, columns, padding=padding)
    return resolve_backend("residual_block", backend, x, limits=refused)
