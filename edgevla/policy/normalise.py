"""Normalised numbers to the robot's and back, in float64, by the statistics of the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgevla.bundle import Normalisation


class MeanStd:
    """n = (a - mean) / std over the last axis."""

    def __init__(self, statistics: Normalisation) -> None:
        self._mean = np.array(statistics.mean, np.float64)
        self._std = np.array(statistics.std, np.float64)

    def normalise(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (..., joints) values in units of their spread."""
        return (values - self._mean) / self._std

    def unnormalise(self, normalised: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (..., joints) network numbers in the robot's units."""
        return normalised * self._std + self._mean
