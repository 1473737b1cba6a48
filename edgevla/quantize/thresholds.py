"""Where to clip an activation: three ways from its histogram to the largest magnitude that INT8 shall hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.quantize.activations import BINS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edgevla.quantize.activations import Activation

PERCENTILE = 99.99
_LEVELS = 128  # magnitudes of symmetric int8, -127..127
_STRIDE = 16  # bins between candidates of the entropy search
_LEAST = 1e-8  # a tensor that is always zero still needs a scale


def min_max(seen: Activation) -> float:
    """Everything that was seen fits."""
    return seen.reach


def percentile(seen: Activation) -> float:
    """99.99 % of the magnitudes that are not zero fit; the rest saturates."""
    total = seen.counts.sum()
    if total == 0:
        return seen.reach
    place = int(np.searchsorted(np.cumsum(seen.counts), total * (PERCENTILE / 100.0)))
    return seen.reach * (place + 1) / BINS


def entropy(seen: Activation) -> float:
    """The threshold whose 128 levels tell least of the histogram apart: least Kullback-Leibler divergence.

    Migacz (2017), "8-bit inference with TensorRT", GTC: the reference distribution is the histogram with all that is
    clipped put into its last bin, the candidate is the same range in 128 equal steps, spread evenly over the bins
    that are not empty.
    """
    if seen.counts.sum() == 0:
        return seen.reach
    candidates = range(_LEVELS, BINS + 1, _STRIDE)
    best = min(candidates, key=lambda bins: _divergence(seen.counts, bins))
    return seen.reach * best / BINS


METHODS: Mapping[str, Callable[[Activation], float]] = {
    "minmax": min_max,
    "entropy": entropy,
    "percentile": percentile,
}


def scale_of(threshold: float) -> float:
    """The step of symmetric int8 that reaches `threshold` at 127."""
    return max(threshold, _LEAST) / 127.0


def _divergence(counts: NDArray[np.int64], bins: int) -> float:
    reference = counts[:bins].astype(np.float64)
    occupied = reference > 0
    inside = reference.copy()
    reference[-1] += counts[bins:].sum()
    levels = np.arange(bins) * _LEVELS // bins
    sums = np.bincount(levels, inside, _LEVELS)
    members = np.bincount(levels, occupied, _LEVELS)
    spread = np.divide(sums, members, out=np.zeros(_LEVELS), where=members > 0)
    candidate = np.where(occupied, spread[levels], 0.0)
    there = reference > 0
    if candidate.sum() == 0 or (there & (candidate == 0)).any():
        return np.inf
    p, q = reference[there] / reference.sum(), candidate[there] / candidate.sum()
    return float((p * np.log(p / q)).sum())
