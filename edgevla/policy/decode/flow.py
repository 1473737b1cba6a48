"""Flow matching (pi0, SmolVLA, GR00T): Euler steps along the velocity that the network predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.policy.decode.schedules import flow_schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.config.policy_families import Flow
    from edgevla.policy.normalise import Unnormalise

    Array = NDArray[np.float32]


def euler(x: Array, velocity: Array, dt: np.float32) -> Array:
    """Return x + dt * velocity, (..., horizon, width) float32; what is not finite stays so."""
    with np.errstate(over="ignore", invalid="ignore"):
        return x + dt * velocity


def finish(x: Array, velocity: Array, dt: np.float32, unnormalise: Unnormalise) -> Array:
    """Return the last step and the robot's units in one: (..., horizon, dimensions), without the padding columns.

    What a kernel may fuse; `edgevla_flow_finish` in kernels/edgevla_decode.h does.
    """
    return unnormalise(euler(x, velocity, dt)[..., : len(unnormalise.scale)])


class FlowUpdate:
    """What happens to the sample between two runs of the step graph. See `iterate.Update`."""

    prediction = "velocity"

    def __init__(self, flow: Flow) -> None:
        self._schedule = flow_schedule(flow)
        self.times, self.shown = self._schedule.times, self._schedule.shown
        self.draws: NDArray[np.int64] = np.arange(1)

    def __call__(self, step: int, x: Array, prediction: Array, noise: Array) -> Array:
        """Take step number `step`; there is no noise in it."""
        del step, noise
        return euler(x, prediction, self._schedule.dt)
