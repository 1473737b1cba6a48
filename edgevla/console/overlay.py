"""Where the tool of the arm would go, in the picture of a camera: forward kinematics and a pinhole.

The model is an MJCF file with the arm and the cameras as they are mounted (`console.overlay` of robot.yaml). A camera
of MJCF looks along its -z axis, x to the right and y up; `fovy` is the angle of view over the picture's height.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgevla.console.errors import OverlayRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NEAR_M = 1e-3  # what is nearer to the camera, or behind it, is in no picture


class Overlay:
    """Projects the path of a site into pictures.

    Args:
        model_path: the MJCF file.
        site: the point of the tool that is drawn.
        joints: their names, in the order of robot.yaml.
        cameras: camera of robot.yaml -> (camera in the model, width / height of its pictures).

    Raises:
        OverlayRefused: the file cannot be read, lacks something named here, or mujoco is not installed.
    """

    def __init__(
        self, model_path: Path, site: str, joints: Sequence[str], cameras: Mapping[str, tuple[str, float]]
    ) -> None:
        try:
            import mujoco
        except ImportError as error:
            raise OverlayRefused(
                f"console.overlay: mujoco cannot be imported: {error}", fix="pip install 'edgevla[sim]'"
            ) from None
        try:
            self._model = mujoco.MjModel.from_xml_path(str(model_path))
        except ValueError as error:
            fix = "name an MJCF file of the robot in console.overlay.model"
            raise OverlayRefused(f"console.overlay.model: {model_path}: {error}", fix=fix) from None
        self._mujoco, self._data = mujoco, mujoco.MjData(self._model)

        def find(kind: object, word: str, name: str) -> int:
            found: int = mujoco.mj_name2id(self._model, kind, name)
            if found < 0:
                fix = "console.overlay of robot.yaml and the model must agree"
                raise OverlayRefused(f'console.overlay: {model_path} has no {word} "{name}"', fix=fix)
            return found

        self._site = find(mujoco.mjtObj.mjOBJ_SITE, "site", site)
        ids = [find(mujoco.mjtObj.mjOBJ_JOINT, "joint", name) for name in joints]
        self._qpos: NDArray[np.int64] = np.array([self._model.jnt_qposadr[i] for i in ids])
        self._cameras = {
            name: (find(mujoco.mjtObj.mjOBJ_CAMERA, "camera", there), aspect)
            for name, (there, aspect) in cameras.items()
        }

    def path(self, rows_rad: Sequence[Sequence[float]], measured_rad: Sequence[float]) -> dict[str, list[list[float]]]:
        """The site at each row as a camera sees it from where the arm is now.

        Args:
            rows_rad: (rows, joints) of the plan.
            measured_rad: (joints,) where the arm is; a camera may sit on it.

        Returns:
            for each camera (rows, 2): 0, 0 is the upper left and 1, 1 the lower right corner of its picture; points
            beside it lie outside of 0..1. It ends before the first row that the camera has behind it.
        """
        sites_m = np.array([self._site_m(row) for row in rows_rad])
        self._set(measured_rad)
        return {
            name: project(sites_m, *self._seen_from(camera), aspect) for name, (camera, aspect) in self._cameras.items()
        }

    def _set(self, position_rad: Sequence[float]) -> None:
        self._data.qpos[self._qpos] = position_rad
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)

    def _site_m(self, position_rad: Sequence[float]) -> Array:
        self._set(position_rad)
        site_m: Array = self._data.site_xpos[self._site].copy()
        return site_m

    def _seen_from(self, camera: int) -> tuple[Array, Array, float]:
        """Position (3,) m, axes (3, 3) in columns, and the angle of view in rad."""
        axes = self._data.cam_xmat[camera].reshape(3, 3)
        return self._data.cam_xpos[camera], axes, math.radians(self._model.cam_fovy[camera])


def project(points_m: Array, camera_m: Array, axes: Array, fovy_rad: float, aspect: float) -> list[list[float]]:
    """Pinhole: (points, 3) m to (points, 2) in 0..1 of the picture, up to the first that is behind the camera."""
    seen_m = (points_m - camera_m) @ axes
    depth_m = -seen_m[:, 2]
    behind = np.flatnonzero(depth_m < _NEAR_M)
    seen_m = seen_m[: behind[0]] if len(behind) else seen_m
    scale = 0.5 / math.tan(0.5 * fovy_rad) / -seen_m[:, 2]  # picture heights for each metre
    right, down = 0.5 + scale * seen_m[:, 0] / aspect, 0.5 - scale * seen_m[:, 1]
    found: list[list[float]] = np.round(np.stack([right, down], axis=1), 4).tolist()
    return found
