"""From a swept range to the numbers of robot.yaml: where zero is, and how far the envelope may reach.

The middle between the stops that were found is the middle between the stops of the arm's model. The envelope is the
writer's choice: calibration makes it narrower where the joint cannot go, never wider.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.calibrate.errors import CalibrationError
from edgevla.calibrate.lerobot import MAX_OFFSET, ServoCalibration
from edgevla.calibrate.servo_memory import Memory
from edgevla.calibrate.sweep import TURN
from edgevla.motors.sts3215 import MAX_COUNTS

if TYPE_CHECKING:
    from edgevla.config.robot import Joint

PER_RAD = TURN / math.tau
HALF_TURN = 2047  # what LeRobot makes the middle of a range
_STOP_MARGIN_RAD = math.radians(1.0)  # the envelope ends this far before a stop
_SHORTEST, _LONGEST = 0.85, 1.15  # of the model's range; printed parts and stops differ a little
_FULL_TURN = MAX_COUNTS

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Zeroed:
    """One joint's part of a robot.yaml, and the range it comes from in reported positions."""

    joint: Joint
    zero_counts: int
    sign: int
    position_hard_rad: Pair
    position_soft_rad: Pair
    counts: tuple[int, int]


def short_sweep(joint: Joint, span: int, stops: Pair) -> str:
    """What is wrong with how far a joint was moved; empty when it went from stop to stop."""
    ratio = span / ((stops[1] - stops[0]) * PER_RAD)
    if _SHORTEST <= ratio <= _LONGEST:
        return ""
    moved, apart = 360.0 * span / TURN, math.degrees(stops[1] - stops[0])
    return f"{joint.name} was moved by {moved:.0f} deg, its stops are {apart:.0f} deg apart"


def rehomed(low: int, high: int, offset: int) -> Memory:
    """The EEPROM that puts the middle of a range at the middle of the count, so that no range crosses its end.

    Args:
        low, high: reported positions, going on beyond 0 .. 4095, under the offset `offset`.

    Raises:
        CalibrationError: more than a turn.
    """
    if high - low > MAX_COUNTS:
        raise CalibrationError(f"a range of {high - low} counts is more than a turn, which one servo cannot tell apart")
    middle = (low + high) // 2
    new = (middle + offset - HALF_TURN + TURN // 2) % TURN - TURN // 2
    new = max(new, -MAX_OFFSET)  # -2048 does not fit into eleven bits; 1 count is 0.09 degrees
    shift = (offset - new + middle) % TURN - middle
    return Memory(new, max(low + shift, 0), min(high + shift, MAX_COUNTS))


def zeroed(joint: Joint, counts: tuple[int, int], stops: Pair, sign: int) -> Zeroed:
    """Place a joint's zero in a range of reported positions, and narrow its envelope to the range.

    Raises:
        CalibrationError: nothing of the envelope is left.
    """
    low, high = counts
    full_turn = high - low >= _FULL_TURN  # no stops: its middle is where it was homed
    middle_rad = 0.0 if full_turn else 0.5 * (stops[0] + stops[1])
    zero_counts = round(0.5 * (low + high) - sign * middle_rad * PER_RAD)
    ends = sorted(sign * (each - zero_counts) / PER_RAD for each in counts)
    reach = (ends[0] + _STOP_MARGIN_RAD, ends[1] - _STOP_MARGIN_RAD)
    hard = _common(joint.position_hard, reach)
    inset = [abs(soft - outer) for soft, outer in zip(joint.position_soft, joint.position_hard, strict=True)]
    soft = _common(joint.position_soft, (hard[0] + inset[0], hard[1] - inset[1]))
    if not soft[0] <= joint.home <= soft[1]:
        home, between = math.degrees(joint.home), f"{math.degrees(soft[0]):.1f} .. {math.degrees(soft[1]):.1f} deg"
        raise CalibrationError(
            f"{joint.name}: its home, {home:.1f} deg, is not within {between}, how far it can be moved",
            fix="sweep it from stop to stop, or correct its home and sign in robot.yaml",
        )
    return Zeroed(joint, zero_counts, sign, hard, soft, counts)


def servo_calibration(found: Zeroed, offset: int) -> ServoCalibration:
    """The same for LeRobot; `offset` is what the servo has in its EEPROM."""
    low, high = found.counts
    return ServoCalibration(
        id=found.joint.id, drive_mode=int(found.sign < 0), homing_offset=offset, range_min=low, range_max=high
    )


def _common(written: Pair, possible: Pair) -> Pair:
    return max(written[0], possible[0]), min(written[1], possible[1])
