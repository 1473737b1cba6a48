"""Why a policy refuses what it is shown or told."""

from __future__ import annotations

from edgevla.errors import EdgeVLAError


class InputRefused(EdgeVLAError):
    """An image, a state or a sentence that the graph must not be given: an invalid chunk, but no dead policy."""
