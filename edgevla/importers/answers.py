"""What a checkpoint does not say and a person has to: the joints and their units, the rate, the cameras, the words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgevla.config.units import AngleRad
from edgevla.importers.errors import ImportRefused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgevla.config.policy_families import EndEffector

_FORM = "write NAME=deg, NAME=rad, or NAME=0..100:-10 deg..95 deg, the policy's numbers and the angles that they mean"


@dataclass(frozen=True, slots=True)
class JointScale:
    """A joint of the robot, and what the policy's number for it means: rad = scale_rad * number + offset_rad."""

    name: str
    scale_rad: float
    offset_rad: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the person said.

    Args:
        name: of the bundle.
        joints: in the order of the checkpoint's state and actions.
        rate_hz: rows a second of a chunk, the rate that the data were recorded at.
        instructions: sentences that the policy was trained on.
        cameras: the checkpoint's camera -> the robot's, where they differ; None where the robot has none.
        sizes: of the robot's cameras, (height, width) px, for policies that fit any picture into theirs.
        tokenizer: a folder or file, where the checkpoint only names one.
        seed: of the noise.
        code: folder with upstream's classes, for projects that are no package.
        dataset: whose statistics count, where a checkpoint has several.
        end_effector: what the actions move, where they are no joints.
    """

    name: str
    joints: tuple[JointScale, ...]
    rate_hz: float
    instructions: tuple[str, ...]
    cameras: Mapping[str, str | None] = field(default_factory=dict)
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    tokenizer: Path | None = None
    seed: int = 0
    code: Path | None = None
    dataset: str | None = None
    end_effector: EndEffector | None = None


def joint_scale(name: str, unit: str) -> JointScale:
    """Read the unit of a joint: `deg`, `rad`, or `0..100:-10 deg..95 deg`.

    Raises:
        ImportRefused: it is none of these.
    """
    if unit in AngleRad.units:
        return JointScale(name, AngleRad.units[unit])
    numbers, colon, angles = unit.partition(":")
    try:
        low, high = (float(number) for number in numbers.split(".."))
        low_rad, high_rad = (float(AngleRad.parse(angle)) for angle in angles.split(".."))
        scale = (high_rad - low_rad) / (high - low)
    except (ValueError, ZeroDivisionError):
        raise ImportRefused(f'joint {name}: cannot read the unit "{unit}"', fix=_FORM) from None
    if not colon or scale <= 0:
        raise ImportRefused(f'joint {name}: "{unit}" must grow with the angle', fix=_FORM)
    return JointScale(name, scale, low_rad - scale * low)
