"""What can go wrong between us and a servo, by cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Sequence


class MotorError(EdgeVLAError):
    """Something on the way to the motors or in them."""


class PortError(MotorError):
    """The serial port itself."""


class PortMissing(PortError):
    """There is no such device."""


class PortDenied(PortError):
    """It is there, but this user may not open it."""


class PortBusy(PortError):
    """Another program has it open; it may be ending, so a service manager tries again."""

    exit_code = 3


class PortUnusable(PortError):
    """It is no serial port, or does not take these settings."""


class PortLost(PortError):
    """It was open and is gone: unplugged, or the adapter failed. Only opening it again helps."""


class ReplyError(MotorError):
    """A request without a good answer. One may be noise; several in a row are a lost bus.

    `devices`: the servo ids whose reply is missing.
    """

    def __init__(self, message: str, *, devices: Sequence[int], fix: str = "") -> None:
        self.devices = tuple(devices)
        super().__init__(message, fix=fix)


class NoReply(ReplyError):
    """Silence."""


class BadReply(ReplyError):
    """Bytes came, but not the awaited reply: noise, a wrong baud rate, or two servos with one id."""


class ServoRefused(MotorError):
    """A servo answers, but is set up or stands in a way in which it must not be moved."""


class GoalInvalid(MotorError):
    """A position that cannot be sent: not finite, not one a joint, or beyond what the servo can count."""
