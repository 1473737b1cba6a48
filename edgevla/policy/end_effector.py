"""End-effector rows of a decoder to joint setpoints, by the robot's kinematics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.policy.decode.base import Decoded, Invalid
from edgevla.policy.delta import is_delta, poses_from, to_absolute
from edgevla.policy.kinematics import KinematicsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgevla.bundle import Manifest
    from edgevla.policy.kinematics import Arm

_POSE = 6  # numbers of a row that say where the tool shall be; the others are grippers


class EndEffector:
    """Turns what a policy says about its tool into what the joints shall do.

    Args:
        manifest: with an end_effector section.
        arm: the robot.

    Raises:
        KinematicsError: the actions beyond the pose are not as many as the joints that do not move the tool, or only
            some of the pose is relative.
    """

    def __init__(self, manifest: Manifest, arm: Arm) -> None:
        action, config = manifest.action, manifest.end_effector
        grippers = int((~arm.moves).sum())
        if config is None or len(action.names) != _POSE + grippers:
            raise KinematicsError(
                f"action.names has {len(action.names)} names; three of position, three of rotation and one for each of "
                f"the {grippers} joints that do not move the tool are {_POSE + grippers}",
                fix="name all of them, grippers last",
            )
        relative = is_delta(action)
        if relative[:_POSE].any() != relative[:_POSE].all():
            raise KinematicsError(
                "action.absolute lists some of the six numbers of the pose", fix="list all six of them, or none"
            )
        self._config, self._arm, self._rate_hz = config, arm, action.rate_hz
        self._is_delta, self._gripper_is_delta = bool(relative[0]), relative[_POSE:]
        self._chained = action.chained

    def __call__(self, decoded: Decoded, state_rad: NDArray[np.float64]) -> Decoded:
        """Return (horizon, joints) setpoints in rad for (horizon, 6 + grippers) rows of a decoder.

        Invalid when a pose cannot be followed, see `Arm.follow`; an invalid chunk, and one that only says that the task
        is done, stays what it is.
        """
        if not decoded.valid or decoded.done:
            return decoded
        rows, still = decoded.actions_rad, ~self._arm.moves
        observed = self._arm.pose(state_rad) if self._is_delta else None
        try:
            poses = poses_from(rows[:, :_POSE], self._config, observed, chained=self._chained and self._is_delta)
            joints_rad = self._arm.follow(poses, state_rad, self._rate_hz)
        except Invalid as reason:
            return Decoded.invalid(str(reason))
        joints_rad[:, still] = to_absolute(
            rows[:, _POSE:], state_rad[still], self._gripper_is_delta, chained=self._chained
        )
        return Decoded(joints_rad, True)
