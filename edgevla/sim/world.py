"""The simulated world: a SO-101 arm, a table, three blocks, two cameras. Physics and pictures, no protocol.

`step` and `render` may be called from two threads: a picture copies the state under a lock and is drawn outside it,
so drawing never holds up the physics. An OpenGL context belongs to one thread, the first that calls `render`.
"""

from __future__ import annotations

import math
import struct
import threading
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgevla.errors import EdgeVLAError
from edgevla.sim.dressing import Dressing
from edgevla.sim.graphics import GraphicsError, mujoco, open_renderer
from edgevla.sim.jaws import Jaws

if TYPE_CHECKING:
    from edgevla.sim.look import Look

Array = NDArray[np.float64]


class WorldError(EdgeVLAError):
    """The world cannot be set up as asked."""


COLOURS = ("red", "green", "blue")
CAMERAS = ("front", "wrist")
HOME_RAD = np.radians([0.0, -60.0, 50.0, 75.0, 0.0, 0.0])
STALL_NM = 2.94
BLOCK_M = 0.03  # edge

_HOME_NOISE_RAD = np.radians([4.0, 2.0, 2.0, 3.0, 4.0, 1.0])
_BLOCK_X_M = (0.175, 0.290)
_BLOCK_Y_M = (-0.145, 0.145)
_BLOCK_YAW_RAD = math.radians(25.0)
_LANE_M = 0.055  # blocks this close in x would be pushed into each other
_APART_M = 0.080
_APART_IN_LANE_M = 0.125
_CLEAR_OF_ARM_M = 0.030
_PLACEMENT_TRIES = 10_000
_TIME = struct.Struct("<d")


def load_model() -> mujoco.MjModel:
    """Compile the scene that ships in edgevla/sim/assets."""
    scene = resources.files("edgevla.sim") / "assets" / "so101_tabletop.xml"
    return mujoco.MjModel.from_xml_string(scene.read_text(encoding="utf-8"))


