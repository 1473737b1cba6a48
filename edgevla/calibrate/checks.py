"""What no quantiser should ever see: pictures and states that say nothing about the robot's world.

A scale set from a covered lens, a frozen stream or random numbers looks fine and is wrong everywhere. Each check names
its reason in a few words; the words are what the user reads and what the set's manifest counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgevla.calibrate.features import thumbnail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.calibration_set import Resolution
    from edgevla.messages import Observation

_DARK = 16  # 98 % of the pixels below: no picture, even of a dim room
_BRIGHT = 250  # half the pixels at or above: the sensor is saturated
_FLAT = 2.0  # standard deviation: a covered lens, a grey card
# Correlation of neighbouring pixels. Pictures of anything reach 0.9, those of a dim room 0.4, white noise 0. Made
# small, pictures lose their grain and noise does not, so that noise of coarser grain shows too.
_NEIGHBOURS = 0.2
_SMALL_PX = 24
_SMALL_NEIGHBOURS = 0.3
_FASTEST_RAD_S = 12.0  # no servo here turns faster, and no hand turns one
_FARTHEST_RAD = 2.0 * np.pi


class Checks:
    """Looks at observations in their order; what repeats or jumps shows only against the one before.

    Args:
        cameras: the pictures that must be there, and their size.
        joints: how many numbers the state must have.
    """

    def __init__(self, cameras: Mapping[str, Resolution], joints: int) -> None:
        self._cameras = dict(cameras)
        self._joints = joints
        self._before: Observation | None = None

    def begin_episode(self) -> None:
        """What comes next has nothing to do with what came before."""
        self._before = None

    def refusal(self, observation: Observation) -> str:
        """Why this observation must not be used; empty when it may."""
        before, reason = self._before, self._state_refusal(observation)
        if not reason:
            self._before = observation
            reason = self._jump(observation, before)
        for camera in self._cameras:
            reason = reason or self._picture_refusal(observation, before, camera)
        return reason

    def _state_refusal(self, observation: Observation) -> str:
        state_rad = observation.state_rad
        if state_rad.shape != (self._joints,):
            return "joints: of another number than the policy's"
        if not np.isfinite(state_rad).all() or not np.isfinite(observation.t_obs_s):
            return "joints: not finite"
        return "joints: more than a turn from zero" if np.abs(state_rad).max() > _FARTHEST_RAD else ""

    def _jump(self, observation: Observation, before: Observation | None) -> str:
        if before is None:
            return ""
        passed_s = observation.t_obs_s - before.t_obs_s
        if passed_s <= 0.0:
            return "time: does not go on"
        moved_rad = float(np.abs(observation.state_rad - before.state_rad).max())
        return "joints: jump, faster than any servo turns" if moved_rad > _FASTEST_RAD_S * passed_s else ""

    def _picture_refusal(self, observation: Observation, before: Observation | None, camera: str) -> str:
        image, size = observation.images.get(camera), self._cameras[camera]
        if image is None:
            return f"{camera}: no picture"
        if image.dtype != np.uint8 or image.shape != (size.height, size.width, 3):
            return f"{camera}: not uint8 RGB of {size.width}x{size.height}"
        if before is not None and camera in before.images and np.array_equal(image, before.images[camera]):
            return f"{camera}: frozen, the same picture as before bit for bit"
        return f"{camera}: {words}" if (words := picture_fault(image)) else ""


def picture_fault(image: NDArray[np.uint8]) -> str:
    """What is wrong with a picture (h, w, 3), in words; empty when it may show something."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if np.count_nonzero(grey >= _DARK) < 0.02 * grey.size:
        return "black"
    if np.count_nonzero(grey >= _BRIGHT) > 0.5 * grey.size:
        return "overexposed"
    if grey.std() < _FLAT:
        return "blank, the same everywhere"
    small = thumbnail(image, _SMALL_PX)
    if _likeness(grey.astype(np.float32)) < _NEIGHBOURS or _likeness(small) < _SMALL_NEIGHBOURS:
        return "noise, no pixel resembles its neighbours"
    return ""


def _likeness(grey: NDArray[np.floating]) -> float:
    """Correlation of pixels with those beside and below them, the larger of the two, -1..1."""
    pairs = ((grey[:, :-1], grey[:, 1:]), (grey[:-1], grey[1:]))
    return max(_correlation(first.ravel(), second.ravel()) for first, second in pairs)


def _correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / scale if scale > 0.0 else 1.0
