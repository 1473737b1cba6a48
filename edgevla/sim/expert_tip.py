"""The expert's field for tasks that touch: rise when low and in the wrong place, travel above the blocks, descend on
the block or behind it, touch or push on. The jaws stay closed and work as one finger, whose tip is what is steered.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgevla.sim.expert_field import approach, ramp

if TYPE_CHECKING:
    from edgevla.sim.tasks import Task

Array = NDArray[np.float64]

RADIUS_M = (0.14, 0.30)  # of the tip from the pan axis ...
PITCH_RAD = (math.radians(78.0), math.radians(48.0))  # ... and how steeply the fingers point down there

_TRAVEL_Z_M = 0.085
_TOUCH_Z_M = 0.024  # a little below the block's top, so that the jaws arrive with some pressure
_PUSH_Z_M = 0.016
_LOW_Z_M = 0.034  # below it the jaws stand beside a block, not above it
_TRAVEL_M_S = 0.11
_VERTICAL_M_S = 0.075
_PUSH_M_S = 0.065
_STANDOFF_M = 0.050  # where to descend behind a block, from its centre
_CONTACT_M = 0.0265  # tip to block centre while pushing
_LANE_M = 0.020  # the jaws still meet the block when they are this far to its side
_PUSH_END_Y_M = 0.215  # a push ends before the arm leaves the picture


def tip_velocity(tip: Array, block: Array, task: Task) -> Array:
    """The field: how the tip should move now, (3,) m/s, for a tip and a block in metres."""
    return _touching(tip, block) if task.verb == "touch" else _pushing(tip, block, task.sign)


def _touching(tip: Array, block: Array) -> Array:
    to_goal = block[:2] - tip[:2]
    off_m = max(0.0, float(np.hypot(*to_goal)) - 0.008)
    return _approach(to_goal, _height(off_m, _TOUCH_Z_M) - tip[2])


def _pushing(tip: Array, block: Array, sign: int) -> Array:
    to_x = block[0] - tip[0]
    behind_m = sign * (block[1] - tip[1])
    low = ramp((_LOW_Z_M + 0.004 - tip[2]) / 0.008)
    # The place to be low is a strip behind the block. Coming from above it ends short of the block, so that the jaws
    # do not land on it; once they are low it reaches up to it.
    nearest_m, farthest_m = _STANDOFF_M - 0.008 - 0.030 * low, _STANDOFF_M + 0.010
    off_m = math.hypot(max(0.0, abs(to_x) - 0.006), max(0.0, nearest_m - behind_m, behind_m - farthest_m))
    onward = low * ramp((_LANE_M - abs(to_x)) / 0.012) if off_m < _LANE_M else 0.0
    to_y = sign * (behind_m - _STANDOFF_M)
    velocity = _approach(np.array([to_x, to_y * (1.0 - onward)]), _height(off_m, _PUSH_Z_M) - tip[2])
    velocity[1] += sign * _PUSH_M_S * onward * ramp((_PUSH_END_Y_M - sign * tip[1]) / 0.03)
    return velocity


def pushed(tip: Array, block: Array, task: Task) -> Array:
    """Where the block is once the tip has got here: jaws that are low and behind it take it along."""
    ahead_m = task.sign * (block[1] - tip[1])
    if tip[2] < _LOW_Z_M and abs(tip[0] - block[0]) < _LANE_M and 0.0 < ahead_m < _CONTACT_M:
        return np.array([block[0], tip[1] + task.sign * _CONTACT_M, block[2]])
    return block


def _height(off_m: float, floor_m: float) -> float:
    """A funnel: travel height away from the place to descend, down to `floor_m` inside it."""
    return floor_m + (_TRAVEL_Z_M - floor_m) * ramp(off_m / 0.030)


def _approach(to_goal: Array, rise_m: float) -> Array:
    return approach(to_goal, rise_m, speed_m_s=_TRAVEL_M_S, vertical_m_s=_VERTICAL_M_S)
