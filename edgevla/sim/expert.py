"""The scripted expert: what a good plan looks like from any state of the world.

It has no memory. A velocity field over (tip, block, task) says where the tip should go next: rise when low and in
the wrong place, travel above the blocks, descend on the block or behind it, touch or push on. A plan is that field
rolled out with damped-least-squares inverse kinematics. So it can label any state a policy may stumble into.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgevla.sim.graphics import mujoco
from edgevla.sim.world import load_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.sim.tasks import Task

Array = NDArray[np.float64]

HORIZON = 12
RATE_HZ = 10.0

_STEP_S = 0.05
_TRAVEL_Z_M = 0.085
_TOUCH_Z_M = 0.024  # a little below the block's top, so that the jaws arrive with some pressure
_PUSH_Z_M = 0.016
_LOW_Z_M = 0.034  # below it the jaws stand beside a block, not above it
_TRAVEL_M_S = 0.11
_VERTICAL_M_S = 0.075
_VERTICAL_GAIN_PER_S = 6.0
_PUSH_M_S = 0.065
_GAIN_PER_S = 4.0
_POSTURE_GAIN_PER_S = 4.0
_STANDOFF_M = 0.050  # where to descend behind a block, from its centre
_CONTACT_M = 0.0265  # tip to block centre while pushing
_LANE_M = 0.020  # the jaws still meet the block when they are this far to its side
_PUSH_END_Y_M = 0.215  # a push ends before the arm leaves the picture
_JOINT_RAD_S = 1.2
_POSTURE_M = 0.1  # metres a radian: how much posture weighs against position
_DAMPING = 2e-4  # of the least squares, m^2
_RADIUS_M = (0.14, 0.30)  # of the tip from the pan axis ...
_PITCH_RAD = (math.radians(78.0), math.radians(48.0))  # ... and how steeply the fingers point down there
_PAN_AXIS_X_M = 0.0388353


class Expert:
    """Plans chunks of absolute joint setpoints, (12, 6) rad at 10 Hz, as a pure function of its arguments."""

    def __init__(self) -> None:
        self._model = load_model()
        self._data = mujoco.MjData(self._model)
        self._tip = self._model.site("tip").id
        self._joints: int = self._model.nu
        self._range: Array = self._model.jnt_range[: self._joints] + np.array([0.06, -0.06])
        kp, kv = self._model.actuator_gainprm[:, 0], -self._model.actuator_biasprm[:, 2]
        self._stiffness: Array = np.array(kp)
        self._lag_s = float(np.mean((kv + self._model.dof_damping[: self._joints]) / kp))
        self._jacobian: Array = np.zeros((3, self._model.nv))
        self._weight_nm: Array = np.zeros(self._model.nv)

    def plan(self, position_rad: Array, blocks: Mapping[str, Array], task: Task) -> Array:
        """Row i is the setpoint for i / 10 s after the moment at which the state was observed.

        Args:
            position_rad: measured joint positions, (6,).
            blocks: centre of each block in metres, (3,).
            task: what to do.
        """
        q = np.array(position_rad)
        block = blocks[task.colour]
        # A servo lags behind a moving goal and gives way under the arm's weight; its setpoint leads by both.
        lag_steps = self._lag_s / _STEP_S
        steps = math.ceil((HORIZON - 1) / RATE_HZ / _STEP_S + lag_steps) + 1
        path = np.empty((steps + 1, self._joints))
        for i in range(steps + 1):
            tip = self._forward(q)
            path[i] = q + self._sag()
            block = _pushed(tip, block, task)
            q = self._advance(q, tip, tip_velocity(tip, block, task))
        at = np.arange(HORIZON) / (RATE_HZ * _STEP_S) + lag_steps
        grid = np.arange(steps + 1)
        rows = np.stack([np.interp(at, grid, path[:, j]) for j in range(self._joints)], axis=1)
        return np.clip(rows, self._range[:, 0], self._range[:, 1])

    def hold(self, position_rad: Array) -> Array:
        """The setpoint (6,) rad that keeps the arm where it is."""
        self._forward(position_rad)
        return position_rad + self._sag()

    def _sag(self) -> Array:
        """How far each servo gives way under the arm's weight in the pose of the last `_forward`, (6,) rad."""
        return self._weight_nm[: self._joints] / self._stiffness

    def _forward(self, q: Array) -> Array:
        """Tip position (3,) at `q`; fills the Jacobian and the torques that hold the arm's weight."""
        self._data.qpos[: self._joints] = q
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(self._model, self._data, self._jacobian, None, self._tip)
        mujoco.mj_rne(self._model, self._data, 0, self._weight_nm)
        return np.array(self._data.site_xpos[self._tip])

    def _advance(self, q: Array, tip: Array, velocity_m_s: Array) -> Array:
        """One step along `velocity_m_s`, keeping the jaws' line along x and the fingers' pitch by reach."""
        pan, lift, elbow, wrist, roll, gripper = q
        radius_m = math.hypot(tip[0] - _PAN_AXIS_X_M, tip[1])
        pitch = float(np.interp(radius_m, _RADIUS_M, _PITCH_RAD))
        jacobian = np.zeros((5, 5))
        jacobian[:3] = self._jacobian[:, :5]
        jacobian[3, 1:4] = _POSTURE_M
        jacobian[4, (0, 4)] = -_POSTURE_M, _POSTURE_M
        posture = _POSTURE_GAIN_PER_S * _POSTURE_M * np.array([pitch - (lift + elbow + wrist), pan - roll])
        rate = np.concatenate([velocity_m_s, np.clip(posture, -0.12, 0.12)])
        dq = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + _DAMPING * np.eye(5), rate)
        rates = np.append(dq, -_POSTURE_GAIN_PER_S * gripper)
        rates *= _JOINT_RAD_S / max(_JOINT_RAD_S, float(np.abs(rates).max()))
        return np.clip(q + rates * _STEP_S, self._range[:, 0], self._range[:, 1])


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
    low = _ramp((_LOW_Z_M + 0.004 - tip[2]) / 0.008)
    # The place to be low is a strip behind the block. Coming from above it ends short of the block, so that the jaws
    # do not land on it; once they are low it reaches up to it.
    nearest_m, farthest_m = _STANDOFF_M - 0.008 - 0.030 * low, _STANDOFF_M + 0.010
    off_m = math.hypot(max(0.0, abs(to_x) - 0.006), max(0.0, nearest_m - behind_m, behind_m - farthest_m))
    onward = low * _ramp((_LANE_M - abs(to_x)) / 0.012) if off_m < _LANE_M else 0.0
    to_y = sign * (behind_m - _STANDOFF_M)
    velocity = _approach(np.array([to_x, to_y * (1.0 - onward)]), _height(off_m, _PUSH_Z_M) - tip[2])
    velocity[1] += sign * _PUSH_M_S * onward * _ramp((_PUSH_END_Y_M - sign * tip[1]) / 0.03)
    return velocity


