"""A distribution as the reports give it: the middle, the tail, the worst, and how many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SHARES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}


def quantiles(values: ArrayLike) -> dict[str, float | int | None]:
    """p50, p95, p99, p999, max and n of `values`; null where nothing was measured.

    Linear between the two nearest ranks, so with fewer than a thousand values p999 is next to the maximum.
    """
    measured = np.asarray(values, dtype=np.float64)
    if measured.size == 0:
        return {**dict.fromkeys(SHARES), "max": None, "n": 0}
    shares = np.percentile(measured, list(SHARES.values()))
    named = {name: round(float(value), 3) for name, value in zip(SHARES, shares, strict=True)}
    return {**named, "max": round(float(measured.max()), 3), "n": int(measured.size)}
