"""The roofline picture."""

from pathlib import Path
from typing import Any

import pytest

from simgan.engine.benchmark.roofline_plot import plot_roofline

CEILINGS = {"flop_per_s": 3e11, "bytes_per_s": 2e10}


def report() -> dict[str, Any]:
    """Every kind of row: drawn ones, and those that the picture must leave out."""
    reached = {"gflop_per_s": 90.0, "gb_per_s": 0.9, "of_floor": 0.3, "mode": None}
    rows = [
        {"case": "refine", "variant": name, **reached, "gflop_per_s": gflop}
        for name, gflop in (("torch eager", 90.0), ("torch.compile", 110.0), ("simgan-engine", 310))
    ]
    block = {**reached, "case": "residual_block", "mode": "forward"}
    rows.append({**block, "variant": "cpp", "chosen": True})
    rows.append({**block, "variant": "reference", "chosen": False})
    rows.append({"case": "step", "variant": "torch.compile", "skipped": "left out"})
    rows.append({"case": "loop", "variant": "training loop"})
    header = {
        "ceilings": CEILINGS,
        "gpu": None,
        "cpu": "A CPU",
        "threads": 2,
        "precision": "cpu, float32",
        "batch": 32,
        "commit": None,
        "date": "2026-01-01T00:00:00Z",
    }
    return {"header": header, "cases": rows}


def test_plot_is_a_png_of_readable_size(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, the extra 'plots', is not installed")
    from PIL import Image

    path = tmp_path / "roofline.png"
    plot_roofline(report(), path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width >= 1600
        counts = {color: n for n, color in picture.convert("RGB").getcolors(1 << 20) or ()}
    for drawn in ((0x1F, 0x5F, 0xA8), (0xE0, 0x8A, 0x1E), (0xC4, 0xC4, 0xC4)):
        assert counts[drawn] > 1000  # ours, torch.compile, eager
    assert (0x3C, 0x9A, 0x5F) not in counts  # cuDNN is not in this report