def _pushed(tip: Array, block: Array, task: Task) -> Array:
    """Where the block is once the tip has got here: jaws that are low and behind it take it along."""
    ahead_m = task.sign * (block[1] - tip[1])
    if tip[2] < _LOW_Z_M and abs(tip[0] - block[0]) < _LANE_M and 0.0 < ahead_m < _CONTACT_M:
        return np.array([block[0], tip[1] + task.sign * _CONTACT_M, block[2]])
    return block


def _height(off_m: float, floor_m: float) -> float:
    """A funnel: travel height away from the place to descend, down to `floor_m` inside it."""
    return floor_m + (_TRAVEL_Z_M - floor_m) * _ramp(off_m / 0.030)


def _approach(to_goal: Array, rise_m: float) -> Array:
    """Towards the goal in the plane, slower the further the tip is below the height it should have."""
    speed_m_s = min(_TRAVEL_M_S, _GAIN_PER_S * float(np.hypot(*to_goal))) * _ramp(1.0 - rise_m / 0.025)
    plane = to_goal / max(1e-9, float(np.hypot(*to_goal))) * speed_m_s
    return np.append(plane, np.clip(_VERTICAL_GAIN_PER_S * rise_m, -_VERTICAL_M_S, _VERTICAL_M_S))


def _ramp(x: float) -> float:
    return min(1.0, max(0.0, x))
