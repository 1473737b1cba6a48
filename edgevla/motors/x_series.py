"""The registers of Dynamixel X servos (XL, XC, XM, XH, XD, XW), least significant byte first."""

from __future__ import annotations

import enum
import math
from typing import NamedTuple

COUNTS_PER_TURN = 4096
TABLE_BYTES = 147
POSITION_MODE = 3
FIRST_FIRMWARE_WITH_WATCHDOG = 38
WATCHDOG_TRIPPED = -1

# What one unit of a field is worth. Positions are counts.
VELOCITY_RAD_S = 0.229 * math.tau / 60  # 0.229 turns a minute
VOLTAGE_V = 0.1
WATCHDOG_S = 0.02
LOAD = 0.001  # of the stall torque, on models without a current sensor

# XL430, 2XL430, XC430-W150, 2XC430, XC430-W240: PRESENT_CURRENT holds a load in units of `LOAD`.
MODELS_WITHOUT_CURRENT = frozenset({1060, 1090, 1070, 1160, 1080})


class Register(NamedTuple):
    """A field of the table; `signed` ones are two's complement."""

    address: int
    length: int
    signed: bool = False

    @property
    def end(self) -> int:
        """The address after it."""
        return self.address + self.length

    def pack(self, value: int) -> bytes:
        """Return the field's bytes.

        Raises:
            OverflowError: the value does not fit.
        """
        return value.to_bytes(self.length, "little", signed=self.signed)

    def unpack(self, block: bytes, start: int) -> int:
        """Return the field's value, where `block` holds the registers from `start` on."""
        offset = self.address - start
        return int.from_bytes(block[offset : offset + self.length], "little", signed=self.signed)


# Kept without power; locked while the torque is on.
MODEL = Register(0, 2)
FIRMWARE = Register(6, 1)
ID = Register(7, 1)
RETURN_DELAY = Register(9, 1)  # units of 2 us
OPERATING_MODE = Register(11, 1)
MAX_TEMPERATURE = Register(31, 1)  # degrees Celsius
MAX_VOLTAGE = Register(32, 2)
MIN_VOLTAGE = Register(34, 2)
CURRENT_LIMIT = Register(38, 2)
MAX_POSITION = Register(48, 4)
MIN_POSITION = Register(52, 4)
SHUTDOWN = Register(63, 1)  # the faults that cut the torque

# Volatile.
TORQUE_ENABLE = Register(64, 1)
RESPONSE_LEVEL = Register(68, 1)  # 0: only a ping is answered, 1: reads are too, 2: writes to one servo are too
HARDWARE_ERROR = Register(70, 1)
BUS_WATCHDOG = Register(98, 1, signed=True)  # 0: off, and a trip is cleared
PROFILE_ACCELERATION = Register(108, 4)  # 0: no ramp
PROFILE_VELOCITY = Register(112, 4)  # 0: as fast as it can
GOAL_POSITION = Register(116, 4, signed=True)

# Read only.
PRESENT_CURRENT = Register(126, 2, signed=True)
PRESENT_VELOCITY = Register(128, 4, signed=True)
PRESENT_POSITION = Register(132, 4, signed=True)
PRESENT_VOLTAGE = Register(144, 2)
PRESENT_TEMPERATURE = Register(146, 1)


class Refusal(enum.IntEnum):
    """Why a servo did not do what it was asked: the error byte of a reply, without the alert bit."""

    RESULT = 1
    INSTRUCTION = 2
    CRC = 3
    DATA_RANGE = 4  # also: a goal after the watchdog has tripped
    DATA_LENGTH = 5
    DATA_LIMIT = 6  # a goal beyond its position limits
    ACCESS = 7  # read only, or locked while the torque is on


class Fault(enum.IntFlag):
    """Bits of `HARDWARE_ERROR`; `WATCHDOG` is ours, for a tripped bus watchdog, and no servo's."""

    VOLTAGE = 1 << 0
    TEMPERATURE = 1 << 2
    ENCODER = 1 << 3
    SHOCK = 1 << 4
    OVERLOAD = 1 << 5
    WATCHDOG = 1 << 8


FAULT_WORDS = {
    Fault.VOLTAGE: "voltage out of range",
    Fault.TEMPERATURE: "too hot",
    Fault.ENCODER: "encoder failed",
    Fault.SHOCK: "electrical shock, or too little power",
    Fault.OVERLOAD: "overloaded",
    Fault.WATCHDOG: "stopped by itself, for no request came in time",
}
