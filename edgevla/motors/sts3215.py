"""The registers of a Feetech STS3215 servo, least significant byte first."""

from __future__ import annotations

import enum
from typing import NamedTuple

COUNTS_PER_TURN = 4096
MAX_COUNTS = COUNTS_PER_TURN - 1
TABLE_BYTES = 87
MODEL_STS3215 = 777
POSITION_MODE = 0

# What one unit of a field is worth. Positions are counts, speeds counts per second.
ACCELERATION_COUNTS_S2 = 100
TORQUE = 0.001  # of the stall torque
VOLTAGE_V = 0.1
CURRENT_A = 0.0065
RETURN_DELAY_S = 2e-6
PROTECTION_TIME_S = 0.01


class Register(NamedTuple):
    """A field of the table. With `sign_bit` the field is sign and magnitude, not two's complement."""

    address: int
    length: int
    sign_bit: int | None = None

    @property
    def end(self) -> int:
        """The address after it."""
        return self.address + self.length

    def pack(self, value: int) -> bytes:
        """Return the field's bytes.

        Raises:
            OverflowError: the value does not fit.
        """
        if self.sign_bit is None:
            return value.to_bytes(self.length, "little")
        if abs(value) >> self.sign_bit:
            raise OverflowError(f"{value} does not fit into {self.sign_bit} bits and a sign")
        return (abs(value) | (value < 0) << self.sign_bit).to_bytes(self.length, "little")

    def unpack(self, block: bytes, start: int) -> int:
        """Return the field's value, where `block` holds the registers from `start` on."""
        offset = self.address - start
        raw = int.from_bytes(block[offset : offset + self.length], "little")
        if self.sign_bit is None or not raw >> self.sign_bit & 1:
            return raw
        return -(raw & (1 << self.sign_bit) - 1)


# Survive the power being cut if LOCK was 0 when they were written.
FIRMWARE = Register(0, 2)
MODEL = Register(3, 2)
ID = Register(5, 1)
BAUD = Register(6, 1)
RETURN_DELAY = Register(7, 1)
RESPONSE_LEVEL = Register(8, 1)  # 0: only reads are answered, 1: writes to one servo are too
MIN_POSITION = Register(9, 2)
MAX_POSITION = Register(11, 2)
MAX_TEMPERATURE = Register(13, 1)  # degrees Celsius
MAX_VOLTAGE = Register(14, 1)
MIN_VOLTAGE = Register(15, 1)
MAX_TORQUE = Register(16, 2)
PROTECTION_CURRENT = Register(28, 2)
MODE = Register(33, 1)
PROTECTIVE_TORQUE = Register(34, 1)  # percent of the stall torque, after an overload
PROTECTION_TIME = Register(35, 1)
OVERLOAD_TORQUE = Register(36, 1)  # percent

# Volatile.
TORQUE_ENABLE = Register(40, 1)
ACCELERATION = Register(41, 1)  # 0: no ramp
GOAL_POSITION = Register(42, 2, sign_bit=15)
GOAL_TIME = Register(44, 2)
GOAL_SPEED = Register(46, 2, sign_bit=15)  # 0: as fast as it can
TORQUE_LIMIT = Register(48, 2)
LOCK = Register(55, 1)

# Read only.
PRESENT_POSITION = Register(56, 2, sign_bit=15)
PRESENT_SPEED = Register(58, 2, sign_bit=15)
PRESENT_LOAD = Register(60, 2, sign_bit=10)
PRESENT_VOLTAGE = Register(62, 1)
PRESENT_TEMPERATURE = Register(63, 1)
STATUS = Register(65, 1)
MOVING = Register(66, 1)
PRESENT_CURRENT = Register(69, 2, sign_bit=15)


class Fault(enum.IntFlag):
    """Bits of `STATUS`, and of the error byte of every reply."""

    VOLTAGE = 1 << 0
    ANGLE_SENSOR = 1 << 1
    TEMPERATURE = 1 << 2
    CURRENT = 1 << 3
    OVERLOAD = 1 << 5


FAULT_WORDS = {
    Fault.VOLTAGE: "voltage out of range",
    Fault.ANGLE_SENSOR: "angle sensor failed",
    Fault.TEMPERATURE: "too hot",
    Fault.CURRENT: "overcurrent",
    Fault.OVERLOAD: "overloaded",
}
