"""The smallest refiners, checkpoints and image sets that refine can be tested with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from simgan.engine.checkpoint import save_checkpoint
from simgan.engine.config import to_dict, train_config
from simgan.engine.observer import Observer
from simgan.engine.refiner import Refiner, refiner_header
from simgan.engine.refining import RefineResult, refine
from simgan.engine.refining.forward import steady_threads


def random_refiner(channels: int = 1, **shape: Any) -> Refiner:
    torch.manual_seed(5)
    return Refiner(**{"channels": channels, "width": 4, "blocks": 1, **shape}).eval()


def identity_refiner(channels: int = 1, activation: str = "none") -> Refiner:
    """x = relu(x) - relu(-x), exactly; blocks that add nothing; no tanh."""
    refiner = Refiner(channels, width=2 * channels, blocks=1, output_activation=activation)
    with torch.no_grad():
        for parameter in refiner.parameters():
            parameter.zero_()
        for channel in range(channels):
            refiner.conv_in.weight[2 * channel, channel, 1, 1] = 1.0
            refiner.conv_in.weight[2 * channel + 1, channel, 1, 1] = -1.0
            refiner.conv_out.weight[channel, 2 * channel, 0, 0] = 1.0
            refiner.conv_out.weight[channel, 2 * channel + 1, 0, 0] = -1.0
    return refiner.eval()


def make_run(folder: Path, refiner: Refiner | None = None, **image: Any) -> Path:
    """A run folder with one checkpoint; `image` overrides what it says of the training."""
    refiner = refiner or random_refiner()
    shape = refiner.shape
    config = train_config(
        {
            "preset": "demo",
            "synthetic": image.pop("synthetic", None),
            "real": image.pop("real", None),
            "data": image.pop("data", {}),
        }
    )
    described = {
        "channels": shape.channels,
        "height": 35,
        "width": 55,
        "dtype": "uint8",
        "value_range": [0, 255],
        **image,
    }
    run = folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.json").write_text(json.dumps(to_dict(config)))
    save_checkpoint(
        run / "checkpoints",
        "step-00000001",
        {"refiner": refiner.state_dict()},
        {"config": to_dict(config), "image": described},
        {"refiner": refiner_header(refiner)},
    )
    return run


def refine_here(
    run: Path,
    source: Path | str,
    output: Path,
    *,
    progress: Observer | None = None,
    **settings: Any,
) -> RefineResult:
    """refine on the CPU, decoding with two threads."""
    values = {"run": str(run), "input": str(source), "output": str(output), "device": "cpu"}
    return refine({"workers": 2, **values, **settings}, progress=progress)


def random_images(count: int, *shape: int, dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    """[count, *shape], every value of the dtype possible."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, np.iinfo(dtype).max, (count, *shape), dtype, endpoint=True)


def make_folder(folder: Path, count: int = 7, *, size: tuple[int, int] = (24, 30)) -> Path:
    """A nested folder of gray PNGs with a .json beside each and a file for the whole set."""
    folder.mkdir(parents=True)
    (folder / "sub").mkdir()
    for index, pixels in enumerate(random_images(count, *size, seed=index_seed(folder))):
        name = f"sub/{index}" if index % 2 else f"{index}"
        Image.fromarray(pixels).save(folder / f"{name}.png")
        (folder / f"{name}.json").write_text(f'{{"look": [{index}.5, 1e-3]}}  \n')
    (folder / "classes.txt").write_text("eye\r\n")
    return folder


def index_seed(folder: Path) -> int:
    return sum(folder.name.encode())


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but hidden ones: name to bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def expected(refiner: Refiner, image: np.ndarray) -> np.ndarray:
    """What the refiner makes of one 8-bit image [H, W] or [H, W, 3], the plain way."""
    stored = image if image.ndim == 3 else image[..., None]
    x = torch.from_numpy(stored.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode(), steady_threads(torch.device("cpu")):
        y = refiner(torch.cat((x, x)))[0]
    values = ((y + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).numpy().astype(np.uint8)
    return values.reshape(image.shape)
