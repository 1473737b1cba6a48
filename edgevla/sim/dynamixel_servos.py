"""The simulated Dynamixel servos on their bus, without I/O: bytes in, reply bytes out, goals into the world.

Stands for the servos' firmware, so it finds frames by its own reading of the protocol and shares only the numbers of
instructions and registers with the runtime. A frame with a bad CRC, another id or to nobody is met with silence.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edgevla.motors.dynamixel import ALERT, BROADCAST, HEADER, STATUS, Instruction
from edgevla.motors.x_series import Refusal
from edgevla.sim.dynamixel_servo import DynamixelServo
from edgevla.sim.servos import TURNAROUND_S, Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.sim.servos import Body

_LONGEST_FRAME = 1024  # what a servo's receive buffer holds


class SimulatedDynamixels:
    """One servo a joint of `body`. `handle` and `apply` may be called from two threads.

    Args:
        body: the simulated arm.
        devices: the servo ids, in the order of the joints.
    """

    def __init__(self, body: Body, devices: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> None:
        self.servos = tuple(DynamixelServo(device) for device in devices)
        self._body = body
        self._lock = threading.Lock()
        self._pending = bytearray()
        self.power_up()

    def power_up(self) -> None:
        """Switch the power off and on: torque off, and all that is not kept is lost."""
        with self._lock:
            self._pending.clear()
            for servo, position_rad in zip(self.servos, self._body.position_rad, strict=True):
                servo.power_up(float(position_rad))

    def handle(self, data: bytes) -> Answer:
        """Take bytes from the line and return the replies to the requests they complete."""
        with self._lock:
            self._pending += data
            replies = bytearray()
            delay_s = 0.0
            while (frame := self._next_frame()) is not None:
                for servo, reply in self._obey(frame[0], frame[1], frame[2:]):
                    replies += reply
                    delay_s += TURNAROUND_S + servo.return_delay_s
            return Answer(bytes(replies), delay_s)

    def hush(self) -> None:
        """Forget half a request: the line was quiet for longer than a frame has gaps."""
        with self._lock:
            self._pending.clear()

    def apply(self) -> None:
        """Let a physics step's time pass, and write goal and torque of every joint into the body before it."""
        body = self._body
        with self._lock:
            for joint, (servo, position_rad) in enumerate(zip(self.servos, body.position_rad, strict=True)):
                body.goal_rad[joint] = servo.drive(body.timestep_s, float(position_rad))
                body.torque_on[joint] = servo.torque_on
                body.torque_limit[joint] = 1.0

    def _next_frame(self) -> bytes | None:
        """Return id, instruction and parameters of the next request with a good CRC, the stuffing taken out."""
        pending = self._pending
        while True:
            start = pending.find(HEADER)
            if start < 0:
                del pending[: max(0, len(pending) - len(HEADER) + 1)]
                return None
            del pending[:start]
            if len(pending) < 7:
                return None
            counted = pending[5] + 256 * pending[6]
            end = 7 + counted
            if counted < 3 or end > _LONGEST_FRAME:
                del pending[0]
            elif len(pending) < end:
                return None
            elif _crc(pending[: end - 2]) != pending[end - 2] + 256 * pending[end - 1]:
                del pending[0]
            else:
                frame = bytes(pending[4:5]) + _unstuffed(pending[7 : end - 2])
                del pending[:end]
                return frame

    def _obey(self, device: int, instruction: int, parameters: bytes) -> list[tuple[DynamixelServo, bytes]]:
        here = {servo.device: servo for servo in self.servos if servo.connected}
        meant = [servo for servo in here.values() if device in (servo.device, BROADCAST)]
        if instruction == Instruction.PING:
            return [self._reply(servo, 0, servo.read(0, 2) + servo.read(6, 1)) for servo in meant]
        if instruction in (Instruction.READ, Instruction.SYNC_READ, Instruction.BULK_READ):
            self._sense()
            reads = [each for each in _reads(device, instruction, parameters) if each[0] in here]
            return [self._read(here[each], address, length) for each, address, length in reads]
        if instruction in (Instruction.WRITE, Instruction.SYNC_WRITE, Instruction.BULK_WRITE):
            replies = []
            for each, address, data in _writes(device, instruction, parameters):
                for servo in here.values():
                    if each in (servo.device, BROADCAST):
                        servo.heard()
                        replies.append(self._reply(servo, servo.write(address, data)))
            return replies if instruction == Instruction.WRITE and device != BROADCAST else []
        alone = instruction != STATUS and device != BROADCAST
        return [self._reply(servo, Refusal.INSTRUCTION) for servo in meant if alone]

    def _read(self, servo: DynamixelServo, address: int, length: int) -> tuple[DynamixelServo, bytes]:
        servo.heard()
        return self._reply(servo, 0, servo.read(address, length)) if servo.response_level else (servo, b"")

    def _reply(self, servo: DynamixelServo, error: int, data: bytes = b"") -> tuple[DynamixelServo, bytes]:
        servo.heard()
        if not data and servo.response_level < 2:
            return servo, b""
        body = bytearray((STATUS, error | (ALERT if servo.hardware_error else 0)))
        for byte in data:
            body.append(byte)
            if body[-3:] == b"\xff\xff\xfd":
                body.append(0xFD)
        counted = len(body) + 2
        frame = HEADER + bytes((servo.device, counted & 0xFF, counted >> 8)) + body
        crc = _crc(frame)
        return servo, frame + bytes((crc & 0xFF, crc >> 8))

    def _sense(self) -> None:
        body = self._body
        measured = zip(self.servos, body.position_rad, body.velocity_rad_s, body.load, strict=True)
        for servo, position_rad, velocity_rad_s, load in measured:
            servo.sense(float(position_rad), float(velocity_rad_s), float(load))


