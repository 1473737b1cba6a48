"""The simulated servos on their bus, without I/O: bytes in, reply bytes out, goals into the world.

Stands for the servos' firmware, so it finds frames by its own reading of the protocol and shares only the numbers of
instructions and registers with the runtime. Knows ping, read, write, sync read and sync write; a frame with a bad
checksum, another instruction or another id is met with silence, as on the real bus.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edgevla.motors.feetech import BROADCAST, HEADER, Instruction
from edgevla.motors.sts3215 import PRESENT_POSITION
from edgevla.sim.servo import Servo

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

TURNAROUND_S = 20e-6  # from the end of a request to the first bit of a reply, before the return delay
_AGE_EVERY = 25  # physics steps between two looks at temperature and overload


class Body(Protocol):
    """What the servos drive and feel; arrays are (joints,), in the order of the servo ids."""

    timestep_s: float
    goal_rad: NDArray[np.float64]
    torque_on: NDArray[np.bool_]
    torque_limit: NDArray[np.float64]

    @property
    def position_rad(self) -> NDArray[np.float64]:
        """Joint angles."""
        ...

    @property
    def velocity_rad_s(self) -> NDArray[np.float64]:
        """Joint speeds."""
        ...

    @property
    def load(self) -> NDArray[np.float64]:
        """Torque as a share of the stall torque, -1..1."""
        ...


class Answer(NamedTuple):
    """What the servos say to some bytes, and how long they take before saying it, wire time not included."""

    data: bytes
    delay_s: float


class SimulatedServos:
    """One servo a joint of `body`. `handle` and `apply` may be called from two threads.

    Args:
        body: the simulated arm.
        devices: the servo ids, in the order of the joints.
    """

    def __init__(self, body: Body, devices: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> None:
        self.servos = tuple(Servo(device) for device in devices)
        self._body = body
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._steps = 0
        self._settled = False
        self.power_up()

    def power_up(self) -> None:
        """Switch the power off and on: torque off, and all that was not saved is lost."""
        with self._lock:
            self._settled = False
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
                answer = self._obey(frame)
                replies += answer.data
                delay_s += answer.delay_s
            return Answer(bytes(replies), delay_s)

    def hush(self) -> None:
        """Forget half a request: the line was quiet for longer than a frame has gaps."""
        with self._lock:
            self._pending.clear()

    def apply(self) -> None:
        """Write goal, torque and torque limit of every joint into the body; call it before every physics step."""
        body = self._body
        with self._lock:
            self._steps += 1
            if self._steps % _AGE_EVERY == 0:
                for servo, load in zip(self.servos, body.load, strict=True):
                    servo.age(_AGE_EVERY * body.timestep_s, float(load))
            elif self._settled:
                return
            self._settled = True
            for joint, (servo, position_rad) in enumerate(zip(self.servos, body.position_rad, strict=True)):
                goal_rad, arrived = servo.drive(body.timestep_s, float(position_rad))
                body.goal_rad[joint] = goal_rad
                body.torque_on[joint] = servo.torque_on
                body.torque_limit[joint] = servo.torque_limit
                self._settled = self._settled and arrived

    def _next_frame(self) -> bytes | None:
        """Return the next request with a good checksum, from its id to its last parameter."""
        pending = self._pending
        while True:
            start = pending.find(HEADER)
            if start < 0:
                del pending[: -1 if pending.endswith(b"\xff") else len(pending)]
                return None
            del pending[:start]
            if len(pending) < 4:
                return None
            end = 4 + pending[3]
            if pending[2] == 0xFF or pending[3] < 2:
                del pending[0]
            elif len(pending) < end:
                return None
            elif (sum(pending[2:end]) & 0xFF) != 0xFF:
                del pending[0]
            else:
                frame = bytes(pending[2 : end - 1])
                del pending[:end]
                return frame

    def _obey(self, frame: bytes) -> Answer:
        device, instruction, parameters = frame[0], frame[2], frame[3:]
        meant = [servo for servo in self.servos if servo.connected and device in (servo.device, BROADCAST)]
        if instruction == Instruction.SYNC_WRITE and device == BROADCAST and len(parameters) > 2:
            self._sync_write(meant, parameters)
        elif instruction == Instruction.SYNC_READ and device == BROADCAST and len(parameters) > 2:
            asked = [servo for each in parameters[2:] for servo in meant if servo.device == each]
            return self._read(asked, parameters[0], parameters[1])
        elif instruction == Instruction.WRITE and len(parameters) > 1:
            for servo in meant:
                servo.write(parameters[0], parameters[1:])
            self._settled = False
            if device != BROADCAST:
                return self._read([servo for servo in meant if servo.acknowledges], 0, 0)
        elif instruction == Instruction.READ and len(parameters) == 2 and device != BROADCAST:
            return self._read(meant, parameters[0], parameters[1])
        elif instruction == Instruction.PING and device != BROADCAST:
            return self._read(meant, 0, 0)
        return Answer(b"", 0.0)

    def _sync_write(self, meant: list[Servo], parameters: bytes) -> None:
        address, length = parameters[0], parameters[1]
        for at in range(2, len(parameters) - length, length + 1):
            for servo in meant:
                if servo.device == parameters[at]:
                    servo.write(address, parameters[at + 1 : at + 1 + length])
        self._settled = False

    def _read(self, asked: list[Servo], address: int, length: int) -> Answer:
        if address + length > PRESENT_POSITION.address:
            self._sense()
        replies = bytearray()
        for servo in asked:
            body = bytes((servo.device, length + 2, servo.status)) + servo.read(address, length)
            replies += HEADER + body + bytes((0xFF - (sum(body) & 0xFF),))
        return Answer(bytes(replies), sum(TURNAROUND_S + servo.return_delay_s for servo in asked))

    def _sense(self) -> None:
        body = self._body
        measured = zip(self.servos, body.position_rad, body.velocity_rad_s, body.load, strict=True)
        for servo, position_rad, velocity_rad_s, load in measured:
            servo.sense(float(position_rad), float(velocity_rad_s), float(load))
