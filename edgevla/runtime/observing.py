"""From the newest frames and joint states to one `Observation`: everything in it belongs to the same moment."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from edgevla.messages import JointState, Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.cameras.source import CameraSource, Frame

_HISTORY = 64  # joint states, more than a second at 50 Hz
_STATE_MAX_AGE_S = 0.2
_FROZEN_FRAMES = 10  # in a row, bit for bit the same: so is a picture of a scene at rest,
_FROZEN_S = 0.3  # but not if in this time, less than that of so many frames at 30 Hz,
_FROZEN_MOVED_RAD = 0.1  # a joint has moved this far


class StateHistory:
    """The last joint states, to know where the arm was when a picture was taken."""

    def __init__(self) -> None:
        self._states: deque[JointState] = deque(maxlen=_HISTORY)

    def add(self, state: JointState) -> None:
        """Append; states come in the order of their time."""
        self._states.append(state)

    def moved_rad(self, since_s: float) -> float:
        """How far the joint that moved most has moved since then, rad."""
        positions = [state.position_rad for state in self._states if state.t_s >= since_s]
        return float(np.ptp(positions, axis=0).max()) if positions else 0.0

    def at(self, t_s: float) -> NDArray[np.float64] | None:
        """Measured positions at `t_s`, (joints,) rad, linear in between; None when the servos have gone quiet."""
        if not self._states or t_s - self._states[-1].t_s > _STATE_MAX_AGE_S:
            return None
        times = np.array([state.t_s for state in self._states])
        positions = np.array([state.position_rad for state in self._states])
        return np.array([np.interp(t_s, times, column) for column in positions.T])


def observe(
    sources: Mapping[str, CameraSource],
    max_age_s: Mapping[str, float],
    states: StateHistory,
    instruction: str,
    now_s: float,
) -> Observation | str:
    """Put an observation together, or say what is missing or too old for one.

    Args:
        sources: running cameras, by name.
        max_age_s: for each of them, the age at which a frame is no observation any more.
    """
    frames: dict[str, Frame] = {}
    for name, source in sources.items():
        frame = source.latest()
        if frame is None or now_s - frame.t_s > max_age_s[name]:
            age = "no frame yet" if frame is None else f"the newest frame is {(now_s - frame.t_s) * 1e3:.0f} ms old"
            return str(source.fault) if source.fault is not None else f"camera {name}: {age}"
        if source.identical_frames >= _FROZEN_FRAMES and states.moved_rad(now_s - _FROZEN_S) > _FROZEN_MOVED_RAD:
            return f"camera {name}: the arm moves, and its picture has not changed for {source.identical_frames} frames"
        frames[name] = frame
    t_obs_s = min(frame.t_s for frame in frames.values())
    state_rad = states.at(t_obs_s)
    if state_rad is None:
        return "no joint state as recent as the picture"
    return Observation(t_obs_s, {name: frame.image for name, frame in frames.items()}, state_rad, instruction)
