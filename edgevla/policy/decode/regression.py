"""The regression family: the graph answers the normalised chunk in one pass. OpenVLA-OFT, ACT, RoboVLMs' FC head.

They differ in what policy.yaml says: OpenVLA-OFT's statistics are quantiles or bounds with eps 1e-8, ACT's are mean and
spread, RoboVLMs' are -0.65..0.65 with a gripper logit. Their formulae are in `edgevla/policy/normalise.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.config.policy_families import Regression
from edgevla.policy.decode.base import Decoded, Invalid, Setpoints, read_finite
from edgevla.policy.decode.mu_law import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgevla.bundle import Bundle
    from edgevla.config.policy_families import Gripper


class RegressionDecoder:
    """Activation, gripper logit and companding as policy.yaml says, then setpoints.

    Args:
        section: what the head leaves to be done; by default the manifest's `regression`.
    """

    def __init__(self, bundle: Bundle, section: Regression | None = None) -> None:
        action = bundle.manifest.action
        section = section or bundle.manifest.regression or Regression()
        self._output = action.output
        self._shape = (1, action.horizon, len(action.names))
        self._setpoints = Setpoints(bundle.manifest)
        self._tanh = section.tanh
        self._mu = section.mu_law
        self._gripper = section.gripper
        self._gripper_column = action.names.index(section.gripper.name) if section.gripper else None

    def decode(self, outputs: Mapping[str, NDArray[Any]], state_rad: NDArray[np.float64]) -> Decoded:
        """Decode the (1, horizon, dimensions) output, see `Decoder.decode`."""
        try:
            if (decoded := self._setpoints.decoded(outputs, state_rad)) is not None:
                return decoded
            answer = read_finite(outputs, self._output, self._shape)[0]
            return self._setpoints(self._normalised(answer), state_rad)
        except Invalid as invalid:
            return Decoded.invalid(str(invalid))

    def _normalised(self, answer: NDArray[np.float32]) -> NDArray[np.float32]:
        normalised = np.tanh(answer) if self._tanh else answer
        if self._mu:
            normalised = expand(normalised, self._mu)
        if self._gripper is not None:
            normalised = np.array(normalised)  # the outputs belong to the engine
            normalised[:, self._gripper_column] = switch(answer[:, self._gripper_column], self._gripper)
        return normalised


def switch(logits: NDArray[np.float32], gripper: Gripper) -> NDArray[np.float32]:
    """Return `high` where the sigmoid of a logit is above the threshold, else `low`: never anything in between."""
    with np.errstate(over="ignore"):  # exp(89) is infinite in float32, and 1 / inf the right answer
        probability = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return np.where(probability > gripper.threshold, np.float32(gripper.high), np.float32(gripper.low))
