"""The folder that a measurement writes its results to: made before the work, never used twice."""

from pathlib import Path

from simgan.engine.durable import disk_error
from simgan.engine.errors import ConfigError


def new_result_folder(out: str | None, file: str, what: str) -> Path | None:
    """Make the folder, before anything is trained or measured.

    Args:
        out: as the user named it; None for no folder.
        file: that is written last, and shows that the folder is taken.
        what: it would hold then, for example "an evaluation".
    Raises:
        ConfigError: it already holds one.
        DiskError: it cannot be made.
    """
    if out is None:
        return None
    folder = Path(out)
    if (folder / file).exists():
        raise ConfigError(f"{folder} already holds {what}", fix="Choose another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    return folder
