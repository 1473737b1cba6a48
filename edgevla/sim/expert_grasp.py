"""The expert's field for tasks that carry a block: reach down around it, close, lift, bring it there, let go.

What the hand does next can be read from the state alone. A block between the jaws of a hand that has closed on it is
held; one that lies where it should be is to be let go; any other is to be reached.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgevla.sim.expert_field import GAIN_PER_S, approach, ramp
from edgevla.sim.expert_hand import CLOSED_RAD, HELD_RAD, LET_GO_RAD, OPEN_RAD, Hand, held, inside, roll_to
from edgevla.sim.tasks import SIDE_M
from edgevla.sim.world import BLOCK_M

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.sim.tasks import Task

Array = NDArray[np.float64]

RADIUS_M = (0.14, 0.30)  # of the hand from the pan axis ...
PITCH_RAD = (math.radians(75.0), math.radians(64.0))  # ... and how steeply the fingers point down there
_REACH_Z_M = 0.078  # of the grip: the fingers pass above a block
_CARRY_Z_M = 0.068  # of the block's centre: it passes above another
_GRIP_Z_M = 0.017
_TRAVEL_M_S = 0.12
_VERTICAL_M_S = 0.085
_SIDE_Y_M = SIDE_M + 0.035
_SIDE_X_M = np.linspace(0.165, 0.245, 9)
_ON_SIDE_M = 0.014  # a block this far inside the border may be let go
_ON_BLOCK_M = (0.005, 0.013)  # the same for one on another, before and after the hand opens
_RESTING_M = 0.005  # above where it will lie; a block tilted in the hand gets no lower


class Move(NamedTuple):
    """What the hand should do now."""

    velocity_m_s: Array  # of the grip, (3,)
    opening_rad: float  # where the gripper should go
    roll_rad: float  # where the wrist should turn
    between: float  # 0..1, whether the block is between the jaws ...
    held: float  # ... and how surely they hold it


def hand_move(hand: Hand, blocks: Mapping[str, Array], task: Task) -> Move:
    """The field: what a hand should do with the blocks, (3,) centres in metres or (4,) poses, lying as they do."""
    block = blocks[task.colour]
    between = inside(hand, block)
    place = _place(blocks, task)
    if place is not None and _lies_there(hand, blocks, task):
        return _leave(hand, block, between)
    sure = held(hand, between)
    reach = _reach(hand, block)
    carry = _lift(block) if place is None else _carry(block, place)
    velocity = (1.0 - sure) * reach + sure * carry
    roll_rad = hand.roll + (1.0 - between) * (roll_to(hand, block) - hand.roll)
    return Move(velocity, OPEN_RAD + between * (CLOSED_RAD - OPEN_RAD), roll_rad, between, sure)


def _reach(hand: Hand, block: Array) -> Array:
    """Above the block with open jaws, then down around it."""
    to_block = block[:2] - hand.grip[:2]
    turned_m = 0.10 * max(0.0, abs(hand.roll - roll_to(hand, block)) - 0.06)
    between = inside(hand, block)
    opened_m = 0.10 * max(0.0, OPEN_RAD - 0.06 - hand.opening) * (1.0 - between)
    off_m = max(0.0, float(np.hypot(*to_block)) - 0.004) + turned_m + opened_m
    floor_m = max(_GRIP_Z_M, block[2] + _GRIP_Z_M - 0.5 * BLOCK_M)
    height_m = floor_m + (_REACH_Z_M - _GRIP_Z_M) * ramp(off_m / 0.022)
    return _approach(to_block, height_m - hand.grip[2])


def _lift(block: Array) -> Array:
    return _approach(np.zeros(2), _CARRY_Z_M - block[2])


def _carry(block: Array, place: Array) -> Array:
    """Up, across, and down within a funnel over the place; what is steered is the block's centre."""
    to_place = place[:2] - block[:2]
    off_m = max(0.0, float(np.hypot(*to_place)) - 0.003)
    height_m = place[2] + (max(_CARRY_Z_M, place[2] + 0.026) - place[2]) * ramp(off_m / 0.016)
    return _approach(to_place, height_m - block[2])


def _leave(hand: Hand, block: Array, between: float) -> Move:
    """Open around the block, then straight up; above it stay."""
    opened = ramp((hand.opening - 0.50) / 0.06) if between > 0.0 else 1.0
    velocity = _approach(np.zeros(2), block[2] + _REACH_Z_M - _GRIP_Z_M - hand.grip[2]) * opened
    centring = GAIN_PER_S * between * (1.0 - 0.5 * opened) * (block[:2] - hand.grip[:2])
    velocity[:2] += centring * ramp((hand.opening - 0.41) / 0.03)
    return Move(velocity, LET_GO_RAD, hand.roll, between, 0.0)


def _place(blocks: Mapping[str, Array], task: Task) -> Array | None:
    """Where the named block's centre should end, (3,); None when it is only to be lifted."""
    if task.other:
        return np.asarray(blocks[task.other][:3] + np.array([0.0, 0.0, BLOCK_M]))
    if not task.direction:
        return None
    others = np.array([at[:2] for name, at in blocks.items() if name != task.colour])
    y_m = task.sign * _SIDE_Y_M
    free_m = [float(np.hypot(*(others - (x_m, y_m)).T).min()) for x_m in _SIDE_X_M]
    # Far from the others, and of equally good places the middle one.
    best = int(np.argmax([min(free, 0.075) - 0.1 * abs(x - 0.205) for free, x in zip(free_m, _SIDE_X_M, strict=True)]))
    return np.array([_SIDE_X_M[best], y_m, 0.5 * BLOCK_M])


def _lies_there(hand: Hand, blocks: Mapping[str, Array], task: Task) -> bool:
    """Whether it may be let go; once the hand has opened a block may lie less well before it is taken again."""
    block = blocks[task.colour]
    opened = ramp((hand.opening - HELD_RAD[1]) / 0.05)
    if task.other:
        off = block[:3] - blocks[task.other][:3]
        near_m = _ON_BLOCK_M[0] + opened * (_ON_BLOCK_M[1] - _ON_BLOCK_M[0])
        return bool(np.hypot(off[0], off[1]) < near_m and abs(off[2] - BLOCK_M) < _RESTING_M)
    border_m = SIDE_M + _ON_SIDE_M * (1.0 - 0.5 * opened)
    return bool(task.sign * block[1] > border_m and block[2] < 0.5 * BLOCK_M + _RESTING_M)


def _approach(to_goal: Array, rise_m: float) -> Array:
    return approach(to_goal, rise_m, speed_m_s=_TRAVEL_M_S, vertical_m_s=_VERTICAL_M_S)
