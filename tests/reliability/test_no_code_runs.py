"""Row 6: nothing that a checkpoint holds is ever executed, and pickles are refused by name."""

import json
import os
import pickle
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import Zygote, newest, settings

from simgan.engine.checkpoint import load_checkpoint, verify
from simgan.engine.durable import digest
from simgan.engine.errors import CheckpointError

ROOT = Path(__file__).parent.parent.parent
FORBIDDEN = {
    "pickle": r"\b(import|from)\s+_?c?[pP]ickle\b|\bpickle\.",
    "yaml": r"\byaml\.(unsafe_|full_)?load\(",
    "eval": r"(?<![\w.])eval\(",
    "exec": r"(?<![\w.])exec\(",
    "shell": r"shell\s*=\s*True|os\.system\(|os\.popen\(",
    "torch.load": r"\btorch\.load\(|\bjit\.load\(",
    "numpy objects": r"allow_pickle\s*=\s*True",
}
ALLOWED = {("engine/weights_import.py", "torch.load"), ("engine/weights_import.py", "pickle")}


class Gadget:
    """Unpickling it leaves a file behind."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@pytest.fixture(scope="module")
def finished(zygote: Zygote, quick_root: Path) -> Path:
    values = settings(quick_root / "code", steps=2, keep=1)
    assert zygote.run(train=values)[0] == 0
    return Path(values["out"])


@pytest.fixture
def run(finished: Path, quick_folder: Path) -> Path:
    return Path(shutil.copytree(finished, quick_folder / "run"))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def huge_header(size: int) -> bytes:
    return struct.pack("<Q", size) + b"{" * 64


def rehash(checkpoint: Path) -> None:
    """Make the manifest true again, as an attacker would."""
    manifest = json.loads((checkpoint / "manifest.json").read_bytes())
    for name in manifest["files"]:
        data = (checkpoint / name).read_bytes()
        manifest["files"][name] = {"size": len(data), "blake2b": digest(data)}
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))


def payload(kind: str, canary: Path) -> bytes:
    gadget = pickle.dumps(Gadget(canary))
    if kind == "pickle":
        return gadget
    if kind == "torch":
        file = canary.with_suffix(".archive")
        torch.save({"weights": Gadget(canary)}, file)
        return file.read_bytes()
    if kind == "huge-header":
        return huge_header(2**40)
    if kind == "header-of-everything":
        return huge_header(64)
    return b"\x80\x04" + b"[" * 100_000


def test_the_gadget_really_runs_where_pickles_are_opened(canary: Path) -> None:
    pickle.loads(pickle.dumps(Gadget(canary)))
    assert canary.exists()


@pytest.mark.parametrize("command", ["train", "refine"])
@pytest.mark.parametrize("kind", ["pickle", "torch", "huge-header", "header-of-everything", "deep"])
@pytest.mark.parametrize("name", ["refiner.safetensors", "state.json"])
def test_a_planted_file_with_true_hashes_is_damage_and_never_runs(
    zygote: Zygote, run: Path, canary: Path, name: str, kind: str, command: str
) -> None:
    (newest(run) / name).write_bytes(payload(kind, canary))
    rehash(newest(run))
    order: dict[str, Any] = {
        "train": {"cli": ["train", "--resume", str(run)]},
        "refine": {"call": ["refine_with", {"run": str(run), "output": str(run / "refined")}]},
    }[command]
    watch = ["watch_for_code", str(canary) + ".audit"]
    code, text = zygote.run(**order, plants=[watch])
    assert code == 4, text
    assert "Error: " in text
    assert "Traceback" not in text
    assert not canary.exists()
    assert not Path(str(canary) + ".audit").exists()


@pytest.mark.parametrize("deep", ["state.json", "manifest.json"])
def test_deeply_nested_json_is_damage_and_no_crash(run: Path, deep: str) -> None:
    checkpoint = newest(run)
    (checkpoint / deep).write_text("[" * 200_000)
    if deep != "manifest.json":
        rehash(checkpoint)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/etc/hostname", "a/../../x", "..", ".", "", "a\0b"]
)
def test_a_manifest_cannot_name_files_outside_its_folder(run: Path, name: str) -> None:
    checkpoint = newest(run)
    (checkpoint.parent / "outside.safetensors").write_bytes(b"x")
    manifest = json.loads((checkpoint / "manifest.json").read_bytes())
    manifest["files"][name] = {"size": 1, "blake2b": digest(b"x")}
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=r"is damaged \(.*: missing\)"):
        verify(checkpoint)


@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        "null",
        '{"schema": 1}',
        '{"schema": 1, "files": []}',
        '{"schema": 1, "files": {"refiner.safetensors": 3, "state.json": 4}}',
        '{"schema": 1, "files": {}}',
        '{"schema": 1, "files": {"state.json": {"size": [], "blake2b": {}}}}',
        "not json",
    ],
)
def test_a_manifest_of_the_wrong_types_is_damage(run: Path, manifest: str) -> None:
    (newest(run) / "manifest.json").write_text(manifest)
    with pytest.raises(CheckpointError, match=r"is damaged \(manifest\.json: "):
        load_checkpoint(newest(run))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".PT"])
def test_pickle_files_are_refused_by_name(
    zygote: Zygote, tmp_path: Path, canary: Path, suffix: str
) -> None:
    file = tmp_path / f"network{suffix}"
    file.write_bytes(payload("torch", canary))
    code, text = zygote.run(call=["refine_with", {"checkpoint": str(file)}], cwd=str(tmp_path))
    assert code == 4, text
    assert f"refusing network{suffix}: pickle files can run code." in text
    expected = "Convert it once with 'simgan-engine import-weights' (loads tensors only)."
    assert expected in text
    assert not canary.exists()


def test_no_source_file_can_run_what_it_reads() -> None:
    found = []
    for folder in ("cli", "engine", "kernels"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            code = strip_words(file.read_text())
            for what, pattern in FORBIDDEN.items():
                if (name, what) not in ALLOWED and re.search(pattern, code):
                    found.append(f"{name}: {what}")
    assert found == []


def strip_words(text: str) -> str:
    """Source without comments and strings, which may talk about what code must not do."""
    import io
    import tokenize

    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    kept = [t for t in tokens if t.type not in (tokenize.COMMENT, tokenize.STRING)]
    lines: dict[int, str] = {}
    for token in kept:
        line = lines.get(token.start[0], "")
        lines[token.start[0]] = line.ljust(token.start[1]) + token.string
    return "\n".join(lines.values())


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "x = pickle.loads(b)",
        "yaml.load(text)",
        "eval(text)",
        "exec(text)",
        "run(x, shell=True)",
        "os.system(x)",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_the_gate_sees_each_kind(line: str) -> None:
    assert any(re.search(pattern, strip_words(line + "\n")) for pattern in FORBIDDEN.values())


def test_the_gate_is_not_tripped_by_words() -> None:
    harmless = 'network.eval()  # no pickle.loads\nx = "torch.load(path)"\nexecutor.submit(f)\n'
    assert not any(re.search(pattern, strip_words(harmless)) for pattern in FORBIDDEN.values())
