"""The mode table: (mode, event) -> mode. What is not listed does not change the mode.

Nothing leads back to ENGAGED but a person's ENGAGE, and nothing out of FAULT but a person's RESET, which disarms.
In STOPPING and FAULT the arm brakes along the controlled stop and then stands still with the torque on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.messages import Event, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

LATCHING = (
    Event.PLAN_INVALID,
    Event.SERIAL_LOST,
    Event.TRACKING,
    Event.GATE_BLOCKED,
    Event.SERVO_FAULT,
    Event.INTERNAL,
)
SOFT = (Event.RELEASE, Event.STOP, Event.POLICY_LOST, Event.PLAN_STALE, Event.LEASE_LOST, Event.OVERRUN)

ASKABLE = frozenset({Event.ARM, Event.DISARM, Event.ENGAGE, Event.RELEASE, Event.STOP, Event.RESET})  # by a person

TABLE: Mapping[tuple[Mode, Event], Mode] = {
    (Mode.DISARMED, Event.ARM): Mode.HOLDING,
    (Mode.HOLDING, Event.ENGAGE): Mode.ENGAGED,
    (Mode.HOLDING, Event.DISARM): Mode.DISARMED,
    (Mode.STOPPING, Event.STOPPED): Mode.HOLDING,
    (Mode.FAULT, Event.RESET): Mode.DISARMED,
    **{(Mode.ENGAGED, event): Mode.STOPPING for event in SOFT},
    **{(mode, event): Mode.FAULT for mode in Mode for event in LATCHING},
}


def next_mode(mode: Mode, event: Event) -> Mode:
    """The mode after this event."""
    return TABLE.get((mode, event), mode)
