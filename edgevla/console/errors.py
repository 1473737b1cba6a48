"""What can keep the operator's page from being served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.console.preflight import Check


class AddressRefused(EdgeVLAError):
    """The address cannot be listened on as asked."""


class AddressInUse(EdgeVLAError):
    """Another program listens there already."""

    exit_code = 3


class CertificateRefused(EdgeVLAError):
    """The TLS certificate or its key cannot be used."""


class OverlayRefused(EdgeVLAError):
    """The model of `console.overlay` does not fit the robot."""


class DoorClosed(EdgeVLAError):
    """No console can be asked for a link, or it does not give one."""

    exit_code = 3


class Refusal(Exception):
    """What a person asked for is not done; `status` is HTTP's, `checks` the preflight list when that was why."""

    def __init__(self, status: int, why: str, checks: Sequence[Check] = ()) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.checks = checks
