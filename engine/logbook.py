"""metrics.jsonl and TensorBoard files of a run."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simgan.engine.durable import disk_error
from simgan.engine.errors import DiskError
from simgan.engine.failpoints import failpoint

_NOT_PLOTTED = ("phase", "step")


class Logbook:
    """One JSON object a line, appended; cut back on resume so that no step stands in it twice.

    Args:
        path: of metrics.jsonl.
        tensorboard: folder for TensorBoard's event files, or None.
        offset: bytes to keep of an existing file (None: all).
        purge_step: TensorBoard hides what it has from this step on.
    """

    def __init__(
        self,
        path: Path,
        *,
        tensorboard: Path | None = None,
        offset: int | None = None,
        purge_step: int | None = None,
    ) -> None:
        self.path = path
        self.path.touch()
        if offset is not None:
            self.cut(offset)
        self._board: Any = None
        if tensorboard is not None:
            self._board = _summary_writer(tensorboard, purge_step)

    @property
    def offset(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size

    def cut(self, offset: int) -> None:
        """Forget what was written after `offset`."""
        os.truncate(self.path, min(offset, self.offset))

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; `row["step"]` is the global step.

        Raises:
            DiskError: the disk is full; TensorBoard's files end there, they cannot be mended.
        """
        line = (json.dumps(dict(row)) + "\n").encode()
        before = self.offset
        try:
            with open(self.path, "ab") as file:
                failpoint("logbook.write")
                file.write(line)
        except OSError as error:
            self.cut(before)  # half a line would spoil the next one too
            raise disk_error(error, self.path) from error
        for name, value in row.items():
            if name not in _NOT_PLOTTED and isinstance(value, int | float):
                self._plot(f"{row['phase']}/{name}", value, row["step"])

    def _plot(self, tag: str, value: float, step: int) -> None:
        self._on_board(lambda board: board.add_scalar(tag, value, step))

    def image(self, name: str, image: Tensor, step: int) -> None:
        """Show an image [H, W, 3] uint8 in TensorBoard.

        Raises:
            DiskError: the disk is full.
        """
        self._on_board(lambda board: board.add_image(name, image, step, dataformats="HWC"))

    def close(self) -> None:
        """Flush TensorBoard's files, as far as the disk lets them."""
        with suppress(DiskError):
            self._on_board(lambda board: board.close())

    def _on_board(self, act: Callable[[Any], None]) -> None:
        """Do something to TensorBoard's writer; one that failed fails at everything after."""
        if self._board is None:
            return
        try:
            act(self._board)
        except OSError as error:
            self._board = None
            raise disk_error(error, self.path.parent / "tensorboard") from error


def _summary_writer(folder: Path, purge_step: int | None) -> Any:
    """TensorBoard's writer, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=purge_step)


def image_tensor(pixels: Any) -> Tensor:
    """A numpy image [H, W, 3] uint8 as the tensor `Logbook.image` takes."""
    return torch.from_numpy(pixels)
