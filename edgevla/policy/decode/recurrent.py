"""The recurrent family: RoboVLMs' LSTM head. Its answer is a regression head's; what it remembers is the engine's.

See `edgevla/engine/recurrent.py` for the memory, and for how it keeps a window at the same latency in every tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.config.policy_families import Regression
from edgevla.policy.decode.regression import RegressionDecoder

if TYPE_CHECKING:
    from edgevla.bundle import Bundle


class RecurrentDecoder(RegressionDecoder):
    """The (1, horizon, dimensions) answer to setpoints, by the section `recurrent`."""

    def __init__(self, bundle: Bundle) -> None:
        section = bundle.manifest.recurrent
        assert section is not None, "a checked manifest has its family's section"
        super().__init__(bundle, Regression(tanh=section.tanh, mu_law=section.mu_law, gripper=section.gripper))
