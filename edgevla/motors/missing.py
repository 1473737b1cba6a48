"""What to say when servos on a shared line did not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.motors.errors import BadReply, NoReply, ReplyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def missing_replies(
    names: Mapping[int, str], missing: Sequence[int], discarded_bytes: int, timeout_s: float
) -> ReplyError:
    """Return the error that names who is missing and what to look at first.

    Args:
        names: servo id -> joint name, of all on the line.
        missing: the ids without a good answer.
        discarded_bytes: how much came that was none.
        timeout_s: how long it was waited for.
    """
    who = "servo " + ", ".join(f"{device} ({names[device]})" for device in missing)
    nobody = len(missing) == len(names)
    if discarded_bytes and nobody:
        fix = "check motors.baud against the servos' baud rate, and the cable"
    elif discarded_bytes:
        fix = "check the cable, and that no two servos have the same id"
    elif nobody:
        fix = "switch on the servo power, and check motors.port and motors.baud"
    else:
        fix = "check the cable to it, and that it has this id"
    if discarded_bytes:
        return BadReply(f"{discarded_bytes} unreadable bytes instead of a reply from {who}", devices=missing, fix=fix)
    return NoReply(f"no reply from {who} within {timeout_s * 1e3:g} ms", devices=missing, fix=fix)
