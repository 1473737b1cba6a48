"""What the device does when we fall silent: it stops by itself, and says so until it is armed anew."""

from __future__ import annotations

from edgevla.motors.errors import ServoRefused


class DeadmanTripped(ServoRefused):
    """The device has stopped by itself because nothing came in time, and refuses goals until that is cleared."""
