"""What a denoising loop needs at each step, as plain arrays that are computed once, when the policy is loaded.

The loop has no branch and no formula left in it, so that a captured CUDA graph can run it. Arrays are float32: the
betas are reckoned in float64 and rounded, and what follows from them is taken in upstream's order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.config.policy_families import Diffusion, Flow

    Steps = NDArray[np.float32]

_LARGEST_BETA = 0.999
_OFFSET = 0.008  # Nichol and Dhariwal, "Improved denoising diffusion probabilistic models", 2021, equation 17


@dataclass(frozen=True, slots=True)
class FlowSchedule:
    """(steps,) arrays of a flow policy.

    Args:
        times: where in time each step begins.
        shown: what the network is shown for it: the time as float32, or its bucket as int64.
        dt: what a step adds to time; negative where noise is at 1.
    """

    times: NDArray[np.float64]
    shown: NDArray[np.float32] | NDArray[np.int64]
    dt: np.float32


@dataclass(frozen=True, slots=True)
class DdpmSchedule:
    """(steps,) arrays: x <- inverse * (x - share * epsilon) + spread * z; padding columns are masked * z."""

    shown: NDArray[np.int64]
    inverse: Steps  # 1 / sqrt(alpha)
    share: Steps  # (1 - alpha) / sqrt(1 - alpha_bar)
    spread: Steps  # sqrt(beta), 0 in the last step
    masked: Steps  # sqrt(1 - alpha_bar)


@dataclass(frozen=True, slots=True)
class DdimSchedule:
    """(steps,) arrays: x0 = (x - noise * epsilon) / signal, then x <- signal_next * x0 + direction * epsilon."""

    shown: NDArray[np.int64]
    signal: Steps  # sqrt(alpha_bar)
    noise: Steps  # sqrt(1 - alpha_bar)
    signal_next: Steps
    direction: Steps  # sqrt(1 - alpha_bar) of the next step


def flow_schedule(flow: Flow) -> FlowSchedule:
    """The times of openpi's `sample_actions`, LeRobot's `euler_integrate` and GR00T's `get_action`."""
    falls = flow.direction == "noise_at_1"
    dt = (-1.0 if falls else 1.0) / flow.steps
    if flow.accumulate:
        changes = np.array([float(falls), *[dt] * (flow.steps - 1)], np.float32)
        times: NDArray[np.float64] = np.add.accumulate(changes, dtype=np.float32).astype(np.float64)
    elif falls:
        times = 1.0 + np.arange(flow.steps, dtype=np.float64) * dt
    else:
        times = np.arange(flow.steps, dtype=np.float64) / flow.steps
    if flow.time == "buckets":
        return FlowSchedule(times, (times * flow.buckets).astype(np.int64), np.float32(dt))
    return FlowSchedule(times, times.astype(np.float32), np.float32(dt))


def betas_of(diffusion: Diffusion) -> NDArray[np.float64]:
    """Return the (train_steps,) noise variances, each between 0 and 1."""
    count = diffusion.train_steps
    if diffusion.schedule == "explicit":
        return np.array(diffusion.betas)
    if diffusion.schedule == "linear":
        return np.linspace(diffusion.beta_start, diffusion.beta_end, count, dtype=np.float64)
    # Octo's "cosine" and diffusers' "squaredcos_cap_v2" are one formula: Octo also divides by its value at 0, which
    # cancels in the ratio.
    at = np.arange(count + 1) / count
    signal = np.cos((at + _OFFSET) / (1.0 + _OFFSET) * math.pi / 2.0) ** 2
    betas: NDArray[np.float64] = np.minimum(1.0 - signal[1:] / signal[:-1], _LARGEST_BETA)
    return betas


def ddpm_schedule(diffusion: Diffusion) -> DdpmSchedule:
    """The coefficients of Octo's `DiffusionActionHead.predict_action`, from the last training step down to 0."""
    alphas, alpha_bars, shown = _alphas(diffusion)
    one = np.float32(1.0)
    alpha, alpha_bar = alphas[shown], alpha_bars[shown]
    return DdpmSchedule(
        shown=shown,
        inverse=np.reciprocal(np.sqrt(alpha)),
        share=(one - alpha) / np.sqrt(one - alpha_bar),
        spread=np.sqrt(one - alpha) * (shown > 0).astype(np.float32),
        masked=np.sqrt(one - alpha_bar),
    )


def ddim_schedule(diffusion: Diffusion) -> DdimSchedule:
    """The coefficients of diffusers' `DDIMScheduler.step`, eta 0, with "leading" time steps and x0 after the last."""
    _, alpha_bars, _ = _alphas(diffusion)
    stride = diffusion.train_steps // (diffusion.steps or diffusion.train_steps)
    shown = np.arange(diffusion.steps or diffusion.train_steps)[::-1] * stride
    one = np.float32(1.0)
    alpha_bar = alpha_bars[shown]
    # Taken by the stride, not by the list: the last step ends in x0.
    alpha_bar_next = np.where(shown >= stride, alpha_bars[np.maximum(shown - stride, 0)], one)
    return DdimSchedule(
        shown=shown,
        signal=np.sqrt(alpha_bar),
        noise=np.sqrt(one - alpha_bar),
        signal_next=np.sqrt(alpha_bar_next),
        direction=np.sqrt(one - alpha_bar_next),
    )


def _alphas(diffusion: Diffusion) -> tuple[Steps, Steps, NDArray[np.int64]]:
    """Alphas, their running product, and all time steps from the last to the first."""
    alphas = np.float32(1.0) - betas_of(diffusion).astype(np.float32)
    # The product is summed up in float64, as torch does for float32 on a CPU, and rounded once.
    alpha_bars = np.cumprod(alphas, dtype=np.float64).astype(np.float32)
    return alphas, alpha_bars, np.arange(len(alphas))[::-1]
