"""The arm as the expert knows it: where its hand is, what its weight costs, how its joints follow a velocity."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgevla.sim.expert_hand import Hand, gap_centre_m
from edgevla.sim.graphics import mujoco
from edgevla.sim.world import load_model

Array = NDArray[np.float64]

STEP_S = 0.05

_JOINT_RAD_S = 1.2
_GRIPPER_RAD_S = 1.5
_POSTURE_GAIN_PER_S = 4.0
_POSTURE_RAD_S = 1.2
_POSTURE_M = 0.1  # metres a radian: how much posture weighs against position
_DAMPING = 2e-4  # of the least squares, m^2
_PAN_AXIS_X_M = 0.0388353
_GRIP_Z_M = -0.096  # of the middle between the jaws along the gripper's axis
_RANGE_MARGIN_RAD = 0.06


class ExpertArm:
    """Kinematics and statics of the scene's arm; `look` at a pose before asking about it.

    Attributes:
        range_rad: lowest and highest setpoint of each joint, (6, 2).
        lag_s: how far a servo lags behind a moving goal.
    """

    def __init__(self) -> None:
        self._model = load_model()
        self._data = mujoco.MjData(self._model)
        self._tip = self._model.site("tip").id
        self._gripper = self._model.body("gripper").id
        self.joints: int = self._model.nu
        margin = np.array([_RANGE_MARGIN_RAD, -_RANGE_MARGIN_RAD])
        self.range_rad: Array = self._model.jnt_range[: self.joints] + margin
        kp, kv = self._model.actuator_gainprm[:, 0], -self._model.actuator_biasprm[:, 2]
        self._stiffness: Array = np.array(kp)
        self.lag_s = float(np.mean((kv + self._model.dof_damping[: self.joints]) / kp))
        self._jacobian: Array = np.zeros((3, self._model.nv))
        self._weight_nm: Array = np.zeros(self._model.nv)

    def look(self, q: Array) -> None:
        """Take a pose, (6,) rad."""
        self._data.qpos[: self.joints] = q
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_rne(self._model, self._data, 0, self._weight_nm)

    @property
    def sag_rad(self) -> Array:
        """How far each servo gives way under the arm's weight, (6,)."""
        return self._weight_nm[: self.joints] / self._stiffness

    @property
    def tip_m(self) -> Array:
        """The point between the closed jaws' ends, (3,)."""
        return np.array(self._data.site_xpos[self._tip])

    @property
    def hand(self) -> Hand:
        """The hand, with the gap between its jaws."""
        pan, *_, roll, opening = self._data.qpos[: self.joints].tolist()
        axes = self._data.xmat[self._gripper].reshape(3, 3).copy()
        grip = self._data.xpos[self._gripper] + axes @ (gap_centre_m(opening), 0.0, _GRIP_Z_M)
        return Hand(grip, axes, opening, pan, roll)

    def follow(
        self,
        point_m: Array,
        velocity_m_s: Array,
        *,
        pitch_rad: tuple[float, float],
        radius_m: tuple[float, float],
        roll_rad: float,
        in_line: bool,
        gripper_rad_s: float,
    ) -> Array:
        """Where the joints are `STEP_S` later, (6,) rad, by damped least squares.

        Args:
            point_m: a point of the gripper, (3,), that moves with `velocity_m_s`.
            pitch_rad: how steeply the fingers should point down at these distances of the point from the pan axis ...
            radius_m: ... with a straight line from one to the other.
            roll_rad: what is missing to the roll.
            in_line: a pan is to be followed by the roll, so that the jaws' line keeps its direction in the world.
            gripper_rad_s: of the moving jaw, at most 1.5 either way.
        """
        q = np.array(self._data.qpos[: self.joints])
        mujoco.mj_jac(self._model, self._data, self._jacobian, None, point_m, self._gripper)
        pitch = float(np.interp(math.hypot(point_m[0] - _PAN_AXIS_X_M, point_m[1]), radius_m, pitch_rad))
        jacobian = np.zeros((5, 5))
        jacobian[:3] = self._jacobian[:, :5]
        jacobian[3, 1:4] = _POSTURE_M
        jacobian[4, (0, 4)] = -_POSTURE_M if in_line else 0.0, _POSTURE_M
        posture_rad_s = _POSTURE_GAIN_PER_S * np.array([pitch - (q[1] + q[2] + q[3]), roll_rad])
        posture = _POSTURE_M * np.clip(posture_rad_s, -_POSTURE_RAD_S, _POSTURE_RAD_S)
        rate = np.concatenate([velocity_m_s, posture])
        dq = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + _DAMPING * np.eye(5), rate)
        dq *= _JOINT_RAD_S / max(_JOINT_RAD_S, float(np.abs(dq).max()))
        rates = np.append(dq, min(_GRIPPER_RAD_S, max(-_GRIPPER_RAD_S, gripper_rad_s)))
        return np.clip(q + rates * STEP_S, self.range_rad[:, 0], self.range_rad[:, 1])