def _reads(device: int, instruction: int, parameters: bytes) -> list[tuple[int, int, int]]:
    """Return (servo, address, length) of all that is asked for."""
    words = [parameters[at] + 256 * parameters[at + 1] for at in range(len(parameters) - 1)]
    if instruction == Instruction.READ and len(parameters) == 4:
        return [(device, words[0], words[2])]
    if instruction == Instruction.SYNC_READ and len(parameters) > 4:
        return [(each, words[0], words[2]) for each in parameters[4:]]
    if instruction == Instruction.BULK_READ and len(parameters) % 5 == 0:
        return [(parameters[at], words[at + 1], words[at + 3]) for at in range(0, len(parameters), 5)]
    return []


def _writes(device: int, instruction: int, parameters: bytes) -> list[tuple[int, int, bytes]]:
    """Return (servo, address, data) of all that shall be stored."""
    words = [parameters[at] + 256 * parameters[at + 1] for at in range(len(parameters) - 1)]
    writes: list[tuple[int, int, bytes]] = []
    if instruction == Instruction.WRITE and len(parameters) > 2:
        writes.append((device, words[0], parameters[2:]))
    elif instruction == Instruction.SYNC_WRITE and len(parameters) > 4:
        end = words[2] + 1
        for at in range(4, len(parameters) - end + 1, end):
            writes.append((parameters[at], words[0], parameters[at + 1 : at + end]))
    elif instruction == Instruction.BULK_WRITE:
        at = 0
        while at + 5 < len(parameters):
            end = at + 5 + words[at + 3]
            writes.append((parameters[at], words[at + 1], parameters[at + 5 : end]))
            at = end
    return writes


def _unstuffed(body: bytearray) -> bytes:
    return bytes(
        byte for at, byte in enumerate(body) if not (byte == 0xFD and body[max(0, at - 3) : at] == b"\xff\xff\xfd")
    )


def _crc(data: bytes | bytearray) -> int:
    # Bit by bit, on purpose not by a table like the runtime's.
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (0x18005 if crc & 0x8000 else 0)
    return crc
