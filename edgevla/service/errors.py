"""What can end an installation."""

from __future__ import annotations

from edgevla.errors import EdgeVLAError


class ServiceError(EdgeVLAError):
    """The service cannot be installed, removed or looked at."""


class NotVisible(ServiceError):
    """A file lies where a hardened service cannot see it."""
