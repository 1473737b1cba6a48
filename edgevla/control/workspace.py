"""`Workspace`: where links and tool may be, by the arm's own geometry, and how fast the tool may be.

A pose is judged by MuJoCo's collision detection: the distance of every watched link to the table, to keep-out boxes
and to links that are not its neighbours, and whether the tool is inside its box. `Limits` asks not about the next
setpoint but about where braking from it would lead, so the arm stops in front of a border, not behind it.

Optional per robot, and slower than everything else in a tick: mujoco is only imported where robot.yaml has a workspace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import mujoco
    from numpy.typing import NDArray

    from edgevla.config.robot import Workspace as WorkspaceConfig

_NEIGHBOURS = 2  # links with fewer joints than this between them may touch: their joints' limits keep them apart
_ARM, _OBSTACLE = 1, 2  # collision bits


class WorkspaceError(EdgeVLAError):
    """The workspace of robot.yaml does not fit its model."""


class Workspace:
    """The geometry of one robot.

    Args:
        model_path: an MJCF file with the arm and what stands around it.
        config: the `workspace` of robot.yaml.
        joints: the joints' names, in bus order.

    Raises:
        WorkspaceError: the file cannot be read, or lacks a joint, a link or the tool.
    """

    def __init__(self, model_path: Path, config: WorkspaceConfig, joints: Sequence[str]) -> None:
        import mujoco

        self._mujoco = mujoco
        self._config = config
        self._model = _compile(model_path, config, joints)
        self._data = mujoco.MjData(self._model)
        self._tool: int = _find(self._model, mujoco.mjtObj.mjOBJ_SITE, config.tool, "site", model_path)
        ids = [_find(self._model, mujoco.mjtObj.mjOBJ_JOINT, name, "joint", model_path) for name in joints]
        self._qpos: NDArray[np.int64] = np.array([self._model.jnt_qposadr[i] for i in ids])
        self._dof: NDArray[np.int64] = np.array([self._model.jnt_dofadr[i] for i in ids])
        self._links = {
            _find(self._model, mujoco.mjtObj.mjOBJ_BODY, name, "body", model_path): name for name in config.links
        }
        self._jacobian: NDArray[np.float64] = np.zeros((3, self._model.nv))
        self._depth = _depths(self._model)

    def trespass(self, position_rad: Sequence[float]) -> str:
        """Why a pose is not allowed, with the names and the distance; empty when it is."""
        self._pose(position_rad)
        tool_m = self._data.site_xpos[self._tool]
        for axis, low_m, at_m, high_m in zip("xyz", self._config.tool_low, tool_m, self._config.tool_high, strict=True):
            if not low_m <= at_m <= high_m:
                return f"tool at {axis} = {at_m:.3f} m, outside {low_m:g} .. {high_m:g} m"
        self._mujoco.mj_collision(self._model, self._data)
        contact = self._data.contact
        for (first, second), distance_m in zip(contact.geom, contact.dist, strict=True):
            if distance_m < self._config.clearance and self._counts(int(first), int(second)):
                names = f"{self._name(int(first))} and {self._name(int(second))}"
                return f"{names} {distance_m * 1e3:.1f} mm apart, {self._config.clearance * 1e3:g} mm needed"
        return ""

    def tool_m(self, position_rad: Sequence[float]) -> tuple[float, ...]:
        """Where the tool is in a pose, x, y and z in the world."""
        self._pose(position_rad)
        return tuple(self._data.site_xpos[self._tool])

    def speeding(self, speed_m_s: float) -> str:
        """Why a speed of the tool is not allowed; empty when it is."""
        if speed_m_s <= self._config.tool_speed:
            return ""
        return f"tool at {speed_m_s * 1e3:.0f} mm/s, {self._config.tool_speed * 1e3:g} mm/s allowed"

    def speed_share(self, position_rad: Sequence[float], velocity_rad_s: Sequence[float]) -> float:
        """By how much these joint velocities must be scaled, at most 1, for the tool to keep its speed limit.

        Counts the joints' contributions without their directions, so that they rarely need more than this when they
        brake one after the other.
        """
        self._pose(position_rad)
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_jacSite(self._model, self._data, self._jacobian, None, self._tool)
        levers_m = np.linalg.norm(self._jacobian[:, self._dof], axis=0)
        speed_m_s = float(levers_m @ np.abs(velocity_rad_s))
        return min(1.0, self._config.tool_speed / speed_m_s) if speed_m_s > 0.0 else 1.0

    def _pose(self, position_rad: Sequence[float]) -> None:
        self._data.qpos[self._qpos] = position_rad
        self._mujoco.mj_kinematics(self._model, self._data)

    def _counts(self, first: int, second: int) -> bool:
        bodies = self._model.geom_bodyid[[first, second]]
        if not any(int(body) in self._links for body in bodies):
            return False
        if 0 in bodies:
            return True
        return bool(abs(self._depth[bodies[0]] - self._depth[bodies[1]]) > _NEIGHBOURS)

    def _name(self, geom: int) -> str:
        body = int(self._model.geom_bodyid[geom])
        name: str = self._model.geom(geom).name if body == 0 else self._model.body(body).name
        return name or "the surroundings"


def _compile(path: Path, config: WorkspaceConfig, joints: Sequence[str]) -> mujoco.MjModel:
    import mujoco

    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise WorkspaceError(
            f"workspace.model {path}: {error}", fix="name an MJCF file, relative to robot.yaml"
        ) from None
    for box in config.keep_out:
        low, high = np.array(box.low), np.array(box.high)
        spec.worldbody.add_geom(
            name=box.name, type=mujoco.mjtGeom.mjGEOM_BOX, pos=(low + high) / 2.0, size=(high - low) / 2.0
        )
    _set_collisions(spec.worldbody, frozenset(joints), config.clearance, on_arm=False, fixed=True)
    return spec.compile()


def _set_collisions(
    body: mujoco.MjsBody, joints: frozenset[str], clearance_m: float, *, on_arm: bool, fixed: bool
) -> None:
    """The arm against itself and against what stands still and is solid; loose things are not obstacles."""
    on_arm = on_arm or any(joint.name in joints for joint in body.joints)
    fixed = fixed and not body.joints
    for geom in body.geoms:
        solid = bool(geom.contype or geom.conaffinity)
        geom.contype = _ARM if on_arm else _OBSTACLE if fixed and solid else 0
        geom.conaffinity = _ARM | _OBSTACLE if on_arm else 0
        geom.margin = clearance_m
    for child in body.bodies:
        _set_collisions(child, joints, clearance_m, on_arm=on_arm, fixed=fixed)


def _find(model: mujoco.MjModel, kind: object, name: str, word: str, path: Path) -> int:
    import mujoco

    found: int = mujoco.mj_name2id(model, kind, name)
    if found < 0:
        raise WorkspaceError(f'workspace.model {path} has no {word} "{name}"', fix="correct the name in robot.yaml")
    return found


def _depths(model: mujoco.MjModel) -> list[int]:
    """How many joints lie between each body and the world."""
    depths = [0] * model.nbody
    for body in range(1, model.nbody):
        depths[body] = depths[model.body_parentid[body]] + (1 if model.body_jntnum[body] else 0)
    return depths
