"""answers.jsonl: every act of every rater, a line each, on the disk before it counts."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simgan.engine.durable import disk_error, sync_folder
from simgan.engine.errors import DataError
from simgan.engine.failpoints import failpoint

ANSWERS_FILE = "answers.jsonl"


def read_lines(file: Path) -> list[dict[str, Any]]:
    """What was written; a last line without its end is one that a killed process was writing.

    Raises:
        DataError: another line is damaged.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    found = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise DataError(f"{file} is damaged: line {number} is no JSON object")
        found.append(value)
    return found


class AnswerLog:
    """The file of a test that is going on; its folder must be locked.

    Args:
        file: answers.jsonl; made when it is missing, cut back to its last whole line.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            with open(file, "ab+") as log:
                log.seek(0)
                whole = log.read().rpartition(b"\n")
                log.truncate(len(whole[0]) + len(whole[1]))
                os.fsync(log.fileno())
            sync_folder(file.parent)
        except OSError as error:
            raise disk_error(error, file) from error

    def append(self, act: Mapping[str, Any]) -> None:
        """Add a line and force it to the disk.

        Raises:
            DiskError: it could not be written; the file is as before.
        """
        line = (json.dumps(act, ensure_ascii=False) + "\n").encode()
        before = self.file.stat().st_size
        try:
            with open(self.file, "ab") as log:
                log.write(line)
                failpoint("turing.answer")
                log.flush()
                os.fsync(log.fileno())
        except OSError as error:
            os.truncate(self.file, before)
            raise disk_error(error, self.file) from error
