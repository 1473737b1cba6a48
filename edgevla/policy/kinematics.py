"""`Arm`: joint angles to the pose of a site, by MuJoCo, and a path of poses back to joint angles, or why not.

Damped least squares in steps, the position first and the rotation with what freedom is left, so an arm of five joints
keeps its tool in place and turns it as far as it can. Damping is per singular value s of the Jacobian: where s falls
below a floor f, s / f^2 stands for 1 / s, which is damping with lambda^2 = f^2 - s^2. It rises as s falls, no step is
ever larger than the error over f, and a direction that the arm lacks altogether slows no other down.

A path is followed from where the arm is, row by row, each row within what the joints can travel from the one before.
So near a singularity the arm slows down, and it never jumps to another solution; when it then stays behind the pose by
more than the tolerance, the path is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.errors import EdgeVLAError
from edgevla.policy.decode.base import Invalid
from edgevla.policy.delta import Poses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import mujoco
    from numpy.typing import NDArray

    from edgevla.config.robot import Joint

    Array = NDArray[np.float64]

TOLERANCE_M = 0.005
TOLERANCE_RAD = 0.2  # an arm of five joints cannot turn its tool in every way that a network asks for
_FLOOR_M = 0.02  # singular values below which damping begins: m for each rad of a joint ...
_FLOOR_RAD = 0.1  # ... and rad for each rad
_ITERATIONS = 20
_CLOSE_M = 1e-7
_CLOSE_RAD = 1e-6
_LARGEST_RAD = 0.1  # step of a joint: the Jacobian does not hold for longer ones
_STILL_RAD = 1e-9  # a step smaller than this is the last
_HELD_RAD = 1e-3  # so near its bound a joint counts as held by it
# Joints may travel this many times their velocity from row to row: `Limits` slows down what is too fast, here only
# another solution of the same pose is to be told from motion.
_STRIDES = 2.0


class KinematicsError(EdgeVLAError):
    """The robot's model does not fit the policy, or cannot be opened."""


