"""Relative actions to absolute ones, and back: float64, pure, each row against one observed state or pose.

A delta policy's row says how far from the *observed* state the setpoint lies, for every row of the chunk alike; with
`action.chained` it says how far from the row before (OpenVLA, Octo and CALVIN: deltas from step to step). The
dimensions that policy.yaml lists under `action.absolute` say the setpoint itself (openpi: DeltaActions and
AbsoluteActions with a mask).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgevla.policy.rotation import from_euler_xyz, from_rpy, from_vector, to_euler_xyz, to_rpy

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgevla.bundle import Action
    from edgevla.config.policy_families import EndEffector

    Array = NDArray[np.float64]

ROTATIONS: dict[str, Callable[[Array], Array]] = {"rpy": from_rpy, "axis_angle": from_vector}

_CALVIN_SMALL = 0.01  # its rotations are turned into another frame as if infinitesimal: scaled down, and up again


@dataclass(frozen=True, slots=True)
class Poses:
    """Poses of a tool in the robot's frame: `position_m` (..., 3), `rotation` (..., 3, 3)."""

    position_m: Array
    rotation: Array


def is_delta(action: Action) -> NDArray[np.bool_]:
    """Return (dimensions,): which of action.names are relative to the observed state."""
    return np.array([action.kind == "delta" and name not in action.absolute for name in action.names])


def to_absolute(rows: Array, state: Array, relative: NDArray[np.bool_], *, chained: bool = False) -> Array:
    """Return (..., horizon, dimensions) setpoints: `rows`, and where `relative` is true the (dimensions,) state added.

    Args:
        chained: a relative number is relative to the setpoint of the row before, the first row's to the state.
    """
    moved = np.cumsum(rows, axis=-2) if chained else rows
    absolute: Array = np.where(relative, moved + state, rows)
    return absolute


def to_delta(rows: Array, state: Array, relative: NDArray[np.bool_]) -> Array:
    """Undo `to_absolute`, of rows that are not chained."""
    delta: Array = rows - np.where(relative, state, 0.0)
    return delta


def poses_from(rows: Array, config: EndEffector, observed: Poses | None, *, chained: bool = False) -> Poses:
    """Turn end-effector rows into poses in the robot's frame.

    A relative row moves the tool by dp and dR. `frame` says how: "base" p + dp and dR R, as OpenVLA and robosuite;
    "tool" p + R dp and R dR, as RoboVLMs; "calvin" as RoboVLMs trained on CALVIN's own numbers, whose scales are 0.02
    m and 0.05 rad.

    Args:
        rows: (horizon, 6) positions and rotations, in the policy's units.
        config: those units and the frame.
        observed: the pose that the rows are relative to; None when they are absolute.
        chained: a row is relative to the pose that the row before it leads to, the first to the observed one.
    """
    poses, at = [], observed
    for row in rows:
        pose = _absolute(row, config) if at is None else FRAMES[config.frame](at, row, config)
        poses.append(pose)
        at = pose if chained else at
    return Poses(np.stack([pose.position_m for pose in poses]), np.stack([pose.rotation for pose in poses]))


def _absolute(row: Array, config: EndEffector) -> Poses:
    return Poses(row[:3] * config.position_scale, ROTATIONS[config.rotation](row[3:] * config.rotation_scale))


def _in_base(at: Poses, row: Array, config: EndEffector) -> Poses:
    change = _absolute(row, config)
    return Poses(at.position_m + change.position_m, change.rotation @ at.rotation)


def _in_tool(at: Poses, row: Array, config: EndEffector) -> Poses:
    change = _absolute(row, config)
    return Poses(at.position_m + at.rotation @ change.position_m, at.rotation @ change.rotation)


def _in_calvin(at: Poses, row: Array, config: EndEffector) -> Poses:
    rpy_rad = to_rpy(at.rotation)  # CALVIN adds to these angles what its actions say
    world = calvin_tool_to_world(row, rpy_rad)
    return Poses(
        at.position_m + world[:3] * config.position_scale, from_rpy(rpy_rad + world[3:6] * config.rotation_scale)
    )


FRAMES: dict[str, Callable[[Poses, Array, EndEffector], Poses]] = {
    "base": _in_base,
    "tool": _in_tool,
    "calvin": _in_calvin,
}


def calvin_tool_to_world(actions: Array, tool_euler_rad: Array) -> Array:
    """Turn CALVIN actions relative to the tool's frame into ones relative to the world's.

    RoboVLMs, robovlms/data/data_utils.py, `tcp_to_world_frame`, whose rotation is the *inverse* of the tool's turn.

    Args:
        actions: (..., 6) position and angles in CALVIN's units, 1/50 m and 1/20 rad, or more numbers, which stay.
        tool_euler_rad: (..., 3) of the observed tool.

    Returns:
        Of the shape of `actions`, in CALVIN's units.
    """
    tool = from_euler_xyz(tool_euler_rad)
    turned = tool @ np.swapaxes(from_euler_xyz(actions[..., 3:6] * _CALVIN_SMALL), -1, -2)
    change_rad = _nearest_turn(to_euler_xyz(turned) - tool_euler_rad)
    world = np.array(actions, np.float64)
    world[..., :3] = np.einsum("...ij,...j->...i", tool, actions[..., :3])
    world[..., 3:6] = change_rad / _CALVIN_SMALL
    return world


def _nearest_turn(angles_rad: Array) -> Array:
    """One turn taken away, or added, where an angle is beyond half a turn."""
    angles_rad = np.where(angles_rad < -np.pi, angles_rad + 2.0 * np.pi, angles_rad)
    return np.where(angles_rad > np.pi, angles_rad - 2.0 * np.pi, angles_rad)
