"""One simulated STS3215: its register table, its limits, its ramp, its temperature. No framing, no bus.

Fields are packed here by hand, not by the runtime's codec, so that an error in one shows against the other. Not
modelled: operating modes other than position, several turns, the homing offset, and 128 in the torque register.
"""

from __future__ import annotations

import math
import struct

from edgevla.motors import sts3215
from edgevla.motors.sts3215 import Fault

MIDDLE_COUNTS = 2048  # at joint angle 0
COUNTS_PER_RAD = 4096 / math.tau
STALL_A = 2.7
STALL_RISE_C = 90.0  # above ambient, at stall for ever
WARM_UP_S = 400.0
_EEPROM_END = 40
_READ_ONLY = (range(5), range(56, sts3215.TABLE_BYTES))
_LIMIT_ADDRESSES = (sts3215.MIN_POSITION.address, sts3215.MAX_POSITION.address)


class Servo:
    """One servo. `connected`, `supply_v` and `ambient_c` may be changed at any time, to play faults."""

    def __init__(self, device: int) -> None:
        self.connected = True
        self.supply_v = 12.0
        self.ambient_c = 25.0
        self.temperature_c = 30.0
        self._saved = _factory_settings(device)
        self._table = bytearray(sts3215.TABLE_BYTES)
        self._driving = False
        self._ramp_counts = 0.0
        self._ramp_counts_s = 0.0
        self._overloaded_s = 0.0
        self._tripped = Fault(0)
        self.power_up(0.0)

    @property
    def device(self) -> int:
        """Its id on the bus."""
        return self._table[sts3215.ID.address]

    @property
    def acknowledges(self) -> bool:
        """Whether it replies to a write."""
        return bool(self._table[sts3215.RESPONSE_LEVEL.address])

    @property
    def return_delay_s(self) -> float:
        """How long it waits before a reply."""
        return self._table[sts3215.RETURN_DELAY.address] * sts3215.RETURN_DELAY_S

    @property
    def status(self) -> int:
        """Its fault bits, the error byte of its replies."""
        fault = self._tripped
        low, high = (self._table[each.address] for each in (sts3215.MIN_VOLTAGE, sts3215.MAX_VOLTAGE))
        if not low <= self.supply_v / sts3215.VOLTAGE_V <= high:
            fault |= Fault.VOLTAGE
        if self.temperature_c >= self._table[sts3215.MAX_TEMPERATURE.address]:
            fault |= Fault.TEMPERATURE
        return int(fault)

    @property
    def torque_on(self) -> bool:
        """Whether the motor drives: enabled, and not shut down by heat."""
        return self._table[sts3215.TORQUE_ENABLE.address] == 1 and not self.status & Fault.TEMPERATURE

    @property
    def torque_limit(self) -> float:
        """Share of the stall torque that it may use now."""
        permille = min(self._word(sts3215.TORQUE_LIMIT.address), self._word(sts3215.MAX_TORQUE.address))
        if self._tripped & Fault.OVERLOAD:
            permille = min(permille, 10 * self._table[sts3215.PROTECTIVE_TORQUE.address])
        return min(1.0, permille / 1000)

    @property
    def goal_counts(self) -> int:
        """The goal, inside the servo's own limits."""
        raw = self._word(sts3215.GOAL_POSITION.address)
        goal = -(raw & 0x7FFF) if raw & 0x8000 else raw
        low, high = (self._word(address) for address in _LIMIT_ADDRESSES)
        return min(max(goal, low), high)

    def power_up(self, position_rad: float) -> None:
        """Lose what is not saved: torque off, the goal where the joint stands."""
        table = self._table
        table[:] = bytes(sts3215.TABLE_BYTES)
        table[:_EEPROM_END] = self._saved
        self._put(sts3215.TORQUE_LIMIT.address, self._word(sts3215.MAX_TORQUE.address))
        self._put(sts3215.GOAL_POSITION.address, _counts(position_rad))
        table[sts3215.LOCK.address] = 1
        self._tripped = Fault(0)
        self._overloaded_s = 0.0
        self._driving = False

    def read(self, address: int, length: int) -> bytes:
        """Return registers; what lies beyond the table reads as 0."""
        return bytes(self._table[address : address + length]).ljust(length, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """Store registers, except those that can only be read."""
        for at, value in enumerate(data, address):
            if at >= sts3215.TABLE_BYTES or any(at in fixed for fixed in _READ_ONLY):
                continue
            self._table[at] = value
            if at < _EEPROM_END and not self._table[sts3215.LOCK.address]:
                self._saved[at] = value
            if at == sts3215.TORQUE_ENABLE.address:
                self._tripped = Fault(0)
                self._overloaded_s = 0.0

    def sense(self, position_rad: float, velocity_rad_s: float, load: float) -> None:
        """Fill the registers of what it measures. `load`: share of the stall torque, -1..1."""
        speed_counts_s = round(velocity_rad_s * COUNTS_PER_RAD)
        moving = self.torque_on and abs(self.goal_counts - _counts(position_rad)) > 2
        self._put(sts3215.PRESENT_POSITION.address, _counts(position_rad))
        self._put(sts3215.PRESENT_SPEED.address, _sign_magnitude(speed_counts_s, 15))
        self._put(sts3215.PRESENT_LOAD.address, _sign_magnitude(round(load * 1000), 10))
        self._put(sts3215.PRESENT_CURRENT.address, round(abs(load) * STALL_A / sts3215.CURRENT_A))
        self._table[sts3215.PRESENT_VOLTAGE.address] = round(self.supply_v / sts3215.VOLTAGE_V)
        self._table[sts3215.PRESENT_TEMPERATURE.address] = round(self.temperature_c)
        self._table[sts3215.STATUS.address] = self.status
        self._table[sts3215.MOVING.address] = moving

    def age(self, dt_s: float, load: float) -> None:
        """Let `dt_s` pass for the temperature and the overload timer."""
        settled_c = self.ambient_c + STALL_RISE_C * load * load
        self.temperature_c += (settled_c - self.temperature_c) * dt_s / WARM_UP_S
        over = abs(load) >= self._table[sts3215.OVERLOAD_TORQUE.address] / 100
        self._overloaded_s = self._overloaded_s + dt_s if over else 0.0
        if self._overloaded_s > self._table[sts3215.PROTECTION_TIME.address] * sts3215.PROTECTION_TIME_S:
            self._tripped |= Fault.OVERLOAD

    def drive(self, dt_s: float, position_rad: float) -> tuple[float, bool]:
        """Return the angle it drives towards now, and whether that is the final one.

        Goal speed and acceleration, when not 0, make the goal a ramp with that speed and those flanks.
        """
        if not self.torque_on:
            self._driving = False
            return position_rad, True
        if not self._driving:
            self._driving = True
            self._ramp_counts, self._ramp_counts_s = MIDDLE_COUNTS + position_rad * COUNTS_PER_RAD, 0.0
        goal = self.goal_counts
        speed = self._word(sts3215.GOAL_SPEED.address) & 0x7FFF or math.inf
        flank = self._table[sts3215.ACCELERATION.address] * sts3215.ACCELERATION_COUNTS_S2 or math.inf
        left = goal - self._ramp_counts
        # The fastest from which, after this step, it can still brake: v * dt + v^2 / (2 * flank) = left.
        braking = abs(left) / dt_s
        if math.isfinite(flank):
            braking = math.sqrt((flank * dt_s) ** 2 + 2 * flank * abs(left)) - flank * dt_s
        wanted = math.copysign(min(speed, braking), left)
        change = wanted - self._ramp_counts_s
        self._ramp_counts_s += min(max(change, -flank * dt_s), flank * dt_s)
        self._ramp_counts += self._ramp_counts_s * dt_s
        arrived = abs(goal - self._ramp_counts) < 0.5 and abs(self._ramp_counts_s) <= flank * dt_s
        if arrived:
            self._ramp_counts, self._ramp_counts_s = float(goal), 0.0
        return (self._ramp_counts - MIDDLE_COUNTS) / COUNTS_PER_RAD, arrived

    def _word(self, address: int) -> int:
        return int(struct.unpack_from("<H", self._table, address)[0])

    def _put(self, address: int, word: int) -> None:
        struct.pack_into("<H", self._table, address, word)


def _counts(position_rad: float) -> int:
    return min(max(round(MIDDLE_COUNTS + position_rad * COUNTS_PER_RAD), 0), sts3215.MAX_COUNTS)


def _sign_magnitude(value: int, sign_bit: int) -> int:
    magnitude = min(abs(value), (1 << sign_bit) - 1)
    return magnitude | 1 << sign_bit if value < 0 else magnitude


def _factory_settings(device: int) -> bytearray:
    settings = bytearray(_EEPROM_END)
    words = {sts3215.MODEL: sts3215.MODEL_STS3215, sts3215.MAX_POSITION: 4095, sts3215.MAX_TORQUE: 1000}
    words[sts3215.PROTECTION_CURRENT] = 500
    for register, word in words.items():
        struct.pack_into("<H", settings, register.address, word)
    settings[0:2] = (3, 10)
    for register, value in {
        sts3215.ID: device,
        sts3215.RESPONSE_LEVEL: 1,
        sts3215.MAX_TEMPERATURE: 70,
        sts3215.MAX_VOLTAGE: 140,
        sts3215.MIN_VOLTAGE: 60,
        sts3215.PROTECTIVE_TORQUE: 20,
        sts3215.PROTECTION_TIME: 200,
        sts3215.OVERLOAD_TORQUE: 80,
    }.items():
        settings[register.address] = value
    return settings
