"""What can be wrong with something that is to be planned."""

from __future__ import annotations

from edgevla.errors import EdgeVLAError


class PlanRefused(EdgeVLAError):
    """Nothing can be reckoned for this subject or this target."""
