"""A student at work: an exported bundle, seen through the very code the runtime plans with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.errors import EdgeVLAError
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class StudentFailed(EdgeVLAError):
    """A student made an invalid chunk in the middle of an episode."""


class Student:
    """Plans chunks from camera pictures.

    Args:
        folder: the bundle.
    """

    def __init__(self, folder: Path) -> None:
        self._policy = load_policy(folder)

    def plan(self, front: NDArray[np.uint8], state_rad: Array, sentence: str) -> Array:
        """Absolute setpoints (horizon, joints) rad, from a picture (h, w, 3) RGB and measured positions (joints,).

        Raises:
            StudentFailed: the policy calls its own chunk invalid.
        """
        chunk = self._policy.act(Observation(0.0, {"front": front}, state_rad, sentence), seq=0)
        if not chunk.valid:
            raise StudentFailed(f'student, told "{sentence}": {chunk.reason}', fix="look at its training loss")
        return np.array(chunk.actions_rad)
