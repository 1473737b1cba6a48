"""What every decoder is: the outputs of a graph to joint setpoints, or a reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Decoded:
    """Absolute joint setpoints (horizon, joints) in rad; or no rows, never zeros, and the reason."""

    actions_rad: NDArray[np.float64]
    valid: bool
    reason: str = ""

    @classmethod
    def invalid(cls, reason: str) -> Decoded:
        """Nothing to play: the arm holds."""
        return cls(np.empty((0, 0)), False, reason)


class Decoder(Protocol):
    """One policy family. Stateless, so a chunk depends on its observation only."""

    def decode(self, outputs: Mapping[str, NDArray[Any]], state_rad: NDArray[np.float64]) -> Decoded:
        """Decode one run of the graph.

        Args:
            outputs: the graph's outputs by name; whatever they hold ends in `Decoded`, never in an exception.
            state_rad: (joints,) the measured positions of the observation.
        """
        ...
