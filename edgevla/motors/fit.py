"""Whether a servo, as it is set up and as it stands, can be driven by this robot.yaml."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgevla.motors.errors import ServoRefused

if TYPE_CHECKING:
    from edgevla.config.robot import Joint
    from edgevla.motors.scale import CountScale


def refuse_outside(scale: CountScale, joint: Joint, standing_rad: float) -> None:
    """Refuse to arm a joint that stands where no goal may be.

    Raises:
        ServoRefused: it stands outside `position_hard`.
    """
    counts = joint.zero_counts + round(joint.sign * standing_rad * scale.per_rad)
    low, high = scale.envelope(joint)
    if not low <= counts <= high:
        raise ServoRefused(
            f"{joint.name} stands at {math.degrees(standing_rad):.1f} deg, outside its position_hard "
            f"{_pair(*joint.position_hard)}",
            fix="move it inside by hand, or correct its zero_counts",
        )


def refuse_narrow(scale: CountScale, joint: Joint, limits_rad: tuple[float, float]) -> None:
    """Refuse a device whose own limits would turn down goals that a plan may ask for.

    Raises:
        ServoRefused: `limits_rad` does not contain `position_soft`.
    """
    half_count_rad = 0.5 / scale.per_rad
    low_rad, high_rad = joint.position_soft
    if limits_rad[0] > low_rad + half_count_rad or limits_rad[1] < high_rad - half_count_rad:
        raise ServoRefused(
            f"{joint.name}: the device's own limits {_pair(*limits_rad)} are inside position_soft "
            f"{_pair(low_rad, high_rad)}: it would refuse goals in between",
            fix="narrow position_soft, or widen the limits stored in the device",
        )


def _pair(low_rad: float, high_rad: float) -> str:
    return f"{math.degrees(low_rad):g} .. {math.degrees(high_rad):g} deg"
