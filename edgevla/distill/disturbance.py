"""What pushes the arm about while it is being watched, so that plans lead back from where it should not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.sim.tasks import Task

Array = NDArray[np.float64]

_PUSHED_SHARE = 0.7  # of episodes that are disturbed
_PUSH_RAD = 0.06
_LAST_S, _LAST_CARRYING_S = 3.5, 7.0
_DROPPED_SHARE = 0.12  # of disturbed episodes in which the hand opens for a moment
_DROP_RAD = 0.3


def disturbance(rng: np.random.Generator, task: Task) -> Callable[[float], Array] | None:
    """A few slow bumps, each on all joints of the arm, or none: the offset (6,) rad of the setpoints at a moment."""
    if rng.random() > _PUSHED_SHARE:
        return None
    count = int(rng.integers(1, 6 if task.carries else 4))
    at_s = rng.uniform(0.2, _LAST_CARRYING_S if task.carries else _LAST_S, count)
    width_s = rng.uniform(0.1, 0.4, count)
    size_rad = rng.uniform(-_PUSH_RAD, _PUSH_RAD, (count, 6))
    size_rad[:, 5] = 0.0
    if task.carries and rng.random() < _DROPPED_SHARE:
        size_rad[0, 5] = _DROP_RAD

    def disturb(t_s: float) -> Array:
        bump: Array = np.exp(-0.5 * ((t_s - at_s) / width_s) ** 2)
        return np.asarray(bump @ size_rad)

    return disturb
