"""Dynamixel X servos as the joints of a robot. They stop by themselves when nothing comes from us in time."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from edgevla.config.robot import MAX_DEADMAN_MS
from edgevla.errors import EdgeVLAError
from edgevla.messages import JointState, ServoHealth
from edgevla.motors import dynamixel, x_series
from edgevla.motors.bus import MotorBus, ServoInfo
from edgevla.motors.deadman import DeadmanTripped
from edgevla.motors.errors import ServoRefused
from edgevla.motors.fit import refuse_narrow, refuse_outside
from edgevla.motors.port import SerialPort
from edgevla.motors.scale import CountScale
from edgevla.motors.servo_line import ServoLine
from edgevla.registers import AllowedWrite, RegisterWrite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgevla.config.robot import Joint, Motors
    from edgevla.motors.bus import Guard, Transport
    from edgevla.motors.x_series import Register

SCALE = CountScale(x_series.COUNTS_PER_TURN)

# Checking, arming and releasing can wait for a busy machine; a tick cannot.
_PATIENCE_S = 0.05

# What `arm` brings to 0 first: a profile left by another program would bend every motion.
_PREPARED = (x_series.PROFILE_ACCELERATION, x_series.PROFILE_VELOCITY)
_PREPARED_BLOCK = range(x_series.BUS_WATCHDOG.address, x_series.GOAL_POSITION.end)
_HEALTH_BLOCK = range(x_series.HARDWARE_ERROR.address, x_series.PRESENT_TEMPERATURE.end)

_STANDING_COUNTS = 12  # about 1 degree: a goal this near to where a joint stands does not move it


class DynamixelBus(MotorBus):
    """Servos on one `Transport`.

    Args:
        joints: the joints with their servo ids.
        transport: the line; its guard sees every frame.
        reply_timeout_s: from a request to the last byte of its answer, in `read` and `health`.
        deadman_s: silence after which the servos stop by themselves, a multiple of 20 ms.
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
        self._joint = {joint.name: joint for joint in joints}
        self._transport = transport
        self._line = ServoLine(dynamixel, transport, {joint.id: joint.name for joint in joints})
        self._reply_timeout_s = reply_timeout_s
        self._patience_s = max(reply_timeout_s, _PATIENCE_S)
        self._watchdog = round(deadman_s / x_series.WATCHDOG_S)
        self._clock = clock
        self._full_load: dict[str, float] = {}  # joint -> what PRESENT_CURRENT holds at full load

    @classmethod
    def open(cls, motors: Motors, joints: Sequence[Joint], guard: Guard) -> DynamixelBus:
        """Open the port that robot.yaml names."""
        return cls(joints, SerialPort(motors.port, motors.baud, guard), motors.reply_timeout, motors.deadman)

    @staticmethod
    def counts_per_rad() -> float:
        """How far a raw goal moves for 1 rad."""
        return SCALE.per_rad

    @staticmethod
    def explain_status(status: int) -> str:
        """Return the words for the fault bits of `ServoHealth.status`, empty for none."""
        return ", ".join(words for fault, words in x_series.FAULT_WORDS.items() if status & fault)

    @staticmethod
    def allowed_writes(joints: Sequence[Joint]) -> tuple[AllowedWrite, ...]:
        """Return all that `arm`, `write` and `release` ever send, with goals bounded by `position_hard`."""
        goal, torque, watchdog = x_series.GOAL_POSITION, x_series.TORQUE_ENABLE, x_series.BUS_WATCHDOG
        longest = round(MAX_DEADMAN_MS * 1e-3 / x_series.WATCHDOG_S)
        allowed: list[AllowedWrite] = []
        for joint in joints:
            low, high = SCALE.envelope(joint)
            allowed.append(AllowedWrite(joint.id, goal.address, goal.length, low, high, "always"))
            allowed.append(AllowedWrite(joint.id, torque.address, torque.length, 0, 1, "setup"))
            allowed.append(AllowedWrite(joint.id, watchdog.address, watchdog.length, 0, longest, "setup"))
            allowed += (AllowedWrite(joint.id, each.address, each.length, 0, 0, "setup") for each in _PREPARED)
        return tuple(allowed)

    @staticmethod
    def decode_writes(frame: bytes) -> tuple[RegisterWrite, ...]:
        """Return what an outgoing frame writes, nothing for one that only reads."""
        return tuple(RegisterWrite(*write) for write in dynamixel.writes_in(frame))

    @staticmethod
    def goal_writes(joints: Sequence[Joint], position_rad: Sequence[float]) -> tuple[RegisterWrite, ...]:
        """Return what `write` would send to each joint."""
        goal = x_series.GOAL_POSITION
        return tuple(
            RegisterWrite(joint.id, goal.address, goal.pack(counts))
            for joint, counts in zip(joints, SCALE.goals(joints, position_rad), strict=True)
        )

    @property
    def wait_s(self) -> float:
        """Total time spent waiting for the line so far."""
        return self._transport.wait_s

    def check(self) -> tuple[ServoInfo, ...]:
        """Ask every servo who it is and whether it can be moved. Writes nothing."""
        self._line.ping_all(self._patience_s)
        return tuple(self._identify(joint) for joint in self._joints)

    def read(self) -> JointState:
        """Return where the joints are and how fast they move, all from one request.

        `t_s` is when they were asked, so that a reading never looks younger than it is.
        """
        return self._read(self._reply_timeout_s)

    def write(self, position_rad: Sequence[float]) -> None:
        """Send the joints' goals, all in one frame. A servo that has stopped by itself refuses: see `health`."""
        writes = self.goal_writes(self._joints, position_rad)
        self._line.write_all(x_series.GOAL_POSITION.address, {write.device: write.data for write in writes})

    def arm(self) -> JointState:
        """Make the present position the goal, then switch torque and watchdog on; on any failure the torque off again.

        Raises:
            DeadmanTripped: a servo that has stopped by itself does not get over it.
        """
        state = self._read(self._patience_s)
        for joint, standing_rad in zip(self._joints, state.position_rad, strict=True):
            refuse_outside(SCALE, joint, standing_rad)
        try:
            for register in (x_series.BUS_WATCHDOG, *_PREPARED):  # 0 also clears a tripped watchdog
                self._write_same(register, 0)
            self.write(state.position_rad)
            self._confirm_standing(state)
            self._set(x_series.TORQUE_ENABLE, 1, "switch its torque on")
            self._set(x_series.BUS_WATCHDOG, self._watchdog, "switch its bus watchdog on")
        except BaseException:
            with contextlib.suppress(EdgeVLAError):  # what went wrong first is the news
                self._write_same(x_series.TORQUE_ENABLE, 0)
            raise
        return state

    def release(self) -> None:
        """Switch the torque off, then the watchdog. A raised arm falls."""
        self._set(x_series.TORQUE_ENABLE, 0, "switch its torque off")
        self._set(x_series.BUS_WATCHDOG, 0, "switch its bus watchdog off")

    def health(self, joint: str) -> ServoHealth:
        """Ask one servo for its slow readings. `status`: bits of `x_series.Fault`, a tripped watchdog among them."""
        if joint not in self._full_load:
            self._identify(self._joint[joint])
        start = _HEALTH_BLOCK.start
        block = self._line.read_one(self._joint[joint].id, start, len(_HEALTH_BLOCK), self._reply_timeout_s)
        tripped = x_series.BUS_WATCHDOG.unpack(block, start) == x_series.WATCHDOG_TRIPPED
        return ServoHealth(
            joint=joint,
            voltage_v=x_series.PRESENT_VOLTAGE.unpack(block, start) * x_series.VOLTAGE_V,
            temperature_c=float(x_series.PRESENT_TEMPERATURE.unpack(block, start)),
            load=x_series.PRESENT_CURRENT.unpack(block, start) / self._full_load[joint],
            status=x_series.HARDWARE_ERROR.unpack(block, start) | tripped * x_series.Fault.WATCHDOG,
        )

    def close(self) -> None:
        """Let go of the port. Sends nothing: the watchdog stops the servos, which keep their torque."""
        self._transport.close()

    def _read(self, timeout_s: float) -> JointState:
        t_s = self._clock()
        start = x_series.PRESENT_VELOCITY.address
        replies = self._line.read_all(start, x_series.PRESENT_POSITION.end - start, timeout_s)
        position_rad: list[float] = []
        velocity_rad_s: list[float] = []
        for joint in self._joints:
            block = replies[joint.id].data
            position_rad.append(SCALE.angle_rad(joint, x_series.PRESENT_POSITION.unpack(block, start)))
            turning = x_series.PRESENT_VELOCITY.unpack(block, start)
            velocity_rad_s.append(joint.sign * turning * x_series.VELOCITY_RAD_S)
        return JointState(t_s=t_s, position_rad=tuple(position_rad), velocity_rad_s=tuple(velocity_rad_s))

    def _identify(self, joint: Joint) -> ServoInfo:
        block = self._line.read_one(joint.id, 0, x_series.MIN_POSITION.end, self._patience_s)
        who = f"servo {joint.id} ({joint.name})"
        mode, firmware = x_series.OPERATING_MODE.unpack(block, 0), x_series.FIRMWARE.unpack(block, 0)
        if mode != x_series.POSITION_MODE:
            raise ServoRefused(
                f"{who} is in operating mode {mode}, not in position mode {x_series.POSITION_MODE}",
                fix=f"set its register {x_series.OPERATING_MODE.address} to {x_series.POSITION_MODE} "
                "with the vendor's tool",
            )
        if firmware < x_series.FIRST_FIRMWARE_WITH_WATCHDOG:
            raise ServoRefused(
                f"{who} has firmware {firmware}, without a bus watchdog: it would not stop when the line is cut",
                fix=f"update it to {x_series.FIRST_FIRMWARE_WITH_WATCHDOG} or later with the vendor's tool",
            )
        ends = (
            SCALE.angle_rad(joint, each.unpack(block, 0)) for each in (x_series.MIN_POSITION, x_series.MAX_POSITION)
        )
        low_rad, high_rad = sorted(ends)
        refuse_narrow(SCALE, joint, (low_rad, high_rad))
        model, current_limit = x_series.MODEL.unpack(block, 0), x_series.CURRENT_LIMIT.unpack(block, 0)
        measures_current = model not in x_series.MODELS_WITHOUT_CURRENT
        if measures_current and not current_limit:
            raise ServoRefused(
                f"{who}, model {model}, has a current limit of 0 and no force",
                fix=f"set its register {x_series.CURRENT_LIMIT.address} with the vendor's tool",
            )
        self._full_load[joint.name] = current_limit if measures_current else 1 / x_series.LOAD
        return ServoInfo(
            joint=joint.name, device=joint.id, model=model, firmware=str(firmware), position_rad=(low_rad, high_rad)
        )

    # Sync writes are not acknowledged. Only a look tells that no servo missed one, and a servo that missed its goal
    # would jump to an old one with the torque.

    def _confirm_standing(self, state: JointState) -> None:
        start = _PREPARED_BLOCK.start
        replies = self._line.read_all(start, len(_PREPARED_BLOCK), self._patience_s)
        for joint, standing in zip(self._joints, SCALE.goals(self._joints, state.position_rad), strict=True):
            block, who = replies[joint.id].data, f"servo {joint.id} ({joint.name})"
            if x_series.BUS_WATCHDOG.unpack(block, start) == x_series.WATCHDOG_TRIPPED:
                raise DeadmanTripped(
                    f"{who} has stopped by itself and takes no goal", fix="power it off and on, then arm again"
                )
            goal = x_series.GOAL_POSITION.unpack(block, start)
            prepared = not any(each.unpack(block, start) for each in (x_series.BUS_WATCHDOG, *_PREPARED))
            if not prepared or abs(goal - standing) > _STANDING_COUNTS:
                raise ServoRefused(
                    f"{who} did not take the goal to stand where it is", fix="check its cable, then power it off and on"
                )

    def _set(self, register: Register, value: int, what: str) -> None:
        self._write_same(register, value)
        replies = self._line.read_all(register.address, register.length, self._patience_s)
        for joint in self._joints:
            if register.unpack(replies[joint.id].data, register.address) != value:
                raise ServoRefused(
                    f"servo {joint.id} ({joint.name}) did not {what}",
                    fix="check its cable and its alarm, then power it off and on",
                )

    def _write_same(self, register: Register, value: int) -> None:
        self._line.write_all(register.address, {joint.id: register.pack(value) for joint in self._joints})
