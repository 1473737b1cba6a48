"""One motor controller that speaks EdgeVLA MCU protocol 1, as the joints of a robot.

Every command carries how long it may be obeyed, and the controller stops by itself after that.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from edgevla.config.robot import MAX_DEADMAN_MS
from edgevla.errors import EdgeVLAError
from edgevla.messages import JointState, ServoHealth
from edgevla.motors import mcu, mcu_frame
from edgevla.motors.bus import MotorBus, ServoInfo
from edgevla.motors.deadman import DeadmanTripped
from edgevla.motors.errors import ReplyError, ServoRefused
from edgevla.motors.fit import refuse_narrow, refuse_outside
from edgevla.motors.mcu import CONTROLLER, Flag, Virtual
from edgevla.motors.mcu_line import McuLine
from edgevla.motors.port import SerialPort
from edgevla.motors.scale import CountScale
from edgevla.registers import AllowedWrite, RegisterWrite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgevla.config.robot import Joint, Motors
    from edgevla.motors.bus import Guard, Transport
    from edgevla.motors.mcu import JointLimits, JointReading, Message, State

SCALE = CountScale(mcu.COUNTS_PER_TURN)

# Checking, arming and releasing can wait for a busy machine; a tick cannot.
_PATIENCE_S = 0.05

# `ServoHealth.status` is a joint's faults with the controller's own above them.
_CONTROLLER_BITS = 8
_CONTROLLER_WORDS = {
    Flag.EXPIRED: "stopped by itself, for no command came in time",
    Flag.VOLTAGE: "voltage out of range",
}


class CommandNotTaken(ReplyError):
    """The controller answers, but did not take the newest command. One may be noise; several in a row are not."""


class McuBus(MotorBus):
    """A controller on one `Transport`.

    Args:
        joints: the joints with their ids on the controller.
        transport: the line; its guard sees every frame.
        reply_timeout_s: from a request to the last byte of its answer, in `read` and `health`.
        deadman_s: how long a command may be obeyed, whole milliseconds.
        clock: what `JointState.t_s` is read from; simulated time in lockstep.
    """

    def __init__(
        self,
        joints: Sequence[Joint],
        transport: Transport,
        reply_timeout_s: float,
        deadman_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._joints = tuple(joints)
        self._id_of = {joint.name: joint.id for joint in joints}
        self._transport = transport
        self._line = McuLine(transport, [joint.id for joint in joints])
        self._reply_timeout_s = reply_timeout_s
        self._patience_s = max(reply_timeout_s, _PATIENCE_S)
        self._ttl_ms = round(deadman_s * 1e3)
        self._clock = clock
        self._sequence: int | None = None  # of the newest command; None while the controller is not ours

    @classmethod
    def open(cls, motors: Motors, joints: Sequence[Joint], guard: Guard) -> McuBus:
        """Open the port that robot.yaml names."""
        return cls(joints, SerialPort(motors.port, motors.baud, guard), motors.reply_timeout, motors.deadman)

    @staticmethod
    def counts_per_rad() -> float:
        """How far a raw goal moves for 1 rad."""
        return SCALE.per_rad

    @staticmethod
    def explain_status(status: int) -> str:
        """Return the words for the fault bits of `ServoHealth.status`, empty for none."""
        words = [words for fault, words in mcu.FAULT_WORDS.items() if status & fault]
        words += [words for flag, words in _CONTROLLER_WORDS.items() if status >> _CONTROLLER_BITS & flag]
        return ", ".join(words)

    @staticmethod
    def allowed_writes(joints: Sequence[Joint]) -> tuple[AllowedWrite, ...]:
        """Return all that `arm`, `write` and `release` ever send, with goals bounded by `position_hard`."""
        goals = (AllowedWrite(joint.id, Virtual.GOAL, 2, *SCALE.envelope(joint), "always") for joint in joints)
        return (
            *goals,
            AllowedWrite(CONTROLLER, Virtual.SEQUENCE, 2, 0, 0xFFFF, "always"),
            AllowedWrite(CONTROLLER, Virtual.TTL_MS, 2, 1, MAX_DEADMAN_MS, "always"),
            AllowedWrite(CONTROLLER, Virtual.TORQUE, 1, 0, 1, "setup"),
            AllowedWrite(CONTROLLER, Virtual.CLEAR, 1, 1, 1, "setup"),
        )

    @staticmethod
    def decode_writes(frame: bytes) -> tuple[RegisterWrite, ...]:
        """Return what an outgoing frame does, as writes of `mcu.Virtual` registers; nothing for one that only asks."""
        version, kind, _, payload = mcu_frame.unpack(frame)
        if version != mcu_frame.VERSION:
            raise mcu_frame.FrameError(f"protocol version {version}, not {mcu_frame.VERSION}")
        return tuple(RegisterWrite(*write) for write in mcu.writes_in(mcu.Message(kind, payload)))

    @staticmethod
    def goal_writes(joints: Sequence[Joint], position_rad: Sequence[float]) -> tuple[RegisterWrite, ...]:
        """Return what `write` would send to each joint."""
        return tuple(
            RegisterWrite(joint.id, Virtual.GOAL, counts.to_bytes(2, "little"))
            for joint, counts in zip(joints, SCALE.goals(joints, position_rad), strict=True)
        )

    @property
    def wait_s(self) -> float:
        """Total time spent waiting for the line so far."""
        return self._transport.wait_s

    def check(self) -> tuple[ServoInfo, ...]:
        """Ask the controller who it is and whether it can move these joints. Writes nothing."""
        info = self._line.info(self._patience_s)
        limits = {each.device: each for each in info.joints}
        ours = {joint.id for joint in self._joints}
        if limits.keys() != ours:
            raise ServoRefused(
                f"the motor controller has the joints {sorted(limits)}, robot.yaml has the ids {sorted(ours)}",
                fix="correct the ids in robot.yaml",
            )
        if info.max_ttl_ms < self._ttl_ms:
            raise ServoRefused(
                f"the motor controller obeys a command for {info.max_ttl_ms} ms at most, motors.deadman is "
                f"{self._ttl_ms} ms",
                fix=f"set motors.deadman to {info.max_ttl_ms} ms or less",
            )
        ranges = [_range_rad(joint, limits[joint.id]) for joint in self._joints]
        firmware = f"{info.firmware[0]}.{info.firmware[1]}"
        return tuple(
            ServoInfo(joint=joint.name, device=joint.id, model=info.model, firmware=firmware, position_rad=range_rad)
            for joint, range_rad in zip(self._joints, ranges, strict=True)
        )

    def read(self) -> JointState:
        """Return where the joints are and how fast they move, all from one request.

        `t_s` is when they were asked, so that a reading never looks younger than it is.

        Raises:
            CommandNotTaken: the controller did not take the newest command. That it has stopped by itself is no such
                failure: `health` tells.
        """
        t_s = self._clock()
        state = self._line.state(self._reply_timeout_s)
        if self._sequence is not None and not state.flags & Flag.EXPIRED:
            self._confirm_taken(state)
        return self._joint_state(t_s, state)

    def write(self, position_rad: Sequence[float]) -> None:
        """Send the joints' goals, all in one frame. Whether it was taken shows in the next `read`."""
        goals = SCALE.goals(self._joints, position_rad)
        sequence = ((self._sequence or 0) + 1) % 0x10000
        devices = (joint.id for joint in self._joints)
        self._line.tell(mcu.command(sequence, self._ttl_ms, dict(zip(devices, goals, strict=True))))
        self._sequence = sequence

    def arm(self) -> JointState:
        """Switch the torque on, which makes the present position the goal; on any failure switch it off again.

        Raises:
            DeadmanTripped: the controller has stopped by itself and does not get over it.
        """
        t_s = self._clock()
        before = self._line.state(self._patience_s)
        state = self._joint_state(t_s, before)
        for joint, standing_rad in zip(self._joints, state.position_rad, strict=True):
            refuse_outside(SCALE, joint, standing_rad)
        self._sequence = before.accepted
        try:
            self._order(mcu.CLEAR, "forget its last stop")
            self._order(mcu.torque(True), "switch its torque on")
            self.write(state.position_rad)
            self._confirm_taken(self._line.state(self._patience_s))
        except BaseException:
            self._sequence = None
            with contextlib.suppress(EdgeVLAError):  # what went wrong first is the news
                self._line.order(mcu.torque(False), self._patience_s)
            raise
        return state

    def release(self) -> None:
        """Switch the torque off. A raised arm falls."""
        self._order(mcu.torque(False), "switch its torque off")
        self._sequence = None

    def health(self, joint: str) -> ServoHealth:
        """Ask for the slow readings of one joint; `status` tells of the controller's own faults too."""
        state = self._line.state(self._reply_timeout_s)
        (reading,) = (each for each in state.joints if each.device == self._id_of[joint])
        return ServoHealth(
            joint=joint,
            voltage_v=state.voltage_mv * 1e-3,
            temperature_c=float(reading.temperature_c),
            load=reading.load_permille * 1e-3,
            status=_status(reading, state.flags & (Flag.EXPIRED | Flag.VOLTAGE)),
        )

    def close(self) -> None:
        """Let go of the port. Sends nothing: the controller stops the joints by itself, and keeps their torque."""
        self._transport.close()

    def _joint_state(self, t_s: float, state: State) -> JointState:
        readings = {each.device: each for each in state.joints}
        return JointState(
            t_s=t_s,
            position_rad=tuple(SCALE.angle_rad(joint, readings[joint.id].position) for joint in self._joints),
            velocity_rad_s=tuple(SCALE.speed_rad_s(joint, readings[joint.id].velocity) for joint in self._joints),
            faults=tuple(_status(readings[joint.id], state.flags & Flag.VOLTAGE) for joint in self._joints),
        )

    def _confirm_taken(self, state: State) -> None:
        if state.accepted != self._sequence:
            raise CommandNotTaken(
                f"the motor controller did not take command {self._sequence}: {mcu.result_words(state.refused)}",
                devices=tuple(self._id_of.values()),
                fix="check its limits against robot.yaml, and the cable",
            )

    def _order(self, message: Message, what: str) -> None:
        ack = self._line.order(message, self._patience_s)
        if ack.result != mcu.Result.DONE:
            kind = DeadmanTripped if ack.result == mcu.Result.EXPIRED else ServoRefused
            raise kind(
                f"the motor controller did not {what}: {mcu.result_words(ack.result)}",
                fix="let it come to rest, then arm again; else power it off and on",
            )


def _status(reading: JointReading, flags: int) -> int:
    """Return the fault bits of one joint, and above them those of the controller."""
    return reading.faults | flags << _CONTROLLER_BITS


def _range_rad(joint: Joint, limits: JointLimits) -> tuple[float, float]:
    """Return what the controller lets this joint do, as joint angles, if that is enough."""
    low_rad, high_rad = sorted(SCALE.angle_rad(joint, counts) for counts in (limits.low, limits.high))
    refuse_narrow(SCALE, joint, (low_rad, high_rad))
    if limits.velocity < joint.velocity * SCALE.per_rad:
        raise ServoRefused(
            f"{joint.name}: the motor controller's own limit of {limits.velocity / SCALE.per_rad:g} rad/s is below "
            f"its velocity of {joint.velocity:g} rad/s in robot.yaml: it would fall behind every plan",
            fix="lower the velocity in robot.yaml, or raise the controller's",
        )
    return low_rad, high_rad
