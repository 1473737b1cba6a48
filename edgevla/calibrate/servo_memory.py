"""What Feetech servos remember about their joint: homing offset and position limits. Read freely, written when asked.

A servo reports the position of its magnet minus the homing offset, modulo one turn. Offset and limits lie in its
EEPROM, which takes a write only while the servo is unlocked.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from edgevla.calibrate.errors import CalibrationError, WriteForbidden
from edgevla.calibrate.guard import only
from edgevla.calibrate.lerobot import MAX_OFFSET
from edgevla.calibrate.sweep import TURN
from edgevla.errors import EdgeVLAError
from edgevla.motors import feetech, sts3215
from edgevla.motors.feetech_bus import FeetechBus
from edgevla.motors.port import SerialPort
from edgevla.motors.servo_line import ServoLine
from edgevla.motors.sts3215 import Register
from edgevla.registers import AllowedWrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edgevla.config.robot import Joint, Robot
    from edgevla.motors.bus import Transport

HOMING_OFFSET = Register(31, 2, sign_bit=11)
_LIMITS = (sts3215.MIN_POSITION, sts3215.MAX_POSITION)
_TIMEOUT_S = 0.1
_STILL_COUNTS = 60  # an arm in nobody's hand, while something is written


class Memory(NamedTuple):
    """One servo's EEPROM, as far as it concerns its joint. The range is in reported positions."""

    homing_offset: int
    range_min: int
    range_max: int


def allowed_writes(joints: Sequence[Joint]) -> tuple[AllowedWrite, ...]:
    """All that `ServoMemory.store` ever sends; none of it moves a servo without torque."""
    allowed = []
    for joint in joints:
        for register, high in (
            (sts3215.LOCK, 1),
            (HOMING_OFFSET, 1 << 11 | MAX_OFFSET),
            (sts3215.MIN_POSITION, sts3215.MAX_COUNTS),
            (sts3215.MAX_POSITION, sts3215.MAX_COUNTS),
        ):
            allowed.append(AllowedWrite(joint.id, register.address, register.length, 0, high, "setup"))
    return tuple(allowed)


class ServoMemory:
    """The servos of one robot, on a transport whose guard decides what may be written.

    Every method may raise `ReplyError` and `PortLost`.
    """

    def __init__(self, joints: Sequence[Joint], transport: Transport) -> None:
        self._ids = {joint.name: joint.id for joint in joints}
        self._line = ServoLine(feetech, transport, {joint.id: joint.name for joint in joints})

    def positions(self) -> dict[str, int]:
        """Reported positions now, 0 .. 4095; firmware that counts on below zero is folded back."""
        return {name: counts % TURN for name, counts in self._read(sts3215.PRESENT_POSITION).items()}

    def stiff(self) -> tuple[str, ...]:
        """The joints whose torque is on: they cannot be moved by hand, and must not be set up."""
        return tuple(name for name, torque in self._read(sts3215.TORQUE_ENABLE).items() if torque)

    def stored(self) -> dict[str, Memory]:
        """What the servos remember."""
        offsets, lows, highs = (self._read(register) for register in (HOMING_OFFSET, *_LIMITS))
        return {name: Memory(offsets[name], lows[name], highs[name]) for name in self._ids}

    def store(self, memories: Mapping[str, Memory]) -> None:
        """Write, lock again, and read back; the joints must be limp and held still.

        Raises:
            CalibrationError: a joint has torque, or a servo did not take what was written.
        """
        if stiff := self.stiff():
            raise CalibrationError(f"the torque of {', '.join(stiff)} is on", fix="power the servos off and on")
        offsets, before = {name: memory.homing_offset for name, memory in self.stored().items()}, self.positions()
        try:
            self._tell(memories)
            self._check_told(memories, offsets, before)
        except WriteForbidden:
            raise  # nothing was sent
        except EdgeVLAError as error:
            fix = "run this again to its end before anything moves the arm: servos and robot.yaml may disagree"
            raise CalibrationError(error.message, fix=f"{error.fix}; {fix}" if error.fix else fix) from error

    def _tell(self, memories: Mapping[str, Memory]) -> None:
        try:
            self._write(sts3215.LOCK, dict.fromkeys(memories, 0))
            self._write(HOMING_OFFSET, {name: memory.homing_offset for name, memory in memories.items()})
            self._write(sts3215.MIN_POSITION, {name: memory.range_min for name, memory in memories.items()})
            self._write(sts3215.MAX_POSITION, {name: memory.range_max for name, memory in memories.items()})
        finally:
            with contextlib.suppress(EdgeVLAError):  # what went wrong first is the news
                self._write(sts3215.LOCK, dict.fromkeys(memories, 1))

    def _check_told(
        self, memories: Mapping[str, Memory], offsets: Mapping[str, int], before: Mapping[str, int]
    ) -> None:
        stored, after = self.stored(), self.positions()
        for name, memory in memories.items():
            if stored[name] != memory:
                raise CalibrationError(f"servo {self._ids[name]} ({name}) did not take {memory}; it has {stored[name]}")
            expected = before[name] + offsets[name] - memory.homing_offset
            if abs((after[name] - expected + TURN // 2) % TURN - TURN // 2) > _STILL_COUNTS:
                raise CalibrationError(
                    f"servo {self._ids[name]} ({name}) reports {after[name]} after its homing offset was set to "
                    f"{memory.homing_offset}; {expected % TURN} was expected",
                    fix="hold the arm still and run this again",
                )

    def _read(self, register: Register) -> dict[str, int]:
        replies = self._line.read_all(register.address, register.length, _TIMEOUT_S)
        return {name: register.unpack(replies[device].data, register.address) for name, device in self._ids.items()}

    def _write(self, register: Register, values: Mapping[str, int]) -> None:
        data = {self._ids[name]: register.pack(value) for name, value in values.items()}
        self._line.write_all(register.address, data)


@contextlib.contextmanager
def open_memory(robot: Robot, *, may_write: bool) -> Iterator[ServoMemory]:
    """Open the port that robot.yaml names; without `may_write` its guard stops every write.

    Raises:
        CalibrationError: the servos are of another make.
        PortError: it cannot be opened, with the reason.
    """
    if robot.motors.bus != "feetech":
        raise CalibrationError(
            f"motors.bus is {robot.motors.bus}; only Feetech servos can be calibrated here",
            fix="set zero_counts, sign and ranges in robot.yaml by hand",
        )
    guard = only(allowed_writes(robot.joints) if may_write else (), FeetechBus.decode_writes)
    port = SerialPort(robot.motors.port, robot.motors.baud, guard)
    try:
        yield ServoMemory(robot.joints, port)
    finally:
        port.close()
