"""The record of a refined set: which images are done, and with what.

While the work goes on, manifest.jsonl is a journal: a line `{"writing": [...]}` before files are
written, a line per image after. At the end it is rewritten with one line per image, in the
input's order. manifest.json says what the set was made with. Both are reproducible: no times, no
machine.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from simgan.engine.durable import disk_error, replace_file
from simgan.engine.errors import DataError
from simgan.engine.failpoints import failpoint

TOOL = "simgan-engine refine"

# Names of what a refined set was made with, for the sentence when they differ.
_SPOKEN = {
    "checkpoint": "another checkpoint",
    "value_range": "another value range",
    "format": "another --format",
    "policy": "other data settings",
    "amp": "another --amp",
}


@dataclass(frozen=True)
class Entry:
    """One refined image.

    Attributes:
        name: in the source.
        file: in the output, relative and POSIX; the name again for a member of an array.
        input: blake2b-128 of the input file, or of dtype, shape and pixels of an array's member.
        output: blake2b-128 of the output file, or of the pixels of an array's member.
        dtype: uint8 or uint16.
        size: height, width, channels.
        labels: label files carried with it, output name to blake2b-128.
    """

    name: str
    file: str
    input: str
    output: str
    dtype: str
    size: tuple[int, int, int]
    labels: dict[str, str] = field(default_factory=dict)


class RefinedManifest:
    """The journal and the summary of one output.

    Args:
        journal: manifest.jsonl.
        summary: manifest.json.
        output: for the messages.

    Attributes:
        entries: finished images by name.
        claimed: output files that a run has begun to write.
        published: blake2b-128 of an array file that was about to be put in place.
    """

    def __init__(self, journal: Path, summary: Path, output: Path) -> None:
        self.journal = journal
        self.summary = summary
        self.output = output
        self.entries: dict[str, Entry] = {}
        self.claimed: set[str] = set()
        self.published: str | None = None
        self._file: BinaryIO | None = None

    def load(self, identity: Mapping[str, Any], names: Iterable[str]) -> None:
        """Read what an earlier run left.

        Raises:
            DataError: the files there are not ours, or the set was made with something else.
        """
        if not self.summary.exists():
            if self.journal.exists():
                raise DataError(
                    f"{self.journal} exists and was not written by refine", fix=_ELSEWHERE
                )
            return
        before = self._read_summary()
        for key, value in before.items():
            if key in identity and identity[key] != value:
                raise DataError(
                    f"{self.output} was refined with {_SPOKEN.get(key, 'another ' + key)}: "
                    f"{_brief(value)}, now {_brief(identity[key])}",
                    fix=_ELSEWHERE,
                )
        self._read_journal()
        unknown = self.entries.keys() - set(names)
        if unknown:
            raise DataError(
                f"{self.output} holds {len(unknown):,} refined images that are not in the input "
                f"(first: {min(unknown)})",
                fix=_ELSEWHERE,
            )

    def _read_summary(self) -> dict[str, Any]:
        try:
            value = json.loads(self.summary.read_bytes())
        except ValueError:
            value = None
        if not isinstance(value, dict) or value.get("tool") != TOOL:
            raise DataError(f"{self.summary} exists and was not written by refine", fix=_ELSEWHERE)
        self.published = value.get("published")
        self.claimed.update(value.get("set_files", ()))
        made_with = value.get("made_with")
        return made_with if isinstance(made_with, dict) else {}

    def _read_journal(self) -> None:
        if not self.journal.exists():
            return
        with open(self.journal, "rb") as lines:
            for line in lines:
                try:
                    value = json.loads(line)
                    self._take(value)
                except (ValueError, TypeError, KeyError):
                    continue  # the line a killed process was writing

    def _take(self, value: dict[str, Any]) -> None:
        if "writing" in value:
            self.claimed.update(value["writing"])
        elif "publishing" in value:
            self.published = value["publishing"]
        else:
            entry = Entry(**{**value, "size": tuple(value["size"])})
            self.entries[entry.name] = entry

    def owned(self) -> set[str]:
        """Output files that this set's runs wrote, or may have begun to write."""
        owned = set(self.claimed)
        for entry in self.entries.values():
            owned.add(entry.file)
            owned.update(entry.labels)
        return owned

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Put both files in place for a run that goes on from `entries`."""
        claimed = sorted(self.owned())
        lines: list[dict[str, Any]] = [{"writing": claimed}] if claimed else []
        if self.published:
            lines.append({"publishing": self.published})
        self._write_summary({"tool": TOOL, "complete": False, "made_with": dict(identity)})
        replace_file(self.journal, _lines(lines + [vars(e) for e in self.entries.values()]))
        self._file = open(self.journal, "ab")  # noqa: SIM115 - closed by close()

    def claim(self, files: Sequence[str]) -> None:
        """Say which files are written next, so that a killed run's files are known as ours."""
        self.claimed.update(files)
        self._append([{"writing": list(files)}])

    def publish(self, digest: str) -> None:
        """Say which array file is put in place next."""
        self.published = digest
        self._append([{"publishing": digest}])

    def record(self, entries: Sequence[Entry]) -> None:
        """Say that images are done; their files are in place."""
        failpoint("refine.manifest")
        self._append([vars(entry) for entry in entries])
        self.entries.update((entry.name, entry) for entry in entries)

    def _append(self, values: Sequence[Mapping[str, Any]]) -> None:
        assert self._file is not None
        try:
            self._file.write(_lines(values))
            self._file.flush()
        except OSError as error:
            raise disk_error(error, self.journal) from error

    def finish(self, names: Sequence[str], summary: Mapping[str, Any]) -> None:
        """Rewrite the journal in the input's order and say that the set is complete."""
        self.close()
        done = [vars(self.entries[name]) for name in names if name in self.entries]
        replace_file(self.journal, _lines(done))
        own = {name for entry in self.entries.values() for name in (entry.file, *entry.labels)}
        value = {"tool": TOOL, "complete": True, **summary}
        value["set_files"] = sorted(self.claimed - own)
        if self.published:
            value["published"] = self.published
        self._write_summary(value)

    def close(self) -> None:
        """Close the journal."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_summary(self, value: Mapping[str, Any]) -> None:
        self.summary.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.summary, (json.dumps(value, indent=2) + "\n").encode())


_ELSEWHERE = "Choose another --output, or remove this one."


def _lines(values: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def _brief(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def files_below(root: Path) -> set[str]:
    """Every file and link below a folder, relative and POSIX."""
    found = set()
    for folder, folders, files in os.walk(root):
        base = Path(folder).relative_to(root).as_posix()
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*files, *links):
            found.add(name if base == "." else f"{base}/{name}")
    return found
