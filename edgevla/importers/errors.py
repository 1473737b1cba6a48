"""What can go wrong with a checkpoint."""

from __future__ import annotations

from edgevla.errors import EdgeVLAError


class ImportRefused(EdgeVLAError):
    """A checkpoint cannot be read, says something that a bundle cannot, or leaves a question open."""


class Differs(EdgeVLAError):
    """The bundle does not do what the checkpoint does."""

    exit_code = 1
