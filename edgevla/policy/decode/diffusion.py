"""Denoising diffusion: DDPM as Octo samples it, DDIM as OpenVLA-OFT and diffusion policy do through diffusers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.policy.decode.schedules import ddim_schedule, ddpm_schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.config.policy_families import Diffusion
    from edgevla.policy.decode.schedules import DdimSchedule, DdpmSchedule

    Array = NDArray[np.float32]

_NAN = np.float32(np.nan)


def ddpm_step(schedule: DdpmSchedule, step: int, x: Array, epsilon: Array, z: Array, clip: np.float32) -> Array:
    """Return the next sample (..., horizon, width) float32, clipped to +-clip after the noise, as Octo does.

    Args:
        schedule: the coefficients.
        step: counted from 0, the noisiest.
        x: the sample.
        epsilon: the noise that the network sees in it.
        z: standard normal noise.
        clip: infinite for none.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean = schedule.inverse[step] * (x - schedule.share[step] * epsilon)
        return clipped(mean + schedule.spread[step] * z, clip)


def ddim_step(schedule: DdimSchedule, step: int, x: Array, epsilon: Array, clip: np.float32) -> Array:
    """Return the next sample (..., horizon, width) float32; the predicted actions are clipped to +-clip on the way."""
    with np.errstate(over="ignore", invalid="ignore"):
        x0 = clipped((x - schedule.noise[step] * epsilon) / schedule.signal[step], clip)
        next_x: Array = schedule.signal_next[step] * x0 + schedule.direction[step] * epsilon
        return next_x


def clipped(values: Array, clip: np.float32) -> Array:
    """Clip to +-clip, but make NaN of what is infinite: clipped, a fault would look like an action."""
    return np.where(np.isfinite(values), np.clip(values, -clip, clip), _NAN)


class DdpmUpdate:
    """See `iterate.Update`.

    Args:
        diffusion: the numbers of policy.yaml.
        dimensions: of the action; columns from there on are noised, not denoised, as the network saw them in training.
    """

    prediction = "noise"

    def __init__(self, diffusion: Diffusion, dimensions: int) -> None:
        self._schedule = ddpm_schedule(diffusion)
        self._clip, self._dimensions = _clip(diffusion), dimensions
        self.shown = self._schedule.shown
        self.times = self.shown.astype(np.float64)
        self.draws: NDArray[np.int64] = np.arange(1 + len(self.shown))

    def __call__(self, step: int, x: Array, prediction: Array, noise: Array) -> Array:
        """Take step number `step` with the noise of draw 1 + step."""
        z = noise[1 + step]
        x = ddpm_step(self._schedule, step, x, prediction, z, self._clip)
        x[..., self._dimensions :] = self._schedule.masked[step] * z[..., self._dimensions :]
        return x


class DdimUpdate:
    """See `iterate.Update`."""

    prediction = "noise"

    def __init__(self, diffusion: Diffusion) -> None:
        self._schedule = ddim_schedule(diffusion)
        self._clip = _clip(diffusion)
        self.shown = self._schedule.shown
        self.times = self.shown.astype(np.float64)
        self.draws: NDArray[np.int64] = np.arange(1)

    def __call__(self, step: int, x: Array, prediction: Array, noise: Array) -> Array:
        """Take step number `step`; there is no noise in it."""
        del noise
        return ddim_step(self._schedule, step, x, prediction, self._clip)


def _clip(diffusion: Diffusion) -> np.float32:
    return np.float32(np.inf if diffusion.clip is None else diffusion.clip)
