"""The expert's hand: when a block is between its jaws, when they hold it, how they turn to its faces.

The hand works with its jaws side by side, so that it closes on a block the same way however far the fingers lean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevla.sim.expert_field import ramp

Array = NDArray[np.float64]

OPEN_RAD = 0.85  # 60 mm between the jaws: a block lying askew fits, and one not quite in the middle
LET_GO_RAD = 0.60
CLOSED_RAD = 0.30  # less than any block leaves
HELD_RAD = (0.54, 0.42)  # where a closing hand begins to hold, and surely does

_MET_RAD = 0.385  # where the jaws meet a block that lies straight between them
_SQUEEZE_RAD = 0.025  # a held block is pressed by the servo's pull towards a setpoint this far inside it ...
_SQUEEZED_RAD = 0.345  # ... but never inside this one: what gives way is not to be pressed ever harder
_ROLL_RAD = 0.5 * math.pi  # of the wrist, jaws side by side
_SIDE_BY_SIDE = 2.0  # how much dearer a radian away from that is than a radian to turn


@dataclass(frozen=True, slots=True)
class Hand:
    """Where the hand is: metres and radians.

    `grip` (3,) is the middle between the jaws, `axes` (3, 3) has as columns the directions across the gap, along the
    jaws' width and along the fingers.
    """

    grip: Array
    axes: Array
    opening: float
    pan: float
    roll: float


def gap_centre_m(opening_rad: float) -> float:
    """How far the middle between the jaws lies from the gripper's own axis; the jaws' shapes are in the scene."""
    return 0.0006 + 0.034 * opening_rad


def inside(hand: Hand, block: Array) -> float:
    """Whether a block is between the jaws: 0 no, 1 yes.

    Open jaws have to stand well around it before they close; for closed ones it is enough that it has not slipped out.
    """
    across, along, deep = np.abs(hand.axes.T @ (block[:3] - hand.grip))
    closed = ramp((OPEN_RAD - 0.06 - hand.opening) / 0.15)
    nearby = ramp((0.020 - across) / 0.005) * ramp((0.010 + 0.012 * closed - along) / 0.004)
    return nearby * ramp((0.009 + 0.012 * closed - deep) / 0.003)


def roll_to(hand: Hand, block: Array) -> float:
    """The roll that lays the jaws against two faces of the block: a near one that leaves them nearly side by side.

    Two will do. Of both the nearer becomes the better as the hand turns, so that it does not waver between them.
    """
    if len(block) < 4:
        return _ROLL_RAD
    quarter = 0.5 * math.pi
    beyond = _ROLL_RAD + (float(block[3]) + hand.pan) % quarter
    ways = (beyond - quarter, beyond)
    return min(ways, key=lambda way: abs(way - hand.roll) + _SIDE_BY_SIDE * abs(way - _ROLL_RAD))


def held(hand: Hand, between: float) -> float:
    """How surely the hand holds what is `between` its jaws, 0..1: read off how far they have closed."""
    return between * ramp((HELD_RAD[0] - hand.opening) / (HELD_RAD[0] - HELD_RAD[1]))


def pressed_rad(opening: float, held_share: float) -> float:
    """The gripper's setpoint that presses what it holds."""
    return max(opening - _SQUEEZE_RAD * held_share, _SQUEEZED_RAD) if held_share > 0.0 else opening


def met_rad(before: float, after: float, between: float) -> float:
    """Where a closing gripper gets to: no further than the block between its jaws."""
    return max(after, min(before, _MET_RAD)) if between > 0.5 else after
