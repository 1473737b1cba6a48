"""Why a graph is not quantised."""

from __future__ import annotations

from edgevla.errors import EdgeVLAError


class GraphUnfit(EdgeVLAError):
    """The graph is broken, or has what cannot be quantised: free dimensions, an old opset, no float32 weights."""


class SetUnfit(EdgeVLAError):
    """The calibration set is too small, was taken for another policy, or holds what no policy should be shown."""


class BudgetMissed(EdgeVLAError):
    """Even with layers kept in float, the quantised policy is farther from the float one than policy.yaml allows."""

    exit_code = 1


class WriteFailed(EdgeVLAError):
    """A graph cannot be written; what lay there before still lies there."""
