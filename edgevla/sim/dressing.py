"""Gives the scene another look by changing its compiled model, and its own back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.sim.graphics import mujoco
from edgevla.sim.look import MOST_THINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.sim.look import Look, Thing

_CHANGED = (
    "light_dir",
    "light_diffuse",
    "cam_pos",
    "cam_quat",
    "geom_rgba",
    "geom_matid",
    "geom_type",
    "geom_size",
    "geom_pos",
    "geom_quat",
    "geom_group",
)
_HEADLIGHT = ("ambient", "diffuse")
_LYING = (np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0)  # a capsule's or an egg's axis along x


class Dressing:
    """One model and what it was compiled with. Shapes that touch nothing may change while nobody draws."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._plain = {name: getattr(model, name).copy() for name in _CHANGED}
        self._headlight = {name: getattr(model.vis.headlight, name).copy() for name in _HEADLIGHT}
        self._table = model.geom("table").id
        self._front = model.camera("front").id
        self._things = [model.geom(f"thing{i}").id for i in range(MOST_THINGS)]

    def put_on(self, look: Look) -> None:
        """Show this look, and nothing of the one before."""
        model = self._model
        for name, values in self._plain.items():
            getattr(model, name)[:] = values
        light = look.brightness * np.array(look.tint)
        for name, values in self._headlight.items():
            getattr(model.vis.headlight, name)[:] = values * light
        model.light_diffuse[:] *= light
        model.light_dir[:, :2] += look.light_from
        model.light_dir[:] /= np.linalg.norm(model.light_dir, axis=1, keepdims=True)
        if look.table_rgb is not None:
            model.geom_rgba[self._table, :3] = look.table_rgb
        if look.pattern:
            model.geom_matid[self._table] = model.material(look.pattern).id
        self._move_camera(np.array(look.camera_shift_m), np.array(look.camera_turn_rad))
        for geom, thing in zip(self._things, look.things, strict=False):
            self._lay(geom, thing)

    def _move_camera(self, shift_m: NDArray[np.float64], turn_rad: NDArray[np.float64]) -> None:
        if shift_m.any():
            moved = np.zeros(3)
            mujoco.mju_rotVecQuat(moved, shift_m, self._model.cam_quat[self._front])
            self._model.cam_pos[self._front] += moved
        if turn_rad.any():
            mujoco.mju_quatIntegrate(self._model.cam_quat[self._front], turn_rad, 1.0)

    def _lay(self, geom: int, thing: Thing) -> None:
        model, radius_m = self._model, thing.radius_m
        kind, size, height_m = {
            "ball": (mujoco.mjtGeom.mjGEOM_SPHERE, (radius_m, 0.0, 0.0), radius_m),
            "can": (mujoco.mjtGeom.mjGEOM_CYLINDER, (radius_m, radius_m, 0.0), radius_m),
            "pen": (mujoco.mjtGeom.mjGEOM_CAPSULE, (0.4 * radius_m, 2.0 * radius_m, 0.0), 0.4 * radius_m),
            "egg": (mujoco.mjtGeom.mjGEOM_ELLIPSOID, (radius_m, radius_m, 1.5 * radius_m), radius_m),
        }[thing.shape]
        model.geom_type[geom] = kind
        model.geom_size[geom] = size
        model.geom_pos[geom] = (*thing.at_m, height_m)
        model.geom_quat[geom] = _LYING if thing.shape in {"pen", "egg"} else (1.0, 0.0, 0.0, 0.0)
        model.geom_rgba[geom] = (*thing.rgb, 1.0)
        model.geom_group[geom] = 0
