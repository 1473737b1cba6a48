"""Guards for a port that must not move anything: every frame is decoded, and no write passes that is not listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.calibrate.errors import WriteForbidden

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgevla.motors.bus import Guard
    from edgevla.registers import AllowedWrite, RegisterWrite


def only(allowed: Sequence[AllowedWrite], decode: Callable[[bytes], Sequence[RegisterWrite]]) -> Guard:
    """Let reads pass, and writes only as listed; an empty list means reading only.

    Args:
        decode: what a frame writes, as `MotorBus.decode_writes` says it.
    """

    def guard(frame: bytes) -> None:
        for write in decode(frame):
            if not any(_covers(each, write) for each in allowed):
                raise WriteForbidden(
                    f"a write of {len(write.data)} bytes to register {write.address} of servo {write.device} "
                    "was stopped: nothing may be written here",
                    fix="this is a bug, please report it",
                )

    return guard


def _covers(allowed: AllowedWrite, write: RegisterWrite) -> bool:
    same = (allowed.device, allowed.address, allowed.length) == (write.device, write.address, len(write.data))
    return same and allowed.low <= write.value <= allowed.high
