"""Real-time chunking's guidance: a denoised chunk is drawn to the plan that is being played while it is made.

From the previous plan's part that still lies ahead, in the network's numbers, the first rows are kept, the next are
kept less and less, the rest is free. In every denoising step the velocity is corrected by how far the chunk it leads to
is from the kept rows (arXiv 2506.07339; Physical-Intelligence/real-time-chunking-kinetix). The Jacobian of that chunk
is taken as the identity, as LeRobot does, so no backward pass is needed and a compiled engine can run the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


def prefix_weights(frozen: int, guided: int, horizon: int, *, exponential: bool = False) -> Array:
    """Return (horizon,) how much each row is tied to the previous plan.

    1 for the `frozen` rows, which are past before the chunk arrives; then linearly down, or exponentially, to 0 at row
    `guided`. Physical Intelligence's `get_prefix_weights`, which LeRobot's equals where guided <= horizon.
    """
    frozen = min(frozen, guided)
    row = np.arange(horizon)
    weight = np.clip((frozen - 1 - row) / (guided - frozen + 1) + 1.0, 0.0, 1.0)
    if exponential:
        weight = weight * np.expm1(weight) / (math.e - 1.0)
    return np.where(row < guided, weight, 0.0).astype(np.float32)


def guidance_gain(progress: float, most: float) -> float:
    """Return how strongly to correct: (1 - p) / p (p^2 + (1 - p)^2) / (1 - p)^2, at most `most`; 0 at the end.

    Args:
        progress: 0 where the chunk is noise, 1 where it is done.
        most: also what holds at progress 0, where the formula is infinite.
    """
    if progress >= 1.0:
        return 0.0
    if progress <= 0.0:
        return most
    left = 1.0 - progress
    return min(left / progress * (progress * progress + left * left) / (left * left), most)


@dataclass(frozen=True, slots=True)
class Guidance:
    """What one chunk is drawn to while it is denoised. Float32 throughout, as the loop is.

    Args:
        target: (horizon, width) the previous plan in the network's numbers, against the *new* state; zeros where it
            says nothing and in padding columns.
        weights: (horizon,) from `prefix_weights`.
        most: largest gain.
        noise_at_1: whether time runs from 1 (noise) to 0, with v = noise - action, or from 0 to 1, with the opposite v.
    """

    target: Array
    weights: Array
    most: float
    noise_at_1: bool

    def gain(self, time: float) -> float:
        """Return `guidance_gain` at one of the loop's times: known before the loop begins."""
        return guidance_gain(1.0 - time if self.noise_at_1 else time, self.most)

    def __call__(self, x: Array, v: Array, time: float) -> Array:
        """Return the corrected velocity, of the shape of `x` and `v`: (horizon, width), or with batches in front."""
        left = np.float32(time if self.noise_at_1 else 1.0 - time)
        sign = np.float32(-1.0 if self.noise_at_1 else 1.0)
        error = (self.target - (x + sign * left * v)) * self.weights[:, np.newaxis]
        corrected: Array = v + sign * np.float32(self.gain(time)) * error
        return corrected
