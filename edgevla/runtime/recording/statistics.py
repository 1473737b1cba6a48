"""Statistics as LeRobot keeps them beside a dataset, exact: of all frames and every pixel of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
_LEVELS = 256

Figures = dict[str, Any]


def of_rows(rows: NDArray[np.float64]) -> Figures:
    """Return the figures of each column of (frames, dimensions)."""
    quantiles = np.quantile(rows, list(QUANTILES.values()), axis=0)
    return {
        "min": rows.min(0).tolist(),
        "max": rows.max(0).tolist(),
        "mean": rows.mean(0).tolist(),
        "std": rows.std(0).tolist(),
        "count": [len(rows)],
        **{name: quantile.tolist() for name, quantile in zip(QUANTILES, quantiles, strict=True)},
    }


class Pixels:
    """How often each level occurs in each channel of some pictures: all that their statistics need."""

    def __init__(self) -> None:
        self.frames = 0
        self._counts = np.zeros((3, _LEVELS), np.int64)

    def add(self, image: NDArray[np.uint8]) -> None:
        """Count one RGB picture, (height, width, 3)."""
        self.frames += 1
        for channel in range(3):
            self._counts[channel] += np.bincount(image[..., channel].ravel(), minlength=_LEVELS)

    def merge(self, others: Iterable[Pixels]) -> Pixels:
        """Count what others have counted too; returns itself."""
        for other in others:
            self.frames += other.frames
            self._counts += other._counts
        return self

    def figures(self) -> Figures:
        """Return the figures of each channel, of levels from 0 to 1, as (3, 1, 1)."""
        levels = np.arange(_LEVELS) / (_LEVELS - 1)
        share = self._counts / self._counts.sum(1, keepdims=True)
        mean = share @ levels
        below = np.cumsum(share, 1)
        found = {
            "min": [levels[np.flatnonzero(counts)[0]] for counts in self._counts],
            "max": [levels[np.flatnonzero(counts)[-1]] for counts in self._counts],
            "mean": mean,
            "std": np.sqrt(np.maximum(share @ levels**2 - mean**2, 0.0)),
            **{name: [levels[np.searchsorted(row, q)] for row in below] for name, q in QUANTILES.items()},
        }
        shaped = {name: np.reshape(values, (3, 1, 1)).tolist() for name, values in found.items()}
        return {**shaped, "count": [self.frames]}
