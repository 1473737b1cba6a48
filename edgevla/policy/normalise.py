"""Normalised numbers n to the robot's numbers a and back, by the statistics of the bundle.

| kind | a | n |
| --- | --- | --- |
| mean_std | n * (std + eps) + mean | (a - mean) / (std + eps) |
| quantiles, min_max | 0.5 * (n + 1) * (high - low + eps) + low | 2 * (a - low) / (high - low + eps) - 1 |

The order of operations is upstream's: OpenVLA `predict_action`, Octo `sample_actions` (eps 0), OpenVLA-OFT (1e-8),
openpi `transforms.Normalize` and `Unnormalize` (1e-6, in both directions). A dimension whose mask is false passes
through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.bundle import Normalisation

HALF, ONE = np.float32(0.5), np.float32(1.0)


class Unnormalise:
    """From the network to the robot, in float32: every operation rounded by itself, none fused, so that kernels can
    give the same bits.

    Attributes:
        is_range: whether n runs from -1 to 1 between two bounds; else in units of a spread around a mean.
        scale: (dimensions,) float32, the spread or the range, the epsilon included.
        offset: (dimensions,) float32, the mean or the lower bound.
        mask: (dimensions,) bool, false where n passes through.
    """

    def __init__(self, statistics: Normalisation) -> None:
        scale, offset, self.mask = _numbers(statistics)
        self.is_range = _is_range(statistics)
        self.scale, self.offset = scale.astype(np.float32), offset.astype(np.float32)

    def __call__(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (..., dimensions) actions in the robot's units; what is not finite stays so."""
        with np.errstate(over="ignore", invalid="ignore"):  # the decoder refuses what comes of it
            unit = HALF * (normalised + ONE) if self.is_range else normalised
            actions: NDArray[np.float32] = np.where(self.mask, unit * self.scale + self.offset, normalised)
        return actions


class Normalise:
    """From the robot to the network, in float64."""

    def __init__(self, statistics: Normalisation) -> None:
        self._scale, self._offset, self._mask = _numbers(statistics)
        self._is_range = _is_range(statistics)

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (..., dimensions) values as the network was shown them in training."""
        scaled = (values - self._offset) / np.where(self._mask, self._scale, 1.0)
        normalised: NDArray[np.float64] = np.where(self._mask, scaled * 2.0 - 1.0 if self._is_range else scaled, values)
        return normalised


def middle(statistics: Normalisation) -> NDArray[np.float64]:
    """Return (dimensions,) values that the network has seen: the mean, or half-way between the bounds."""
    scale, offset, _ = _numbers(statistics)
    return offset + 0.5 * scale if _is_range(statistics) else offset


def _is_range(statistics: Normalisation) -> bool:
    return statistics.kind != "mean_std"


def _numbers(statistics: Normalisation) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Scale, offset and mask of checked statistics."""
    low, high = {
        "mean_std": (statistics.mean, statistics.std),
        "quantiles": (statistics.q01, statistics.q99),
        "min_max": (statistics.min, statistics.max),
    }[statistics.kind]
    offset, scale = np.array(low, np.float64), np.array(high, np.float64)
    if _is_range(statistics):
        scale = scale - offset
    return scale + statistics.eps, offset, np.array(statistics.mask or (True,) * len(low))
