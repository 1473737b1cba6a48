"""LeRobot's normalisation modes: `NormalizerProcessorStep` and `UnnormalizerProcessorStep`, of 0.4 to 0.6.

An epsilon is added to a standard deviation on the way in, not on the way out; a range is replaced by it where it is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.importers.errors import ImportRefused
from edgevla.importers.statistics import Scaling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Mode -> the kind of policy.yaml with the same formula, and LeRobot's names of its numbers.
_MODES = {
    "MEAN_STD": ("mean_std", "mean", "std"),
    "MIN_MAX": ("min_max", "min", "max"),
    "QUANTILES": ("quantiles", "q01", "q99"),
    "QUANTILE10": ("quantiles", "q10", "q90"),
}


def scaling_of(
    mode: str, feature: str, statistics: Mapping[str, NDArray[Any]], count: int, eps: float, *, inverse: bool
) -> Scaling:
    """Return how a feature is normalised.

    Args:
        mode: of config.json's normalization_mapping.
        statistics: of this feature.
        count: of its numbers, or channels.
        inverse: whether it is un-normalised, as actions are.

    Raises:
        ImportRefused: the mode is not known, or its statistics are missing or no numbers.
    """
    if mode == "IDENTITY":
        return Scaling("none", np.zeros(count), np.ones(count))
    if mode not in _MODES:
        raise ImportRefused(f'{feature}: the normalisation "{mode}" is not known; known are {", ".join(_MODES)}')
    kind, *keys = _MODES[mode]
    missing = [key for key in keys if key not in statistics]
    if missing:
        raise ImportRefused(
            f"{feature}: is normalised by {mode}, and the checkpoint has no {' and '.join(missing)} for it",
            fix="copy the whole checkpoint, with its policy_preprocessor and policy_postprocessor files",
        )
    low, high = (statistics[key].reshape(-1).astype(np.float64) for key in keys)
    if not (np.isfinite(low) & np.isfinite(high)).all() or len(low) != count or len(high) != count:
        raise ImportRefused(
            f"{feature}: its {keys[0]} and {keys[1]} must be {count} finite numbers, and are {low} and {high}",
            fix="statistics that were never computed are infinite: train from a data set that has them",
        )
    if kind == "mean_std":
        return Scaling("mean_std", low, high if inverse else high + eps)
    return Scaling("min_max" if kind == "min_max" else "quantiles", low, np.where(high == low, low + eps, high))
