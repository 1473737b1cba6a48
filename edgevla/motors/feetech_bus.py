"""Feetech STS servos as the joints of a robot."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from edgevla.errors import EdgeVLAError
from edgevla.messages import JointState, ServoHealth
from edgevla.motors import feetech, sts3215
from edgevla.motors.bus import MotorBus, ServoInfo
from edgevla.motors.errors import GoalInvalid, ServoRefused
from edgevla.motors.fit import refuse_narrow, refuse_outside
from edgevla.motors.port import SerialPort
from edgevla.motors.scale import CountScale
from edgevla.motors.servo_line import ServoLine
from edgevla.registers import AllowedWrite, RegisterWrite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgevla.config.robot import Joint, Motors
    from edgevla.motors.bus import Guard, Transport
    from edgevla.motors.sts3215 import Register

# Checking, arming and releasing can wait for a busy machine; a tick cannot.
_PATIENCE_S = 0.05

SCALE = CountScale(sts3215.COUNTS_PER_TURN)
# What `arm` brings to 0 first: a ramp or a speed left by another program would bend every motion.
_PREPARED = (sts3215.ACCELERATION, sts3215.GOAL_TIME, sts3215.GOAL_SPEED)
_PREPARED_BLOCK = range(sts3215.TORQUE_ENABLE.address, sts3215.GOAL_SPEED.end)

_STANDING_COUNTS = 12  # about 1 degree: a goal this near to where a joint stands does not move it


class FeetechBus(MotorBus):
    """Servos on one `Transport`.

    Args:
        joints: the joints with their servo ids.
        transport: the line; its guard sees every frame.
        reply_timeout_s: from a request to the last byte of its answer, in `read` and `health`.
        clock: what `JointState.t_s` is read from; simulated time in lockstep.
    """

    def __init__(
        self,
        joints: Sequence[Joint],
        transport: Transport,
        reply_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._joints = tuple(joints)
        self._id_of = {joint.name: joint.id for joint in joints}
        self._transport = transport
        self._line = ServoLine(feetech, transport, {joint.id: joint.name for joint in joints})
        self._reply_timeout_s = reply_timeout_s
        self._patience_s = max(reply_timeout_s, _PATIENCE_S)
        self._clock = clock

    @classmethod
    def open(cls, motors: Motors, joints: Sequence[Joint], guard: Guard) -> FeetechBus:
        """Open the port that robot.yaml names."""
        return cls(joints, SerialPort(motors.port, motors.baud, guard), motors.reply_timeout)

    @staticmethod
    def counts_per_rad() -> float:
        """How far a raw goal moves for 1 rad."""
        return SCALE.per_rad

    @staticmethod
    def explain_status(status: int) -> str:
        """Return the words for the fault bits of `ServoHealth.status`, empty for none."""
        return ", ".join(words for fault, words in sts3215.FAULT_WORDS.items() if status & fault)

    @staticmethod
    def allowed_writes(joints: Sequence[Joint]) -> tuple[AllowedWrite, ...]:
        """Return all that `arm`, `write` and `release` ever send, with goals bounded by `position_hard`."""
        allowed: list[AllowedWrite] = []
        for joint in joints:
            low, high = SCALE.envelope(joint)
            goal, torque = sts3215.GOAL_POSITION, sts3215.TORQUE_ENABLE
            allowed.append(AllowedWrite(joint.id, goal.address, goal.length, low, high, "always"))
            allowed.append(AllowedWrite(joint.id, torque.address, torque.length, 0, 1, "setup"))
            allowed += (AllowedWrite(joint.id, each.address, each.length, 0, 0, "setup") for each in _PREPARED)
        return tuple(allowed)

    @staticmethod
    def decode_writes(frame: bytes) -> tuple[RegisterWrite, ...]:
        """Return what an outgoing frame writes, nothing for one that only reads."""
        return tuple(RegisterWrite(*write) for write in feetech.writes_in(frame))

    @staticmethod
    def goal_writes(joints: Sequence[Joint], position_rad: Sequence[float]) -> tuple[RegisterWrite, ...]:
        """Return what `write` would send to each joint."""
        if len(position_rad) != len(joints):
            raise GoalInvalid(f"{len(position_rad)} goals for {len(joints)} joints")
        goal = sts3215.GOAL_POSITION
        return tuple(
            RegisterWrite(joint.id, goal.address, goal.pack(SCALE.goal(joint, goal_rad)))
            for joint, goal_rad in zip(joints, position_rad, strict=True)
        )

    @property
    def wait_s(self) -> float:
        """Total time spent waiting for the line so far."""
        return self._transport.wait_s

    def check(self) -> tuple[ServoInfo, ...]:
        """Ask every servo who it is and whether it can be moved as robot.yaml says. Writes nothing."""
        self._line.ping_all(self._patience_s)
        return tuple(self._identify(joint) for joint in self._joints)

    def read(self) -> JointState:
        """Return where the joints are and how fast they move, all from one request.

        `t_s` is when they were asked, so that a reading never looks younger than it is.
        """
        return self._read(self._reply_timeout_s)

    def write(self, position_rad: Sequence[float]) -> None:
        """Send the joints' goals, all in one frame."""
        writes = self.goal_writes(self._joints, position_rad)
        self._line.write_all(sts3215.GOAL_POSITION.address, {write.device: write.data for write in writes})

    def arm(self) -> JointState:
        """Make the present position the goal, then switch the torque on.

        On any failure the servos that had no torque before lose it again; those that were held are not dropped.
        """
        state = self._read(self._patience_s)
        for joint, standing_rad in zip(self._joints, state.position_rad, strict=True):
            refuse_outside(SCALE, joint, standing_rad)
        limp = [device for device, torque in self._torques().items() if not torque]
        try:
            # The goal first: a servo that is held and still on its way to an old one must not be sped up.
            self.write(state.position_rad)
            for register in _PREPARED:
                self._write_same(register, 0)
            self._confirm_standing(state)
            self._write_same(sts3215.TORQUE_ENABLE, 1)
            self._confirm_torque(1)
        except BaseException:
            with contextlib.suppress(EdgeVLAError):  # what went wrong first is the news
                off = sts3215.TORQUE_ENABLE.pack(0)
                if limp:
                    self._line.write_all(sts3215.TORQUE_ENABLE.address, dict.fromkeys(limp, off))
            raise
        return state

    def release(self) -> None:
        """Switch the torque off. A raised arm falls."""
        self._write_same(sts3215.TORQUE_ENABLE, 0)
        self._confirm_torque(0)

    def health(self, joint: str) -> ServoHealth:
        """Ask one servo for its slow readings; a caller asks one a tick, in turn."""
        start = sts3215.PRESENT_LOAD.address
        block = self._line.read_one(self._id_of[joint], start, sts3215.STATUS.end - start, self._reply_timeout_s)
        return ServoHealth(
            joint=joint,
            voltage_v=sts3215.PRESENT_VOLTAGE.unpack(block, start) * sts3215.VOLTAGE_V,
            temperature_c=float(sts3215.PRESENT_TEMPERATURE.unpack(block, start)),
            load=sts3215.PRESENT_LOAD.unpack(block, start) * sts3215.TORQUE,
            status=sts3215.STATUS.unpack(block, start),
        )

    def close(self) -> None:
        """Let go of the port. Sends nothing: the servos keep their last goal and torque."""
        self._transport.close()

    def _read(self, timeout_s: float) -> JointState:
        t_s = self._clock()
        start = sts3215.PRESENT_POSITION.address
        replies = self._line.read_all(start, sts3215.PRESENT_SPEED.end - start, timeout_s)
        position_rad: list[float] = []
        velocity_rad_s: list[float] = []
        for joint in self._joints:
            block = replies[joint.id].data
            position_rad.append(SCALE.angle_rad(joint, sts3215.PRESENT_POSITION.unpack(block, start)))
            velocity_rad_s.append(SCALE.speed_rad_s(joint, sts3215.PRESENT_SPEED.unpack(block, start)))
        return JointState(
            t_s=t_s,
            position_rad=tuple(position_rad),
            velocity_rad_s=tuple(velocity_rad_s),
            faults=tuple(replies[joint.id].error for joint in self._joints),
        )

    def _identify(self, joint: Joint) -> ServoInfo:
        block = self._line.read_one(joint.id, 0, sts3215.MODE.end, self._patience_s)
        mode = sts3215.MODE.unpack(block, 0)
        if mode != sts3215.POSITION_MODE:
            raise ServoRefused(
                f"servo {joint.id} ({joint.name}) is in operating mode {mode}, not in position mode "
                f"{sts3215.POSITION_MODE}: it would turn without end",
                fix=f"set its register {sts3215.MODE.address} to {sts3215.POSITION_MODE} with the vendor's tool",
            )
        own = (sts3215.MIN_POSITION, sts3215.MAX_POSITION)
        low_rad, high_rad = sorted(SCALE.angle_rad(joint, each.unpack(block, 0)) for each in own)
        refuse_narrow(SCALE, joint, (low_rad, high_rad))
        return ServoInfo(
            joint=joint.name,
            device=joint.id,
            model=sts3215.MODEL.unpack(block, 0),
            firmware=f"{block[0]}.{block[1]}",
            position_rad=(low_rad, high_rad),
        )

    # Sync writes are not acknowledged. Only a look tells that no servo missed one, and a servo that missed its goal
    # would jump to an old one with the torque.

    def _confirm_standing(self, state: JointState) -> None:
        replies = self._line.read_all(_PREPARED_BLOCK.start, len(_PREPARED_BLOCK), self._patience_s)
        for joint, standing_rad in zip(self._joints, state.position_rad, strict=True):
            block = replies[joint.id].data
            goal = sts3215.GOAL_POSITION.unpack(block, _PREPARED_BLOCK.start)
            prepared = not any(each.unpack(block, _PREPARED_BLOCK.start) for each in _PREPARED)
            if not prepared or abs(goal - SCALE.goal(joint, standing_rad)) > _STANDING_COUNTS:
                raise ServoRefused(
                    f"servo {joint.id} ({joint.name}) did not take the goal to stand where it is",
                    fix="check its cable, then power it off and on",
                )

    def _torques(self) -> dict[int, int]:
        register = sts3215.TORQUE_ENABLE
        replies = self._line.read_all(register.address, register.length, self._patience_s)
        return {device: register.unpack(reply.data, register.address) for device, reply in replies.items()}

    def _confirm_torque(self, wanted: int) -> None:
        torques = self._torques()
        for joint in self._joints:
            if torques[joint.id] != wanted:
                raise ServoRefused(
                    f"servo {joint.id} ({joint.name}) did not switch its torque {'on' if wanted else 'off'}",
                    fix="check its cable and its alarm, then power it off and on",
                )

    def _write_same(self, register: Register, value: int) -> None:
        self._line.write_all(register.address, {joint.id: register.pack(value) for joint in self._joints})
