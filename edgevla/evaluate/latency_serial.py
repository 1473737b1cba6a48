"""How long the servo bus takes to answer: from handing over the request to the decoded reply, read by read.

Measured on the port itself before the runtime takes it, in a thread scheduled as the control process is.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

from edgevla.errors import EdgeVLAError
from edgevla.motors.errors import ReplyError
from edgevla.motors.registry import bus_class

if TYPE_CHECKING:
    from edgevla.config.robot import Robot

_PAUSE_S = 0.002  # between two reads: a bus that is never quiet is not what a tick meets


class NothingWritten(EdgeVLAError):
    """A measurement that only reads was about to write."""


class RoundTrips:
    """The measured reads, in µs, and how many requests went unanswered."""

    def __init__(self) -> None:
        self.us: list[float] = []
        self.lost = 0


def serial_round_trips(robot: Robot, count: int) -> RoundTrips:
    """Read all joints' state `count` times. Writes nothing.

    Raises:
        PortError, PortLost: the port cannot be opened, or is gone.
    """
    kind = bus_class(robot.motors.bus)
    sent_s = 0.0
    found = RoundTrips()
    failed: list[Exception] = []

    def guard(frame: bytes) -> None:
        nonlocal sent_s
        if kind.decode_writes(frame):
            raise NothingWritten(f"the serial round trip was about to send {frame.hex(' ')}", fix="report this")
        sent_s = time.monotonic()

    def measure() -> None:
        if robot.control.realtime.scheduler == "fifo":
            with contextlib.suppress(OSError):  # the run that follows says what is not permitted
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(robot.control.realtime.priority))
        try:
            with contextlib.closing(kind.open(robot.motors, robot.joints, guard)) as bus:
                for _ in range(count):
                    try:
                        bus.read()
                    except ReplyError:
                        found.lost += 1
                    else:
                        found.us.append((time.monotonic() - sent_s) * 1e6)
                    time.sleep(_PAUSE_S)
        except EdgeVLAError as error:
            failed.append(error)

    thread = threading.Thread(target=measure, name="serial-rtt")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found
