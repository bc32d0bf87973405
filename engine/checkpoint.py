"""Checkpoints: folders of safetensors and JSON that appear whole or not at all, checked by hashes.

Layout: NAME/{refiner,discriminator,...}.safetensors, state.json, manifest.json (size and
blake2b-128 of each). Protocol: hidden temporary folder, each file synced, manifest synced last,
folder synced, renamed, parent synced, `latest` replaced, older folders pruned. Only safetensors
and JSON are ever opened.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from simgan.engine.durable import DISK_FULL, digest, replace_file, sync_folder, write_synced
from simgan.engine.errors import CheckpointError, DiskError
from simgan.engine.failpoints import failpoint

SCHEMA = 1
_NAME = re.compile(r"(step-|pretraining-[01])(\d+)")
PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".tar")


class OtherFormatError(CheckpointError):
    """A sound checkpoint of another version of the format: nothing to set aside."""


@dataclass
class Checkpoint:
    """What a checkpoint folder holds.

    Attributes:
        path: the folder.
        tensors: file stem ("refiner", "history", ...) to the tensors in it, on the CPU.
        state: everything else, as plain JSON values.
    """

    path: Path
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def save_checkpoint(
    folder: Path,
    name: str,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    headers: Mapping[str, dict[str, str]] | None = None,
) -> Path:
    """Write `folder/name`, or leave everything as it was.

    Args:
        folder: the run's checkpoints folder; its older checkpoints are never touched here.
        name: of the new checkpoint; sorts after the older ones.
        tensors: file stem to tensors.
        state: JSON values.
        headers: safetensors header strings by file stem.
    Raises:
        DiskError: the disk is full or a file cannot be written; nothing is left of the attempt.
    """
    beside = folder / f".tmp-{name}"
    final = folder / name
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        _write_files(beside, tensors, state, headers or {})
        sync_folder(beside)
        failpoint("checkpoint.before_rename")
        _set_aside(final)
        os.rename(beside, final)
        failpoint("checkpoint.after_rename")
        sync_folder(folder)
        replace_file(folder / "latest", (name + "\n").encode())
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise _save_error(error, folder, name, tensors) from error
    return final


def _write_files(
    folder: Path,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    headers: Mapping[str, dict[str, str]],
) -> None:
    manifest: dict[str, Any] = {"schema": SCHEMA, "files": {}}

    def put(name: str, data: bytes) -> None:
        failpoint(f"checkpoint.write.{name}")
        write_synced(folder / name, data)
        manifest["files"][name] = {"size": len(data), "blake2b": digest(data)}

    for stem, group in tensors.items():
        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in group.items()}
        put(f"{stem}.safetensors", safetensors.torch.save(plain, headers.get(stem)))
    put("state.json", json.dumps(dict(state), indent=1).encode())
    failpoint("checkpoint.write.manifest.json")
    write_synced(folder / "manifest.json", json.dumps(manifest, indent=1).encode())


def _save_error(
    error: OSError, folder: Path, name: str, tensors: Mapping[str, Mapping[str, Tensor]]
) -> DiskError:
    need = sum(tensor.nbytes for group in tensors.values() for tensor in group.values())
    older = checkpoints(folder)
    kept = f"Previous checkpoint {spoken(older[-1].name)} is intact." if older else ""
    if error.errno in DISK_FULL:
        free = shutil.disk_usage(folder).free
        reason = (
            f"disk full (need {need / 1e6:,.0f} MB, free {free / 1e6:,.0f} MB in {folder.parent})"
        )
    else:
        reason = error.strerror or str(error)
    return DiskError(f"cannot write checkpoint {spoken(name)}: {reason}. {kept}".rstrip())


def spoken(name: str) -> str:
    """'step-00001300' -> 'step 1,300'; 'pretraining-10000007' -> 'step 7 of pre-training D'."""
    match = _NAME.fullmatch(name)
    if match is None:
        return name
    phase, number = match[1], f"step {int(match[2]):,}"
    return number if phase == "step-" else f"{number} of pre-training {'RD'[phase[-1] == '1']}"


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first (`pretraining-...` before `step-...`).

    A name is given only to what is complete; what has been damaged since, `verify` finds.
    """
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())


