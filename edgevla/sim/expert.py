"""The scripted expert: what a good plan looks like from any state of the world.

It has no memory. A velocity field over the hand, the blocks and the task says where to go next: see expert_tip.py for
tasks that touch, expert_grasp.py for those that carry. A plan is the field rolled out with inverse kinematics. So it
can label any state a policy may stumble into.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgevla.sim import expert_grasp as grasp
from edgevla.sim import expert_tip as tip
from edgevla.sim.expert_arm import STEP_S, ExpertArm
from edgevla.sim.expert_hand import met_rad, pressed_rad

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.sim.tasks import Task

Array = NDArray[np.float64]

HORIZON = 12
RATE_HZ = 10.0

_CLOSE_GAIN_PER_S = 4.0
_GRIPPER_GAIN_PER_S = 8.0


class Expert:
    """Plans chunks of absolute joint setpoints, (12, 6) rad at 10 Hz, as a pure function of its arguments."""

    def __init__(self) -> None:
        self._arm = ExpertArm()

    def plan(self, position_rad: Array, blocks: Mapping[str, Array], task: Task) -> Array:
        """Row i is the setpoint for i / 10 s after the moment at which the state was observed.

        Args:
            position_rad: measured joint positions, (6,).
            blocks: of each block the centre in metres, (3,), or its pose, (4,): centre and turn about z in rad. To
                touch a block the centre will do; a hand that knows the turn lays its jaws against the block's faces.
            task: what to do.
        """
        # A servo lags behind a moving goal and gives way under the arm's weight; its setpoint leads by both.
        lag_steps = self._arm.lag_s / STEP_S
        steps = math.ceil((HORIZON - 1) / RATE_HZ / STEP_S + lag_steps) + 1
        roll_out = self._roll_out_hand if task.carries else self._roll_out_tip
        path = roll_out(np.array(position_rad), blocks, task, steps + 1)
        at = np.arange(HORIZON) / (RATE_HZ * STEP_S) + lag_steps
        grid = np.arange(steps + 1)
        rows = np.stack([np.interp(at, grid, path[:, j]) for j in range(path.shape[1])], axis=1)
        return np.clip(rows, *self._arm.range_rad.T)

    def hold(self, position_rad: Array) -> Array:
        """The setpoint (6,) rad that keeps the arm where it is."""
        self._arm.look(position_rad)
        return position_rad + self._arm.sag_rad

    def _roll_out_tip(self, q: Array, blocks: Mapping[str, Array], task: Task, steps: int) -> Array:
        """Setpoints (steps, 6) rad of closed jaws; a block that they push goes with them."""
        arm, block = self._arm, blocks[task.colour]
        path = np.empty((steps, arm.joints))
        for i in range(steps):
            arm.look(q)
            at = arm.tip_m
            path[i] = q + arm.sag_rad
            block = tip.pushed(at, block, task)
            q = arm.follow(
                at,
                tip.tip_velocity(at, block, task),
                pitch_rad=tip.PITCH_RAD,
                radius_m=tip.RADIUS_M,
                roll_rad=q[0] - q[4],
                in_line=True,
                gripper_rad_s=-_CLOSE_GAIN_PER_S * q[5],
            )
        return path

    def _roll_out_hand(self, q: Array, blocks: Mapping[str, Array], task: Task, steps: int) -> Array:
        """Setpoints (steps, 6) rad of a hand that carries; what it holds goes with it."""
        arm, blocks = self._arm, dict(blocks)
        path = np.empty((steps, arm.joints))
        for i in range(steps):
            arm.look(q)
            hand = arm.hand
            move = grasp.hand_move(hand, blocks, task)
            path[i] = q + arm.sag_rad
            path[i, 5] = pressed_rad(path[i, 5], move.held)
            after = arm.follow(
                hand.grip,
                move.velocity_m_s,
                pitch_rad=grasp.PITCH_RAD,
                radius_m=grasp.RADIUS_M,
                roll_rad=move.roll_rad - q[4],
                in_line=False,
                gripper_rad_s=_GRIPPER_GAIN_PER_S * (move.opening_rad - q[5]),
            )
            after[5] = met_rad(q[5], after[5], move.between)
            q = after
            if move.held > 0.5:
                arm.look(q)
                carried = blocks[task.colour].copy()
                carried[:3] += arm.hand.grip - hand.grip
                blocks[task.colour] = carried
        return path
