"""Errors a user can cause or must act on: what happened, where, what to do, and an exit code."""


class EngineError(Exception):
    """Base of every error the engine raises on purpose.

    Args:
        what: one sentence, what is wrong (it names the file or option, what was expected, what
            came).
        where: the file, key or step, when `what` does not already name it.
        fix: one sentence, what to do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__("\n".join(part for part in (what, where, fix) if part))
        self.what = what
        self.where = where
        self.fix = fix


class ConfigError(EngineError, ValueError):
    """A setting is unknown, of the wrong type or outside its range."""

    exit_code = 3


class DataError(EngineError, ValueError):
    """Input data is missing, unreadable, ambiguous or inconsistent."""

    exit_code = 3


class CheckpointError(EngineError):
    """A checkpoint is missing, damaged, unsafe or does not fit."""

    exit_code = 4


class DivergedError(EngineError):
    """Training became non-finite and the permitted rollbacks did not help."""

    exit_code = 5


class DeviceMemoryError(EngineError):
    """The smallest possible piece of work does not fit into memory."""

    exit_code = 6


class DiskError(EngineError, OSError):
    """The disk is full or a file cannot be written."""

    exit_code = 7


class LockedError(EngineError):
    """Another process holds the run folder."""

    exit_code = 8


class CheckFailedError(EngineError):
    """A check that the user asked for did not hold."""

    exit_code = 9


class Interrupted(EngineError):  # noqa: N818 - a signal is not an error
    """A signal stopped the work after its state was saved; the exit code is 128 + the signal."""

    def __init__(self, what: str, *, signal_number: int, fix: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.exit_code = 128 + signal_number
