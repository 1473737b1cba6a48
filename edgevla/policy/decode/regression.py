"""Policies that regress a whole chunk in one pass: ACT's, OpenVLA-OFT's L1 head, this project's own student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.policy.decode.base import Decoded
from edgevla.policy.normalise import MeanStd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.bundle import Manifest

FARTHEST = 20.0  # standard deviations; training data end near 6, a broken graph starts in the hundreds


class RegressionDecoder:
    """Un-normalises the output and, for deltas, adds the measured position."""

    def __init__(self, manifest: Manifest) -> None:
        action = manifest.action
        self._output = action.output
        self._shape = (1, action.horizon, len(action.names))
        self._names = action.names
        self._is_delta = action.kind == "delta"
        self._statistics = MeanStd(action.normalisation)

    def decode(self, outputs: Mapping[str, NDArray[Any]], state_rad: NDArray[np.float64]) -> Decoded:
        """Decode the (1, horizon, joints) output, see `Decoder.decode`."""
        normalised = outputs.get(self._output)
        if normalised is None:
            return Decoded.invalid(f"the graph gave no output {self._output}")
        if normalised.shape != self._shape or normalised.dtype.kind != "f":
            return Decoded.invalid(
                f"output {self._output} is {normalised.dtype} {normalised.shape}, policy.yaml says float {self._shape}"
            )
        if not np.isfinite(normalised).all():
            return Decoded.invalid(f"output {self._output} has NaN or infinite values")
        far = np.abs(normalised[0])
        if far.max() > FARTHEST:
            row, joint = np.unravel_index(far.argmax(), far.shape)
            return Decoded.invalid(
                f"row {row}, {self._names[joint]}: {normalised[0, row, joint]:.3g} standard deviations from the mean of"
                f" the training data; at most {FARTHEST:g} are believed"
            )
        actions_rad = self._statistics.unnormalise(normalised[0])
        return Decoded(actions_rad + state_rad if self._is_delta else actions_rad, True)
