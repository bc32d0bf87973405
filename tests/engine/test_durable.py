"""Files appear whole or not at all, and a failure keeps the old content."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from simgan.engine.durable import digest, disk_error, replace_file
from simgan.engine.errors import DiskError


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", ["ENOSPC", "EIO", "EDQUOT"])
def test_a_failed_write_keeps_the_old_content_and_leaves_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: str
) -> None:
    file = tmp_path / "state.json"
    replace_file(file, b"old")

    def broken(*arguments: Any) -> None:
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    monkeypatch.setattr(os, call, broken)
    with pytest.raises(DiskError, match=f"cannot write {file}: ") as caught:
        replace_file(file, b"new")
    assert caught.value.exit_code == 7
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_full_disk_is_called_that_with_the_space_that_is_left(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "x")
    assert "disk full (" in disk_error(full, tmp_path / "a").what
    assert f"MB free in {tmp_path})" in disk_error(full, tmp_path / "a").what


def test_another_reason_is_given_in_the_words_of_the_system(tmp_path: Path) -> None:
    denied = OSError(errno.EACCES, os.strerror(errno.EACCES))
    expected = f"cannot write {tmp_path}/a: Permission denied"
    assert disk_error(denied, tmp_path / "a").what == expected


def test_the_digest_is_blake2b_of_128_bits() -> None:
    assert digest(b"") == "cae66941d9efbd404e4d88758ea67670"