def clean_leftovers(*folders: Path) -> None:
    """Remove what a killed process left half written or deleted. Call it under the run's lock."""
    for folder in folders:
        for path in (*folder.glob(".tmp-*"), *folder.glob(".del-*")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def prune(folder: Path, keep: int, best: str | None = None) -> None:
    """Remove all but the newest `keep` checkpoints and the one named `best`."""
    for path in checkpoints(folder)[:-keep]:
        if path.name != best:
            failpoint("checkpoint.prune")
            _set_aside(path)


def _set_aside(path: Path) -> None:
    """Delete a checkpoint so that it is whole or gone, never half there."""
    if path.exists():
        doomed = path.with_name(f".del-{path.name}")
        os.rename(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def verify(path: Path) -> None:
    """Check every file of a checkpoint against its manifest.

    Raises:
        CheckpointError: naming the file that is missing, of another size or of another hash.
    """
    manifest = _manifest(path)
    for name, expected in manifest["files"].items():
        file = path / name
        if Path(name).name != name or not file.is_file():
            raise CheckpointError(f"{path} is damaged ({name}: missing)")
        data = file.read_bytes()
        if len(data) != expected["size"]:
            raise CheckpointError(
                f"{path} is damaged ({name}: {len(data)} bytes, expected {expected['size']})"
            )
        if digest(data) != expected["blake2b"]:
            raise CheckpointError(f"{path} is damaged ({name}: hash mismatch)")


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "manifest.json"
    try:
        manifest = json.loads(file.read_bytes())
        schema, files = manifest["schema"], manifest["files"]
        entries = [(name, entry["size"], entry["blake2b"]) for name, entry in files.items()]
    except FileNotFoundError:
        raise CheckpointError(f"{path} is not a checkpoint (manifest.json: missing)") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged (manifest.json: {error})") from error
    if schema != SCHEMA:
        raise OtherFormatError(
            f"{path} has checkpoint format {schema}, this version reads format {SCHEMA}",
            fix="Use the version of simgan-engine that wrote it.",
        )
    if not {"refiner.safetensors", "state.json"} <= {name for name, _, _ in entries}:
        raise CheckpointError(f"{path} is damaged (manifest.json: lists no refiner)")
    return {"files": files}


def load_checkpoint(path: Path) -> Checkpoint:
    """Verify and read a checkpoint folder.

    Raises:
        CheckpointError: it is missing, damaged, or holds anything but safetensors and JSON.
    """
    refuse_pickle(path)
    verify(path)
    tensors = {}
    try:
        for name in _manifest(path)["files"]:
            if name.endswith(".safetensors"):
                tensors[name.removesuffix(".safetensors")] = safetensors.torch.load_file(
                    path / name
                )
        state = json.loads((path / "state.json").read_bytes())
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({error})") from error
    return Checkpoint(path, tensors, state)


def newest_checkpoint(
    folder: Path, warn: Callable[[str], None] = lambda text: None, *, quarantine: bool = False
) -> Path:
    """The newest checkpoint whose hashes hold; damaged ones are told of and may be set aside.

    Args:
        folder: the run's checkpoints folder.
        warn: is given one sentence per damaged checkpoint.
        quarantine: rename damaged folders to NAME.bad; only while holding the run's lock.
    Raises:
        CheckpointError: there is none, every one is damaged, or the newest is of another format.
    """
    found = checkpoints(folder)
    damaged = []
    for path in reversed(found):
        try:
            verify(path)
        except OtherFormatError:
            raise
        except CheckpointError as error:
            damaged.append((path, error.what.removeprefix(str(path))))
            continue
        for bad, reason in damaged:
            warn(f"{spoken(bad.name)}{reason}. Using {spoken(path.name)}.")
            if quarantine:
                shutil.rmtree(bad.with_name(bad.name + ".bad"), ignore_errors=True)
                os.rename(bad, bad.with_name(bad.name + ".bad"))
        return path
    if damaged:
        raise CheckpointError(
            f"every checkpoint in {folder} is damaged",
            where="; ".join(f"{bad.name}{reason}" for bad, reason in damaged),
        )
    raise CheckpointError(f"{folder.parent} has no checkpoint yet", fix="Train it first.")


def verified_file(path: Path, name: str) -> Path:
    """The file `name` of a run's newest checkpoint, of a checkpoint folder, or `path` itself.

    Raises:
        CheckpointError: nothing is there, it is damaged, or it is a pickle.
    """
    refuse_pickle(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"{path} does not exist")
    if (path / "checkpoints").is_dir():
        path = newest_checkpoint(path / "checkpoints")
    verify(path)
    return path / name


def refuse_pickle(path: Path) -> None:
    """Refuse files of the formats that can run code when they are opened."""
    if path.suffix.lower() in PICKLE_SUFFIXES and not path.is_dir():
        raise CheckpointError(
            f"refusing {path.name}: pickle files can run code.",
            fix="Convert it once with 'simgan-engine import-weights' (loads tensors only).",
        )
