"""A bundle at work: seen through the very code the runtime plans with, whatever its family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.messages import Observation
from edgevla.policy.loading import load_policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_STALE = 2  # invalid chunks in a row that the last valid one still serves for, as in the runtime


class Driver:
    """Plans chunks from camera pictures.

    An invalid chunk is no plan: the arm goes on along the last valid one, and after that stays where it is.

    Attributes:
        cameras: whose pictures it looks at.
        invalid: how many chunks were.

    Args:
        folder: the bundle.
        variant: which of its graphs.
    """

    def __init__(self, folder: Path, variant: str = "fp32") -> None:
        self._policy = load_policy(folder, variant)
        self.cameras = self._policy.cameras
        self.invalid = 0
        self._seq = 0
        self._last: Array | None = None
        self._stale = 0

    def reset(self) -> None:
        """Forget: another episode begins."""
        self._policy.reset()
        self._last = None

    def plan(self, pictures: Mapping[str, NDArray[np.uint8]], state_rad: Array, sentence: str, t_s: float) -> Array:
        """Absolute setpoints (horizon, joints) rad.

        Args:
            pictures: (h, w, 3) RGB, by camera.
            state_rad: (joints,) measured.
            t_s: when that was; a policy that remembers wants one every 1 / rate_hz.
        """
        chunk = self._policy.act(Observation(t_s, dict(pictures), state_rad, sentence), seq=self._seq)
        self._seq += 1
        if chunk.valid:
            self._last, self._stale = np.array(chunk.actions_rad), 0
            return self._last
        self.invalid += 1
        self._stale += 1
        if self._last is None or self._stale > _STALE:
            return np.tile(state_rad, (2, 1))
        self._last = np.concatenate([self._last[1:], self._last[-1:]])
        return self._last
