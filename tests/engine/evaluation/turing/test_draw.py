"""Which images a test shows, and which sets it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_images
from tiny_turing import image_folder, tiny_sets

from simgan.engine.config import DataPolicy
from simgan.engine.errors import DataError
from simgan.engine.evaluation.turing.design import Design
from simgan.engine.evaluation.turing.draw import ImageSet, draw


class Heard:
    """An observer that keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def drawn(sets: dict[str, str], heard: Heard | None = None, **changes: Any) -> Design:
    policy = DataPolicy(**changes.pop("data", {}))
    numbers = {"images": 8, "control": 4, "practice": 2, "seed": 0, **changes}
    return draw(
        {kind: ImageSet(location, policy) for kind, location in sets.items()},
        settings={},
        observer=heard or Heard(),  # type: ignore[arg-type]
        **numbers,
    )


def test_half_of_each_block_is_real_and_no_image_comes_twice(tmp_path: Path) -> None:
    sets = tiny_sets(tmp_path)
    sets["synthetic"] = image_folder(tmp_path / "raw", "raw", 5, 3)
    design = drawn(sets)
    assert list(design.blocks) == ["practice", "refined", "synthetic"]
    assert [len(block) for block in design.blocks.values()] == [2, 8, 4]
    for name, block in design.blocks.items():
        kinds = [design.pictures[image].kind for image in block]
        assert kinds.count("real") == len(block) // 2
        assert set(kinds) == {"real", "synthetic" if name == "synthetic" else "refined"}
    everything = [image for block in design.blocks.values() for image in block]
    assert sorted(everything) == list(range(len(design.pictures))) == list(range(14))
    assert len({(p.kind, p.name) for p in design.pictures}) == 14


def test_pixels_are_those_of_the_named_files(tmp_path: Path) -> None:
    sets = tiny_sets(tmp_path)
    design = drawn(sets)
    for picture, pixels in zip(design.pictures, design.pixels, strict=True):
        stored = np.asarray(Image.open(Path(sets[picture.kind], picture.name)))
        assert (pixels[..., 0] == stored).all()


def test_the_seed_decides_the_choice(tmp_path: Path) -> None:
    sets = tiny_sets(tmp_path, 30)
    first = drawn(sets)
    assert drawn(sets).pictures == first.pictures
    assert drawn(sets, seed=1).pictures != first.pictures


def test_without_practice_and_synthetic_images_there_is_one_block(tmp_path: Path) -> None:
    assert list(drawn(tiny_sets(tmp_path), practice=0).blocks) == ["refined"]


def test_too_few_images_are_counted(tmp_path: Path) -> None:
    sets = tiny_sets(tmp_path, 4)
    with pytest.raises(DataError, match="the test needs 5, there are 4") as info:
        drawn(sets)
    assert info.value.where == f"real images: {sets['real']}"


def test_images_of_different_shapes_are_refused(tmp_path: Path) -> None:
    """Real: 24x28 gray; refined: 24x28 RGB, or larger."""
    sets = tiny_sets(tmp_path)
    color = image_folder(tmp_path / "color", "c", 6, 3, channels=3)
    sentence = "real genuine-... is 24x28 gray, refined c-... is 24x28 RGB"
    with pytest.raises(DataError, match=sentence.replace("...", "[0-9]+.png")):
        drawn({**sets, "refined": color})
    assert drawn({**sets, "refined": color}, data={"channels": "gray"}).pixels.shape[-1] == 1
    (tmp_path / "large").mkdir()
    for index, pixels in enumerate(tiny_images(6, 4)):
        large = Image.fromarray(pixels[..., 0]).resize((56, 48))
        large.save(tmp_path / "large" / f"{index}.png")
    large_set = {**sets, "refined": str(tmp_path / "large")}
    with pytest.raises(DataError, match="one size") as info:
        drawn(large_set)
    assert info.value.fix == "Set --data-size HxW, or --data-channels gray."
    assert drawn(large_set, data={"size": "24x28"}).pixels.shape[1:] == (24, 28, 1)


def test_a_set_against_itself_is_refused(tmp_path: Path) -> None:
    sets = tiny_sets(tmp_path, 5)
    with pytest.raises(DataError, match=r"refined genuine-.* and real genuine-.* are the same"):
        drawn({**sets, "refined": sets["real"]})


def test_damaged_images_are_passed_over_and_named(tmp_path: Path) -> None:
    sets = tiny_sets(tmp_path, 6)
    Path(sets["refined"], "forged-002.png").write_bytes(b"no image")
    heard = Heard()
    design = drawn(sets, heard, data={"max_bad": 0.5})  # needs the five others
    names = {picture.name for picture in design.pictures if picture.kind == "refined"}
    assert names == {f"forged-00{number}.png" for number in (0, 1, 3, 4, 5)}
    with pytest.raises(DataError, match="1 of 6 images unreadable"):
        drawn(sets, data={"max_bad": 0.0})
    assert len(heard.warnings) == 1 and "forged-002.png" in heard.warnings[0]


@pytest.mark.parametrize("data", [{"range": "0..1000"}, {"range": "full"}], ids=str)
def test_sixteen_bits_are_shown_by_one_range_for_the_set(
    tmp_path: Path, data: dict[str, str]
) -> None:
    deep = np.arange(12 * 24 * 28, dtype=np.uint16).reshape(12, 24, 28)
    np.savez(tmp_path / "deep.npz", images=deep)
    sets = {**tiny_sets(tmp_path), "refined": str(tmp_path / "deep.npz")}
    with pytest.raises(DataError, match=r"16-bit; set data\.range"):
        drawn(sets)
    design = drawn(sets, data=data)
    high = 1000 if data["range"] == "0..1000" else 65535
    for picture, pixels in zip(design.pictures, design.pixels, strict=True):
        if picture.kind == "refined":
            stored = deep[int(picture.name)].astype(float)
            assert (pixels[..., 0] == np.rint(np.clip(stored / high, 0, 1) * 255)).all()
