"""What candidate graphs do to the decoded actions, beside the float policy on the same observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.quantize.deviation import compare
from edgevla.quantize.errors import GraphUnfit, SetUnfit
from edgevla.quantize.pieces import graphs_of, policy_around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.bundle import Bundle
    from edgevla.messages import Observation
    from edgevla.policy.policy import Policy
    from edgevla.quantize.deviation import Deviation

    Array = NDArray[np.float64]


class Trial:
    """A set, and what the float policy does with it.

    Args:
        bundle: its fp32 graphs are the reference.
        observations: read anew for each candidate; a list is faster, a part of a set needs no memory.

    Raises:
        SetUnfit: the float policy itself makes no valid chunk of an observation.
    """

    def __init__(self, bundle: Bundle, observations: Iterable[Observation]) -> None:
        self._bundle, self._observations = bundle, observations

        def refusal(index: int, reason: str) -> SetUnfit:
            return SetUnfit(
                f"item {index}: {bundle.manifest.name} in fp32 makes no valid chunk of it: {reason}",
                fix="capture what the policy is meant to see",
            )

        self.reference_rad = _chunks(policy_around(bundle, graphs_of(bundle)), observations, refusal)
        self._state_rad = np.array([each.state_rad for each in observations])

    def actions_rad(self, graphs: Mapping[str, Path]) -> Array:
        """What the policy does with these graphs, (observations, horizon, joints).

        Raises:
            GraphUnfit: it makes no valid chunk where the float policy makes one.
        """
        names = ", ".join(path.name for path in graphs.values())

        def refusal(index: int, reason: str) -> GraphUnfit:
            return GraphUnfit(f"{names}: item {index}: no valid chunk: {reason}", fix="keep more layers in float")

        return _chunks(policy_around(self._bundle, graphs), self._observations, refusal)

    def deviation(self, actions_rad: Array) -> Deviation:
        """How far actions of `actions_rad` are from the float policy's."""
        return compare(self._bundle.manifest.joints, self.reference_rad, actions_rad, self._state_rad)


def _chunks(policy: Policy, observations: Iterable[Observation], refusal: Callable[[int, str], Exception]) -> Array:
    chunks = []
    try:
        for index, observation in enumerate(observations):
            chunk = policy.act(observation, seq=index)
            if not chunk.valid:
                raise refusal(index, chunk.reason)
            chunks.append(chunk.actions_rad)
    finally:
        policy.engine.close()
    return np.array(chunks)
