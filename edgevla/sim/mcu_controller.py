"""The simulated motor controller, without I/O: EdgeVLA MCU protocol 1 as firmware would speak it.

Written from mcu.md, not with the runtime's codec, so that an error in one shows against the other; only the numbers of
kinds, results and bits are shared.
"""

from __future__ import annotations

import struct
import threading
import zlib
from typing import TYPE_CHECKING

from edgevla.motors.mcu import CONTROLLER, MAX_JOINTS, MAX_TTL_MS, Fault, Flag, Kind, Result
from edgevla.sim.mcu_joints import COUNTS_PER_RAD, MIDDLE_COUNTS, Drives
from edgevla.sim.servos import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.sim.servos import Body

VERSION = 1
MODEL = 1
FIRMWARE = (1, 0)
TURNAROUND_S = 50e-6  # from the end of a request to the first bit of its answer
MAX_TEMPERATURE_C = 80.0
VOLTAGE_V = (9.5, 14.0)
_MAX_CODED = 254


class SimulatedController:
    """One controller with a drive for each joint of `body`. `handle` and `apply` may be called from two threads.

    `connected` and `supply_v` may be changed at any time.

    Args:
        body: the simulated arm.
        devices: the joints' ids, in the order of the body's joints; at most 16.
    """

    def __init__(self, body: Body, devices: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> None:
        if len(devices) > MAX_JOINTS or CONTROLLER in devices:
            raise ValueError(f"a controller has at most {MAX_JOINTS} joints, none with the id {CONTROLLER}")
        self.connected = True
        self.supply_v = 12.0
        self.drives = Drives(body, devices)
        self._body = body
        self._lock = threading.Lock()
        self._block = bytearray()  # what came since the last zero
        self._too_long = False
        self._accepted = 0
        self._refused = Result.DONE

    def power_up(self) -> None:
        """Switch the power off and on: torque off, sequence back to 0."""
        with self._lock:
            self._block.clear()
            self._accepted, self._refused = 0, Result.DONE
            self.drives.power_up()

    def handle(self, data: bytes) -> Answer:
        """Take bytes from the line and return the answers to the requests they complete."""
        with self._lock:
            answers = [answer for byte in data for answer in self._take(byte)]
            return Answer(b"".join(answers), TURNAROUND_S * len(answers))

    def hush(self) -> None:
        """The line was quiet. Nothing to forget: the next zero ends whatever came before."""

    def apply(self) -> None:
        """Let a physics step's time pass, and write goal and torque of every joint into the body before it."""
        with self._lock:
            self.drives.apply()

    def _take(self, byte: int) -> list[bytes]:
        if byte:
            self._too_long = self._too_long or len(self._block) == _MAX_CODED
            if not self._too_long:
                self._block.append(byte)
            return []
        block, whole = bytes(self._block), not self._too_long
        self._block.clear()
        self._too_long = False
        frame = _opened(block) if whole and self.connected else None
        return [] if frame is None else [self._answer(frame)]

    def _answer(self, frame: bytes) -> bytes:
        version, kind, tag = struct.unpack_from("<BBH", frame)
        payload = frame[4:]
        if version == VERSION and not payload and kind == Kind.HELLO:
            return _closed(Kind.INFO, tag, self._info())
        if version == VERSION and not payload and kind == Kind.LOOK:
            return _closed(Kind.STATE, tag, self._state())
        result = self._obey(kind, payload) if version == VERSION else Result.UNKNOWN_VERSION
        if kind == Kind.COMMAND and version == VERSION:
            self._refused = result
        return _closed(Kind.ACK, tag, struct.pack("<BBH", kind, result, self._accepted))

    def _obey(self, kind: int, payload: bytes) -> Result:
        drives = self.drives
        if kind not in (Kind.HELLO, Kind.LOOK, Kind.COMMAND, Kind.TORQUE, Kind.CLEAR):
            return Result.UNKNOWN_KIND
        if kind == Kind.COMMAND:
            return self._command(payload)
        if kind == Kind.TORQUE and payload in (b"\0", b"\1"):
            if payload == b"\1" and drives.expired:
                return Result.EXPIRED
            drives.switch(payload == b"\1")
        elif kind == Kind.CLEAR and not payload:
            if drives.moving:
                return Result.MOVING
            drives.clear()
        else:
            return Result.BAD_PAYLOAD
        return Result.DONE

    def _command(self, payload: bytes) -> Result:
        drives = self.drives
        count = payload[4] if len(payload) > 4 else 0
        if not count or len(payload) != 5 + 3 * count:
            return Result.BAD_PAYLOAD
        sequence, ttl_ms = struct.unpack_from("<HH", payload)
        goals = {payload[at]: payload[at + 1] + 256 * payload[at + 2] for at in range(5, len(payload), 3)}
        within = all(drive.low <= goals.get(drive.device, -1) <= drive.high for drive in drives.each)
        checks = (
            (len(goals) == count and goals.keys() == {drive.device for drive in drives.each}, Result.WRONG_JOINTS),
            (1 <= (sequence - self._accepted) & 0xFFFF <= 0x7FFF, Result.OLD_SEQUENCE),
            (1 <= ttl_ms <= MAX_TTL_MS, Result.BAD_TTL),
            (within, Result.BEYOND_LIMITS),
            (drives.torque_on, Result.TORQUE_IS_OFF),
            (not drives.expired, Result.EXPIRED),
        )
        for passed, result in checks:
            if not passed:
                return result
        self._accepted = sequence
        drives.go(goals, ttl_ms * 1e-3)
        return Result.DONE

    def _info(self) -> bytes:
        each = self.drives.each
        head = struct.pack("<HBBHB", MODEL, *FIRMWARE, MAX_TTL_MS, len(each))
        return head + b"".join(
            struct.pack("<BHHII", drive.device, drive.low, drive.high, drive.velocity, drive.deceleration)
            for drive in each
        )

    def _state(self) -> bytes:
        body, drives = self._body, self.drives
        flags = (
            drives.torque_on * Flag.TORQUE_ON
            | drives.expired * Flag.EXPIRED
            | (not VOLTAGE_V[0] <= self.supply_v <= VOLTAGE_V[1]) * Flag.VOLTAGE
            | drives.moving * Flag.MOVING
        )
        rows = [
            struct.pack("<HBBHB", self._accepted, flags, self._refused, round(self.supply_v * 1e3), len(drives.each))
        ]
        measured = zip(drives.each, body.position_rad, body.velocity_rad_s, body.load, strict=True)
        for drive, position_rad, velocity_rad_s, load in measured:
            position = min(max(round(MIDDLE_COUNTS + position_rad * COUNTS_PER_RAD), 0), 65535)
            velocity, permille = round(velocity_rad_s * COUNTS_PER_RAD), round(load * 1000)
            faults = (drive.temperature_c >= MAX_TEMPERATURE_C) * Fault.TEMPERATURE
            rows.append(
                struct.pack("<BHihBB", drive.device, position, velocity, permille, round(drive.temperature_c), faults)
            )
        return b"".join(rows)


def _opened(block: bytes) -> bytes | None:
    """Return head and payload, or None for a damaged frame."""
    plain = bytearray()
    left = 0  # bytes until the next code byte
    for at, byte in enumerate(block):
        if left == 0:
            if at:
                plain.append(0)
            left = byte
        else:
            plain.append(byte)
        left -= 1
    if left or len(plain) < 8:
        return None
    crc = int.from_bytes(plain[-4:], "little")
    return bytes(plain[:-4]) if zlib.crc32(plain[:-4]) == crc else None


def _closed(kind: Kind, tag: int, payload: bytes) -> bytes:
    plain = struct.pack("<BBH", VERSION, kind, tag) + payload
    plain += zlib.crc32(plain).to_bytes(4, "little")
    coded = bytearray(2)
    code_at = 1
    for byte in plain:
        if byte:
            coded.append(byte)
        else:
            coded[code_at] = len(coded) - code_at
            code_at = len(coded)
            coded.append(0)
    coded[code_at] = len(coded) - code_at
    return bytes(coded) + b"\0"
