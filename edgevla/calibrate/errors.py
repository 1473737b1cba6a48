"""What can end a calibration."""

from __future__ import annotations

from edgevla.errors import EdgeVLAError


class CalibrationError(EdgeVLAError):
    """A calibration cannot be taken, read or written."""


class WriteForbidden(CalibrationError):
    """Something was about to be written to a servo that nobody asked for by name. It was not sent."""
