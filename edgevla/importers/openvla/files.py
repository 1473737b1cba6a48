"""An OpenVLA checkpoint as its config.json and preprocessor_config.json say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgevla.importers.errors import ImportRefused
from edgevla.importers.lerobot.files import CONFIG, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREPROCESSOR = "preprocessor_config.json"
POSE = ("x", "y", "z", "roll", "pitch", "yaw")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the files of a checkpoint say.

    Args:
        folder: where they lie.
        config: config.json.
        pictures: preprocessor_config.json.
        low: (7,) the number that -1 means, of each action.
        high: (7,) that 1 means.
        scaled: (7,) whether it is un-normalised at all.
    """

    folder: Path
    config: Mapping[str, Any]
    pictures: Mapping[str, Any]
    low: tuple[float, ...]
    high: tuple[float, ...]
    scaled: tuple[bool, ...]


def read_checkpoint(folder: Path, dataset: str | None) -> Checkpoint:
    """Read a checkpoint and choose its statistics.

    Args:
        folder: as Hugging Face saves it.
        dataset: `unnorm_key`; None where there is only one.

    Raises:
        ImportRefused: a file is missing or broken, several data sets are there and none is chosen, or the actions are
            not the pose of a tool and a gripper.
    """
    config, pictures = read_json(folder / CONFIG), read_json(folder / PREPROCESSOR)
    statistics = config.get("norm_stats") or {}
    if dataset is None and len(statistics) == 1:
        dataset = next(iter(statistics))
    if dataset not in statistics:
        known = ", ".join(sorted(statistics)) or "none"
        raise ImportRefused(
            f"{folder / CONFIG}: has statistics of {known}; {dataset or 'none'} is chosen", fix="--dataset NAME"
        )
    numbers = statistics[dataset]["action"]
    low, high = tuple(map(float, numbers["q01"])), tuple(map(float, numbers["q99"]))
    if len(low) != len(POSE) + 1 or len(high) != len(low):
        raise ImportRefused(f"{folder / CONFIG}: {dataset} has {len(low)} actions; a tool and its gripper have 7")
    if pictures.get("image_resize_strategy") != "resize-naive":
        strategy = pictures.get("image_resize_strategy")
        raise ImportRefused(f"{folder / PREPROCESSOR}: pictures are fitted by {strategy}; only resize-naive is known")
    return Checkpoint(folder, config, pictures, low, high, tuple(numbers.get("mask", [True] * len(low))))
