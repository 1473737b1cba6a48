"""One simulated Dynamixel X servo: its register table, its limits, its bus watchdog. No framing, no bus.

Fields are packed here by hand, not by the runtime's codec, so that an error in one shows against the other. Not
modelled: operating modes other than position, the homing offset, profile acceleration and overload.
"""

from __future__ import annotations

import math
import struct

from edgevla.motors import x_series
from edgevla.motors.x_series import Fault, Refusal

MIDDLE_COUNTS = 2048  # at joint angle 0
COUNTS_PER_RAD = 4096 / math.tau
TICK_S = 0.02  # of the bus watchdog
MODEL = 1020
FIRMWARE = 45
CURRENT_LIMIT = 1193
_EEPROM_END = 64
_READ_ONLY = (range(7), range(69, 72), range(120, x_series.TABLE_BYTES))
_GOALS = range(100, 108), range(116, 120)  # what a tripped watchdog locks; the profile in between stays free
_TRIPPED = 0xFF


class DynamixelServo:
    """One servo. `connected`, `supply_v`, `temperature_c` and `return_delay_s` may be changed at any time."""

    def __init__(self, device: int) -> None:
        self.connected = True
        self.supply_v = 12.0
        self.temperature_c = 30.0
        self.return_delay_s = 0.0
        self._table = bytearray(x_series.TABLE_BYTES)
        self._silent_s = 0.0
        self._ramp_counts: float | None = None
        self._set_factory(device)
        self.power_up(0.0)

    @property
    def device(self) -> int:
        """Its id on the bus."""
        return self._table[7]

    @property
    def response_level(self) -> int:
        """0: it answers a ping, 1: reads too, 2: writes too."""
        return self._table[68]

    @property
    def hardware_error(self) -> int:
        """Its fault bits; any of them raises the alert bit of its replies."""
        low, high = self._word(34), self._word(32)
        voltage = not low <= self.supply_v / x_series.VOLTAGE_V <= high
        hot = self.temperature_c >= self._table[31]
        return int(voltage * Fault.VOLTAGE | hot * Fault.TEMPERATURE)

    @property
    def torque_on(self) -> bool:
        """Whether the motor drives: enabled, and not shut down by a fault."""
        return self._table[64] == 1 and not self.hardware_error & self._table[63]

    @property
    def tripped(self) -> bool:
        """Whether it has stopped because nobody spoke to it."""
        return self._table[98] == _TRIPPED

    def power_up(self, position_rad: float) -> None:
        """Lose what is not kept: torque off, the goal where the joint stands."""
        self._table[_EEPROM_END:] = bytes(x_series.TABLE_BYTES - _EEPROM_END)
        self._table[68] = 2
        self._put_long(116, _counts(position_rad))
        self._ramp_counts = None

    def read(self, address: int, length: int) -> bytes:
        """Return registers; what lies beyond the table reads as 0."""
        return bytes(self._table[address : address + length]).ljust(length, b"\0")

    def write(self, address: int, data: bytes) -> int:
        """Store registers, all or none; return 0 or the reason for the refusal."""
        refusal = self._refusal(address, data)
        if not refusal:
            self._table[address : address + len(data)] = data
        return refusal

    def heard(self) -> None:
        """A request to this servo has come; the watchdog starts anew."""
        self._silent_s = 0.0

    def sense(self, position_rad: float, velocity_rad_s: float, load: float) -> None:
        """Fill the registers of what it measures. `load`: share of the stall torque, -1..1."""
        self._table[70] = self.hardware_error
        struct.pack_into("<h", self._table, 126, round(load * CURRENT_LIMIT))
        self._put_long(128, round(velocity_rad_s / x_series.VELOCITY_RAD_S))
        self._put_long(132, _counts(position_rad))
        struct.pack_into("<H", self._table, 144, round(self.supply_v / x_series.VOLTAGE_V))
        self._table[146] = round(self.temperature_c)

    def drive(self, dt_s: float, position_rad: float) -> float:
        """Let `dt_s` pass and return the angle it drives towards now."""
        if not self.torque_on:
            self._ramp_counts, self._silent_s = None, 0.0
            return position_rad
        here = MIDDLE_COUNTS + position_rad * COUNTS_PER_RAD
        ramp = here if self._ramp_counts is None else self._ramp_counts
        self._silent_s += dt_s
        watchdog = self._table[98]
        if watchdog and not self.tripped and self._silent_s > watchdog * TICK_S + 1e-9:
            self._table[98] = _TRIPPED
            ramp = min(max(here, 0.0), 4095.0)
            self._put_long(116, round(ramp))
        speed = self._long(112) * x_series.VELOCITY_RAD_S * COUNTS_PER_RAD or math.inf
        left = self._long(116) - ramp
        self._ramp_counts = ramp + math.copysign(min(abs(left), speed * dt_s), left)
        return (self._ramp_counts - MIDDLE_COUNTS) / COUNTS_PER_RAD

    def _refusal(self, address: int, data: bytes) -> int:
        touched = range(address, address + len(data))
        if touched.stop > x_series.TABLE_BYTES or any(at in fixed for at in touched for fixed in _READ_ONLY):
            return Refusal.ACCESS
        if self._table[64] and address < _EEPROM_END:
            return Refusal.ACCESS
        if self.tripped and any(at in goal for at in touched for goal in _GOALS):
            return Refusal.DATA_RANGE
        after = bytearray(self._table)
        after[address : touched.stop] = data
        (goal,) = struct.unpack_from("<i", after, 116)
        if set(touched) & set(_GOALS[1]) and not self._long(52) <= goal <= self._long(48):
            return Refusal.DATA_LIMIT
        if after[64] > 1 or 127 < after[98] < _TRIPPED or (98 in touched and after[98] == _TRIPPED):
            return Refusal.DATA_RANGE
        return 0

    def _word(self, address: int) -> int:
        return int(struct.unpack_from("<H", self._table, address)[0])

    def _long(self, address: int) -> int:
        return int(struct.unpack_from("<i", self._table, address)[0])

    def _put_long(self, address: int, value: int) -> None:
        struct.pack_into("<i", self._table, address, value)

    def _set_factory(self, device: int) -> None:
        table = self._table
        for address, word in {0: MODEL, 32: 160, 34: 95, 36: 885, 38: CURRENT_LIMIT}.items():
            struct.pack_into("<H", table, address, word)
        for address, byte in {6: FIRMWARE, 7: device, 8: 3, 11: 3, 13: 2, 31: 80, 63: 0x34}.items():
            table[address] = byte
        self._put_long(48, 4095)


def _counts(position_rad: float) -> int:
    return round(MIDDLE_COUNTS + position_rad * COUNTS_PER_RAD)