class Arm:
    """The kinematics of one robot.

    Args:
        model_path: an MJCF file with the arm; what else is in it does not matter.
        site: what the policy moves.
        joints: of robot.yaml, in its order.

    Raises:
        KinematicsError: the file cannot be read, lacks a joint or the site, or mujoco is not installed.
    """

    def __init__(self, model_path: Path, site: str, joints: Sequence[Joint]) -> None:
        try:
            import mujoco
        except ImportError as error:
            raise KinematicsError(f"mujoco cannot be imported: {error}", fix="pip install 'edgevla[sim]'") from error
        self._mujoco = mujoco
        try:
            self._model = mujoco.MjModel.from_xml_path(str(model_path))
        except ValueError as error:
            raise KinematicsError(f"{model_path}: {error}", fix="name an MJCF file of the robot") from None
        self._data = mujoco.MjData(self._model)
        self._site = _find(self._model, mujoco.mjtObj.mjOBJ_SITE, site, "site", model_path)
        ids = [_find(self._model, mujoco.mjtObj.mjOBJ_JOINT, joint.name, "joint", model_path) for joint in joints]
        self._qpos: NDArray[np.int64] = np.array([self._model.jnt_qposadr[i] for i in ids])
        self._dof: NDArray[np.int64] = np.array([self._model.jnt_dofadr[i] for i in ids])
        above = _bodies_above(self._model, int(self._model.site_bodyid[self._site]))
        self.moves = np.array([int(self._model.jnt_bodyid[i]) in above for i in ids])
        """(joints,) bool: which joints move the site; the others are grippers and the like."""
        self._names = [joint.name for joint in joints]
        self._soft_rad = np.array([joint.position_soft for joint in joints], np.float64)
        self._velocity_rad_s = np.array([joint.velocity for joint in joints], np.float64)
        self._lead_rad = np.array([joint.tracking for joint in joints], np.float64)
        self._jacobian_m, self._jacobian_rad = np.zeros((3, self._model.nv)), np.zeros((3, self._model.nv))

    def pose(self, position_rad: Array) -> Poses:
        """Return the pose of the site at (joints,) angles: (3,) m and (3, 3), in the model's world frame."""
        self._data.qpos[self._qpos] = position_rad
        self._mujoco.mj_kinematics(self._model, self._data)
        data = self._data
        return Poses(data.site_xpos[self._site].copy(), data.site_xmat[self._site].reshape(3, 3).copy())

    def follow(self, poses: Poses, start_rad: Array, rate_hz: float) -> Array:
        """Return (rows, joints) angles that lead the site along (rows,) poses; joints that do not move it stay.

        The first row may lie as far from the start as robot.yaml lets a setpoint lead the measured position.

        Args:
            start_rad: (joints,) where the arm is. Beyond a soft limit it may only come back.
            rate_hz: rows a second.

        Raises:
            Invalid: a pose is not finite, or cannot be followed within TOLERANCE_M and TOLERANCE_RAD.
        """
        lower_rad = np.minimum(self._soft_rad[:, 0], start_rad)
        upper_rad = np.maximum(self._soft_rad[:, 1], start_rad)
        stride_rad, at_rad = self._lead_rad, start_rad
        rows = np.empty((len(poses.position_m), len(start_rad)))
        for row, (position_m, rotation) in enumerate(zip(poses.position_m, poses.rotation, strict=True)):
            if not (np.isfinite(position_m).all() and np.isfinite(rotation).all()):
                raise Invalid(f"row {row}: its pose is not finite")
            low, high = np.maximum(lower_rad, at_rad - stride_rad), np.minimum(upper_rad, at_rad + stride_rad)
            try:
                at_rad = self._approach(Poses(position_m, rotation), at_rad, low, high)
            except np.linalg.LinAlgError as error:
                raise Invalid(f"row {row}: no joints were found for its pose: {error}") from None
            missing_m, missing_rad = map(np.linalg.norm, self._error(Poses(position_m, rotation), at_rad))
            if not (missing_m <= TOLERANCE_M and missing_rad <= TOLERANCE_RAD):
                raise Invalid(
                    f"row {row}: the tool stays {missing_m * 1e3:.1f} mm and {missing_rad:.2f} rad short of its pose, "
                    f"{TOLERANCE_M * 1e3:g} mm and {TOLERANCE_RAD:g} rad are allowed{self._why(at_rad, low, high)}"
                )
            rows[row] = at_rad
            stride_rad = _STRIDES * self._velocity_rad_s / rate_hz
        return rows

    def _approach(self, goal: Poses, at_rad: Array, low_rad: Array, high_rad: Array) -> Array:
        """The angles between the bounds, reached from `at_rad`, that bring the site nearest to the goal."""
        for _ in range(_ITERATIONS):
            error_m, error_rad = self._error(goal, at_rad)
            if np.linalg.norm(error_m) < _CLOSE_M and np.linalg.norm(error_rad) < _CLOSE_RAD:
                break
            mujoco = self._mujoco
            mujoco.mj_comPos(self._model, self._data)
            mujoco.mj_jacSite(self._model, self._data, self._jacobian_m, self._jacobian_rad, self._site)
            shift, turn = self._jacobian_m[:, self._dof], self._jacobian_rad[:, self._dof]
            free = self.moves.copy()
            while True:  # a joint that would leave its bounds stays, and the others make up for it
                step_rad = _step(shift * free, turn * free, error_m, error_rad)
                stuck = free & ((at_rad <= low_rad) & (step_rad < 0.0) | (at_rad >= high_rad) & (step_rad > 0.0))
                if not stuck.any():
                    break
                free &= ~stuck
            next_rad = np.clip(at_rad + step_rad, low_rad, high_rad)
            still = np.abs(next_rad - at_rad).max() < _STILL_RAD
            at_rad = next_rad
            if still:
                break
        return at_rad

    def _error(self, goal: Poses, at_rad: Array) -> tuple[Array, Array]:
        """What is missing to the goal: (3,) m, and (3,) rad about the axes of the world."""
        self._data.qpos[self._qpos] = at_rad
        mujoco = self._mujoco
        mujoco.mj_kinematics(self._model, self._data)
        rotation = self._data.site_xmat[self._site]
        here, there, turn_rad = np.empty(4), np.empty(4), np.empty(3)
        mujoco.mju_mat2Quat(here, rotation)
        mujoco.mju_mat2Quat(there, np.ascontiguousarray(goal.rotation).reshape(9))
        mujoco.mju_subQuat(turn_rad, there, here)
        return goal.position_m - self._data.site_xpos[self._site], rotation.reshape(3, 3) @ turn_rad

    def _why(self, at_rad: Array, low_rad: Array, high_rad: Array) -> str:
        """Which joints stand at their limit, or have gone as far as a row lets them; in words, for a refusal."""
        held = self.moves & (np.minimum(at_rad - low_rad, high_rad - at_rad) < _HELD_RAD)
        words = [
            f"{name} at its limit" if np.abs(limits - at).min() < _HELD_RAD else f"{name} as fast as it can"
            for name, at, limits, is_held in zip(self._names, at_rad, self._soft_rad, held, strict=True)
            if is_held
        ]
        return f" ({', '.join(words)})" if words else ""


def _step(shift: Array, turn: Array, error_m: Array, error_rad: Array) -> Array:
    """(joints,) rad that reduce the position error, and in what leaves the position alone, the rotation error."""
    inverse = _damped_inverse(shift, _FLOOR_M)
    step_rad = inverse @ error_m
    leaves = np.eye(shift.shape[1]) - inverse @ shift
    rest_rad = error_rad - turn @ step_rad
    step_rad = step_rad + leaves @ (_damped_inverse(turn @ leaves, _FLOOR_RAD) @ rest_rad)
    shortened: Array = step_rad * min(1.0, _LARGEST_RAD / max(np.abs(step_rad).max(), _STILL_RAD))
    return shortened


def _damped_inverse(jacobian: Array, floor: float) -> Array:
    left, values, right = np.linalg.svd(jacobian, full_matrices=False)
    gains = np.where(values < floor, values / floor**2, 1.0 / np.maximum(values, floor))
    inverse: Array = (right.T * gains) @ left.T
    return inverse


def _find(model: mujoco.MjModel, kind: object, name: str, word: str, path: Path) -> int:
    import mujoco

    found: int = mujoco.mj_name2id(model, kind, name)
    if found < 0:
        raise KinematicsError(f'{path} has no {word} "{name}"', fix="robot.yaml, policy.yaml and the model must agree")
    return found


def _bodies_above(model: mujoco.MjModel, body: int) -> set[int]:
    """A body and all it hangs on, up to the world."""
    above = {body}
    while body:
        body = int(model.body_parentid[body])
        above.add(body)
    return above
