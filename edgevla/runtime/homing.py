"""The way back to the rest pose: an ordinary chunk, made without a network, inside the same bounds as any other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgevla.messages import Chunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgevla.config.robot import Joint

HOME_INSTRUCTION = "(home)"
_SPEED_RAD_S = math.radians(60.0)
_RATE_HZ = 10.0
_HORIZON = 12
_GRIPPER = "gripper"


def rest_pose_rad(joints: Sequence[Joint]) -> tuple[float | None, ...]:
    """Where each joint rests. None for a gripper, which stays as wide as it is.

    Pressed shut on a block that it held, its servo tripped for overload after two seconds.
    """
    return tuple(None if _GRIPPER in joint.name.lower() else float(joint.home) for joint in joints)


def homing_chunk(seq: int, t_obs_s: float, state_rad: NDArray[np.float64], home_rad: Sequence[float | None]) -> Chunk:
    """All joints that have a place to rest move straight there and arrive together, the farthest at 60 deg/s."""
    way_rad = np.array([0.0 if home is None else home - at for at, home in zip(state_rad, home_rad, strict=True)])
    duration_s = float(np.max(np.abs(way_rad))) / _SPEED_RAD_S
    times_s = np.arange(_HORIZON) / _RATE_HZ
    share = np.minimum(times_s / duration_s, 1.0) if duration_s > 0.0 else np.ones(_HORIZON)
    rows = state_rad + share[:, None] * way_rad
    return Chunk(
        seq=seq,
        t_obs_s=t_obs_s,
        rate_hz=_RATE_HZ,
        actions_rad=tuple(tuple(map(float, row)) for row in rows),
        valid=True,
        instruction=HOME_INSTRUCTION,
    )
