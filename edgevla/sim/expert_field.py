"""What the expert's velocity fields are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GAIN_PER_S = 4.0
_VERTICAL_GAIN_PER_S = 6.0


def ramp(x: float) -> float:
    """0 below 0, 1 above 1, straight between."""
    return min(1.0, max(0.0, x))


def approach(to_goal: Array, rise_m: float, *, speed_m_s: float, vertical_m_s: float) -> Array:
    """Towards the goal in the plane, slower the further the height is below what it should be, (3,) m/s.

    Args:
        to_goal: how far it is, (2,) m.
        rise_m: how much higher it should be.
        speed_m_s: at most, in the plane.
        vertical_m_s: at most, up or down.
    """
    distance_m = float(np.hypot(*to_goal))
    speed = min(speed_m_s, GAIN_PER_S * distance_m) * ramp(1.0 - rise_m / 0.025)
    plane = to_goal / max(1e-9, distance_m) * speed
    return np.append(plane, np.clip(_VERTICAL_GAIN_PER_S * rise_m, -vertical_m_s, vertical_m_s))
