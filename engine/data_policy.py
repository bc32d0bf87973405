"""What may be done to images while they are read; and how a setting is declared."""

from dataclasses import dataclass, field
from typing import Any, Literal

from simgan.engine.config_checks import check_fields, parse_composite, parse_range, parse_size


def setting(
    default: Any,
    help: str,
    *,
    group: str,
    low: float | None = None,
    high: float | None = None,
    metavar: str | None = None,
) -> Any:
    """A dataclass field with its help text, command-line group and closed range [low, high]."""
    metadata = {"help": help, "group": group, "low": low, "high": high, "metavar": metavar}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class DataPolicy:
    """What may be done to images and labels while they are read; nothing else ever is.

    The defaults refuse whatever would need a guess. Set in a file as `data.range = "full"` or on
    the command line as `--set data.range=full`.
    """

    size: str | None = setting(
        None, "Resize every image to HxW pixels, for example 35x55.", group="Data", metavar="HxW"
    )
    channels: Literal["keep", "gray", "rgb"] = setting(
        "keep", "Keep the channels as they are, or convert all to gray or RGB.", group="Data"
    )
    range: str | None = setting(
        None,
        "Stored values that become -1 and 1: full, minmax, percentile (0.1 to 99.9) or A..B. "
        "Required above 8 bit.",
        group="Data",
        metavar="full|minmax|percentile|A..B",
    )
    alpha: str = setting(
        "error",
        "Transparency: error, drop, or composite:#rrggbb.",
        group="Data",
        metavar="error|drop|composite:#RRGGBB",
    )
    frames: Literal["error", "first", "all"] = setting(
        "error",
        "Files with several frames: refuse, use the first, or use all as NAME#K.",
        group="Data",
    )
    exif: Literal["auto", "apply", "ignore"] = setting(
        "auto",
        "EXIF rotation: auto applies it to unlabelled images and refuses labelled ones.",
        group="Data",
    )
    max_bad: float = setting(
        0.01, "Largest share of unreadable images that is skipped.", group="Data", low=0.0, high=1.0
    )
    max_pixels: int = setting(
        64_000_000, "Refuse images of more pixels, before they are decoded.", group="Data", low=1
    )
    missing_labels: Literal["error", "skip"] = setting(
        "error", "Images without a label in a labelled set: refuse, or skip them.", group="Data"
    )
    key: str | None = setting(
        None, "Name of the image array in an .npz or HDF5 file.", group="Data", metavar="NAME"
    )
    crop: str | None = setting(
        None,
        "Cut NYU frames to the hand, 224x224: around the joints of the labels, around the centre "
        "of the nearest depth, or around those of a text file with a line 'u v mm' each.",
        group="Data",
        metavar="joints|depth|FILE",
    )
    eye_crop: float = setting(
        1.75,
        "UnityEyes: width of the crop over the width of the eye, corner to corner; choose it so "
        "that eyes are as large as in the real images.",
        group="Data",
        low=1.0,
        high=4.0,
    )
    limit: int | None = setting(
        None, "Use only the first N images.", group="Data", low=1, metavar="N"
    )

    def __post_init__(self) -> None:
        check_fields(self, prefix="data.")
        if self.size is not None:
            parse_size(self.size, "data.size")
        if self.range is not None:
            parse_range(self.range)
        if self.alpha not in ("error", "drop"):
            parse_composite(self.alpha)