class World:
    """The scene and its state.

    The servo bus writes `goal_rad` (6,), `torque_on` (6,) bool and `torque_limit` (6,) in 0..1; `step` applies them.
    A joint without torque is limp: only its gear's damping and friction are left.

    Args:
        image_size: edge of the square pictures, in pixels.
    """

    def __init__(self, image_size: int = 288) -> None:
        self.image_size = image_size
        self._model = load_model()
        self._dressing = Dressing(self._model)
        self._data = mujoco.MjData(self._model)
        self._drawn = mujoco.MjData(self._model)
        self._lock = threading.Lock()
        self._renderer: mujoco.Renderer | None = None
        self._renderer_thread = 0
        self.joint_names: tuple[str, ...] = tuple(self._model.actuator(i).name for i in range(self._model.nu))
        self.timestep_s: float = self._model.opt.timestep
        joints = len(self.joint_names)
        self._blocks = {name: self._model.body(name).id for name in COLOURS}
        self._block_geoms = {name: self._model.geom(name).id for name in COLOURS}
        self._jaws = Jaws(self._model, self._data, COLOURS)
        blocks = set(self._blocks.values())
        self._arm_geoms = [
            i
            for i in range(self._model.ngeom)
            if self._model.geom_bodyid[i] and self._model.geom_bodyid[i] not in blocks
        ]
        self.goal_rad: Array = np.zeros(joints)
        self.torque_on: NDArray[np.bool_] = np.zeros(joints, dtype=bool)
        self.torque_limit: Array = np.ones(joints)
        self.reset(0)

    @property
    def t_s(self) -> float:
        """Simulated seconds since `reset`."""
        return float(self._data.time)

    def reset(self, seed: int) -> None:
        """Put the arm near its home pose, at rest, with torque off, and the blocks at poses drawn from `seed`."""
        rng = np.random.default_rng(seed)
        with self._lock:
            mujoco.mj_resetData(self._model, self._data)
            joints = len(self.joint_names)
            pose = HOME_RAD + rng.uniform(-1.0, 1.0, joints) * _HOME_NOISE_RAD
            self._data.qpos[:joints] = pose
            self.goal_rad[:] = pose
            self.torque_on[:] = False
            self.torque_limit[:] = 1.0
            mujoco.mj_kinematics(self._model, self._data)
            self._place(rng)

    def place_blocks(self, seed: int) -> None:
        """Put the blocks at new poses drawn from `seed`, none under the arm, which stays as it is."""
        with self._lock:
            self._place(np.random.default_rng(seed))

    def place_arm(self, position_rad: Array) -> None:
        """Put the arm at rest at a pose (6,), the goal with it; where the blocks are is not looked at."""
        with self._lock:
            joints = len(self.joint_names)
            self._data.qpos[:joints] = position_rad
            self._data.qvel[:joints] = 0.0
            self.goal_rad[:] = position_rad
            mujoco.mj_forward(self._model, self._data)

    def apply(self, look: Look) -> None:
        """Let the pictures look like that from now on; poses and physics stay. Call it in the thread that draws."""
        with self._lock:
            self._dressing.put_on(look)

    def step(self) -> None:
        """Advance the physics by `timestep_s`, each servo driving towards its goal within its torque limit."""
        with self._lock:
            force_nm = STALL_NM * np.where(self.torque_on, np.clip(self.torque_limit, 0.0, 1.0), 0.0)
            self._model.actuator_forcerange[:, 0] = -force_nm
            self._model.actuator_forcerange[:, 1] = force_nm
            self._data.ctrl[:] = self.goal_rad
            mujoco.mj_step(self._model, self._data)

    @property
    def position_rad(self) -> Array:
        """Joint positions, (6,), a copy."""
        with self._lock:
            return np.array(self._data.qpos[: len(self.joint_names)])

    @property
    def velocity_rad_s(self) -> Array:
        """Joint velocities, (6,), a copy."""
        with self._lock:
            return np.array(self._data.qvel[: len(self.joint_names)])

    @property
    def load(self) -> Array:
        """Torque of each servo as a share of its stall torque, -1..1, (6,), a copy."""
        with self._lock:
            return np.array(self._data.actuator_force) / STALL_NM

    def block_positions(self) -> dict[str, Array]:
        """Centre of each block in metres, (3,)."""
        with self._lock:
            return {name: np.array(self._data.xpos[body]) for name, body in self._blocks.items()}

    def block_poses(self) -> dict[str, Array]:
        """Centre of each block in metres and its turn about z in rad, (4,), whichever of its faces it lies on."""
        with self._lock:
            return {name: self._pose_of(body) for name, body in self._blocks.items()}

    def tip_position(self) -> Array:
        """The point between the jaws' ends in metres, (3,)."""
        with self._lock:
            return np.array(self._data.site("tip").xpos)

    def jaw_gaps_m(self) -> dict[str, float]:
        """Distance from the nearer jaw to each block's surface; inf beyond 10 mm, negative when pressed."""
        with self._lock:
            return self._jaws.gaps_m()

    def held_blocks(self) -> set[str]:
        """The blocks that both jaws press upon."""
        with self._lock:
            return self._jaws.held()

    def pose(self, t_s: float) -> bytes:
        """Return where everything is, stamped with the CLOCK_MONOTONIC time `t_s`, for a world that only draws it."""
        with self._lock:
            qpos: bytes = self._data.qpos.tobytes()
        return _TIME.pack(t_s) + qpos

    def show(self, pose: bytes) -> float:
        """Put everything where it is in a `pose` of another world, and return its time."""
        with self._lock:
            self._data.qpos[:] = np.frombuffer(pose, offset=_TIME.size)
        t_s: float = _TIME.unpack_from(pose)[0]
        return t_s

    def render(self, camera: str) -> NDArray[np.uint8]:
        """Draw what a camera sees: (image_size, image_size, 3) RGB.

        Raises:
            GraphicsError: no working OpenGL, or called from a second thread.
        """
        thread = threading.get_ident()
        if self._renderer is None:
            self._renderer = open_renderer(self._model, self.image_size)
            self._renderer_thread = thread
        elif thread != self._renderer_thread:
            raise GraphicsError(
                f"world: render({camera!r}) was called from a second thread",
                fix="draw all pictures of one World in the thread that drew the first",
            )
        with self._lock:
            self._drawn.qpos[:] = self._data.qpos
        mujoco.mj_kinematics(self._model, self._drawn)
        mujoco.mj_camlight(self._model, self._drawn)
        self._renderer.update_scene(self._drawn, camera)
        picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def close(self) -> None:
        """Free the OpenGL context, from the thread that drew; without pictures there is nothing to free."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _pose_of(self, body: int) -> Array:
        """Centre and turn of a block. The lock is held."""
        axes = self._data.xmat[body].reshape(3, 3)
        level = axes[:, np.argmin(np.abs(axes[2]))]
        return np.append(self._data.xpos[body], math.atan2(level[1], level[0]))

    def _place(self, rng: np.random.Generator) -> None:
        """Draw block poses until they are clear of each other and of the arm. The lock is held."""
        for _ in range(_PLACEMENT_TRIES):
            xy = rng.uniform((_BLOCK_X_M[0], _BLOCK_Y_M[0]), (_BLOCK_X_M[1], _BLOCK_Y_M[1]), (len(COLOURS), 2))
            yaw = rng.uniform(-_BLOCK_YAW_RAD, _BLOCK_YAW_RAD, len(COLOURS))
            if not _spread(xy):
                continue
            for name, (x, y), angle in zip(COLOURS, xy, yaw, strict=True):
                self._put(name, x, y, angle)
            mujoco.mj_kinematics(self._model, self._data)
            if self._arm_is_clear():
                break
        else:
            raise WorldError(
                f"world: no clear block poses in {_PLACEMENT_TRIES} draws; the arm covers the workspace",
                fix="move the arm home before placing blocks",
            )
        mujoco.mj_forward(self._model, self._data)

    def _put(self, name: str, x_m: float, y_m: float, yaw_rad: float) -> None:
        joint = self._model.body_jntadr[self._blocks[name]]
        qpos, qvel = self._model.jnt_qposadr[joint], self._model.jnt_dofadr[joint]
        half = 0.5 * yaw_rad
        self._data.qpos[qpos : qpos + 7] = (x_m, y_m, 0.5 * BLOCK_M, math.cos(half), 0.0, 0.0, math.sin(half))
        self._data.qvel[qvel : qvel + 6] = 0.0

    def _arm_is_clear(self) -> bool:
        return all(
            mujoco.mj_geomDistance(self._model, self._data, arm, block, _CLEAR_OF_ARM_M, None) >= _CLEAR_OF_ARM_M
            for block in self._block_geoms.values()
            for arm in self._arm_geoms
        )


def _spread(xy: Array) -> bool:
    """Whether each block can be pushed either way for a hand's breadth without meeting another."""
    for i in range(len(xy)):
        for j in range(i):
            dx, dy = np.abs(xy[i] - xy[j])
            if math.hypot(dx, dy) < _APART_M or (dx < _LANE_M and dy < _APART_IN_LANE_M):
                return False
    return True
