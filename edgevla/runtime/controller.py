"""`Controller` is one tick of the control process: read the servos, look at the mode, shape the plan, write.

It has no clock, process or socket of its own, so the very same object runs in real time and under a simulated clock.
Everything that can move the arm is in `tick`, from top to bottom.
"""

from __future__ import annotations

import math
from collections import Counter
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from edgevla.control.gate import GateBlocked
from edgevla.control.limits import Limits
from edgevla.control.modes import ASKABLE, next_mode
from edgevla.control.proposal import Proposal
from edgevla.control.timeline import Timeline
from edgevla.errors import EdgeVLAError
from edgevla.messages import Bounds, Event, JointState, Mode, ServoHealth
from edgevla.motors.errors import MotorError, PortLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.config.robot import Robot
    from edgevla.control.gate import Gate
    from edgevla.control.workspace import Workspace
    from edgevla.messages import Chunk
    from edgevla.motors.bus import MotorBus

READS_LOST = 3  # cycles in a row without an answer
ASTRAY_S = 0.5  # a plan that leads a joint by more than `tracking` for so long is not being followed
STALE_REQUEST_S = 0.5
INVALID_WITHIN_S = 1.0  # a second invalid chunk this soon ends in a fault
_HOLDING = "holding: "  # begins the reason while a broken plan keeps the arm waiting
_HEALTH_EVERY = 10  # ticks; one servo at a time
_HEALTH_PHASE = 3  # not in the ticks that also report to the operator


class Outcome(NamedTuple):
    """What one tick did, for the record."""

    t_s: float
    mode: Mode
    plan_age_s: float  # infinite without a plan
    limited: bool
    blocked: bool
    held: bool
    fresh_chunk: bool  # first tick that played a new chunk


class Controller:
    """The control process' state. Events come in through the methods, motion happens in `tick`.

    Args:
        robot: robot.yaml.
        bus: the servo bus, whose port is guarded by `gate`.
        gate: the same gate, to open and close it for set-up.
        workspace: where links and tool may be, if robot.yaml says so.
        pace: called right before goals are sent; in real time it keeps two commands apart.
    """

    def __init__(
        self,
        robot: Robot,
        bus: MotorBus,
        gate: Gate,
        workspace: Workspace | None = None,
        pace: Callable[[], None] | None = None,
    ) -> None:
        self._robot = robot
        self._bus = bus
        self._gate = gate
        self._pace = pace
        control = robot.control
        self._limits = Limits(robot.joints, 1.0 / control.rate, workspace)
        self._timeline = Timeline(len(robot.joints), control.plan_hold_after)
        self._proposal = Proposal()
        self.mode = Mode.DISARMED
        self.reason = "just started"
        self.state: JointState | None = None
        self.health: dict[str, ServoHealth] = {}
        self.counts: Counter[str] = Counter()
        self.limited_joints = [0] * len(robot.joints)  # ticks in which the bounds changed what was asked of each
        self._reads_lost = 0
        self._astray_ticks = 0
        self._invalid_s = -math.inf
        self._lease_s = -math.inf
        self._played_seq: int | None = None
        self._ticks = 0
        self._now_s = -math.inf
        self._link_up = True
        self._sends = control.supervision != "shadow"
        self._torque_on = False  # by us

    @property
    def setpoint_rad(self) -> tuple[float, ...]:
        """Where the joints are told to be."""
        return self._limits.position_rad

    @property
    def bounds(self) -> Bounds:
        """How often the bounds changed what was asked for."""
        return Bounds(limited=self.counts["limited"], blocked=self.counts["blocked"], held=self.counts["held"])

    @property
    def standing(self) -> bool:
        """Whether no setpoint moves."""
        return self._limits.standing

    @property
    def moving(self) -> bool:
        """Whether setpoints that move are still being sent."""
        return not self._limits.standing and self._link_up and not self._gate.violation

    @property
    def chunk(self) -> Chunk | None:
        """The plan in hand."""
        return self._timeline.chunk

    def confirmable_seq(self, now_s: float) -> int:
        """The chunk that `confirm` would play now, if the operator holds the lease; -1 when there is none."""
        return -1 if isinstance(self._confirmable(self._proposal.seq, now_s), str) else self._proposal.seq

    def offer(self, chunk: Chunk, now_s: float) -> None:
        """A chunk has arrived. A broken one drops the plan; the second within a second is a fault."""
        broken = self._timeline.offer(chunk, now_s)
        if not broken:
            if self.state is not None:
                self._proposal.offer(chunk, self.state.position_rad)
            return
        self._proposal.clear()
        self.counts["invalid"] += 1
        if self.mode is Mode.ENGAGED and now_s - self._invalid_s < INVALID_WITHIN_S:
            self._event(Event.PLAN_INVALID, broken)
        self._invalid_s = now_s
        if self.mode is Mode.ENGAGED:
            self.reason = f"{_HOLDING}{broken}"

    def heartbeat(self, t_s: float) -> None:
        """The operator was there at that moment. A time that is no number is none."""
        if math.isfinite(t_s):
            self._lease_s = max(self._lease_s, t_s)

    def policy_lost(self, why: str) -> None:
        """The policy process is gone; what it planned is not played any more."""
        self._timeline.clear()
        self._proposal.clear()
        self._event(Event.POLICY_LOST, why)

    def fail(self, why: str) -> None:
        """Something in the program itself broke; the arm brakes, and stays in a fault."""
        self._event(Event.INTERNAL, why)

    def overrun(self, why: str) -> None:
        """The loop cannot keep its rate."""
        self._event(Event.OVERRUN, why)

    def operator(self, event: Event, why: str, asked_s: float, now_s: float) -> None:
        """A person asks for something. ARM, ENGAGE and RESET are granted only when their conditions hold.

        Args:
            asked_s: when it was asked; what would move the arm is not granted long after.
        """
        self._now_s = now_s
        refusal = self._refusal(event, asked_s, now_s)
        if refusal:
            self._refuse(f"{event.value} refused: {refusal}")
            return
        before = self.mode
        if event is Event.ARM and before is Mode.DISARMED and not self._arm():
            return
        self._event(event, why)
        if event is Event.DISARM and before is Mode.HOLDING:
            self.leave()
        if event is Event.RESET and before is Mode.FAULT:
            self._gate.reset()
            self._astray_ticks = 0
            self.health.clear()  # what a servo said before is no reason now; it is asked again

    def confirm(self, seq: int, asked_s: float, now_s: float) -> None:
        """A person has looked at a chunk and wants it played, once, from its first row.

        Args:
            seq: which chunk.
            asked_s: when it was asked.
        """
        self._now_s = now_s
        chunk = self._confirmable(seq, now_s)
        refusal = _asked_long_ago(asked_s, now_s) or (chunk if isinstance(chunk, str) else self._lease_refusal(now_s))
        if refusal or isinstance(chunk, str):
            self._refuse(f"confirm refused: {refusal}")
            return
        self._proposal.clear()
        self._timeline.confirm(chunk, now_s)
        self._event(Event.ENGAGE, f"chunk {seq} is confirmed")

    def leave(self) -> None:
        """Apply the torque policy of robot.yaml to an arm that was armed here. Only called at standstill."""
        if self._robot.motors.on_exit == "release" and self._torque_on and self._link_up:
            self._gate.open_setup()
            try:
                self._bus.release()
                self._torque_on = False
            except EdgeVLAError as error:
                self.reason = f"could not release the torque: {error}"
            finally:
                self._gate.close_setup()

    def tick(self, now_s: float) -> Outcome:
        """One period: measure, decide, move, write."""
        self._ticks += 1
        self._now_s = now_s
        self._measure()
        self._watch(now_s)
        if self.mode is Mode.STOPPING and self._limits.standing:
            self._event(Event.STOPPED, "")
        limited = held = False
        if self.mode is Mode.ENGAGED and self.state is not None:
            wanted = self._timeline.wanted(now_s)
            if wanted is None:
                self._limits.brake()
                held = True
            else:
                shaped = self._limits.follow(wanted, self.state.position_rad)
                limited, held = shaped.limited, shaped.refused
                if shaped.changed:
                    self.limited_joints = list(map(add, self.limited_joints, shaped.changed))
                self._watch_tracking(shaped.pulled)
                if self.reason.startswith(_HOLDING):
                    self.reason = "engaged: a good plan again"
                if shaped.fenced:
                    self.reason = f"held back: {shaped.fenced}"
        elif self.mode is not Mode.DISARMED:
            self._limits.brake()
        blocked = self.mode is not Mode.DISARMED and not self._send()
        self.counts.update(limited=int(limited), held=int(held), blocked=int(blocked))
        return Outcome(now_s, self.mode, self._timeline.age_s(now_s), limited, blocked, held, self._first_play())

    def _refusal(self, event: Event, asked_s: float, now_s: float) -> str:
        if event not in ASKABLE:
            return "nobody can ask for it"
        if event in {Event.ARM, Event.ENGAGE, Event.RESET} and (late := _asked_long_ago(asked_s, now_s)):
            return late
        if event is Event.ARM and self.state is None:
            return "the servos have not answered yet"
        if event is Event.ENGAGE and self.mode is not Mode.ENGAGED:
            return self._engage_refusal(now_s)
        if event is Event.RESET and not self._link_up:
            return "the serial line is lost; check the cable and start again"
        return ""

    def _refuse(self, why: str) -> None:
        """Say why not, but never over the reason of a fault, which is what a person has to look at."""
        if self.mode is not Mode.FAULT:
            self.reason = why

    def _engage_refusal(self, now_s: float) -> str:
        if self.mode is not Mode.HOLDING:
            return f"the arm is {self.mode.value}, not holding"
        if self._timeline.wanted(now_s) is None:
            return "no fresh plan from the policy"
        return self._lease_refusal(now_s)

    def _lease_refusal(self, now_s: float) -> str:
        return "nobody holds the engage lease" if self._lease_expired(now_s) else ""

    def _confirmable(self, seq: int, now_s: float) -> Chunk | str:
        """The chunk, or why it cannot be played whoever asks."""
        if self.mode is not Mode.HOLDING or not self._limits.standing or self.state is None:
            return f"the arm is {self.mode.value}, not holding still"
        return self._proposal.take(seq, self.state.position_rad, now_s)

    def _arm(self) -> bool:
        """Take over where the arm stands: servo goals and setpoint at the measured position, then torque."""
        if self.state is None:
            return False
        try:
            self._limits.check_start(self.state.position_rad)
            if self._sends:
                self._gate.anchor(self._bus.goal_writes(self._robot.joints, self.state.position_rad))
                self._gate.open_setup()
                self.state = self._bus.arm()
                self._torque_on = True
            self._limits.start(self.state.position_rad)
        except GateBlocked as error:
            self._event(Event.GATE_BLOCKED, str(error))
        except PortLost as error:
            self._lose(str(error))
        except EdgeVLAError as error:
            self.reason = f"arm refused: {error}"
        else:
            return True
        finally:
            self._gate.close_setup()
        return False

    def _measure(self) -> None:
        if not self._link_up:
            return
        try:
            self.state = self._bus.read()
            self._reads_lost = 0
            if self._ticks % _HEALTH_EVERY == _HEALTH_PHASE:
                joints = self._robot.joints
                health = self._bus.health(joints[self._ticks // _HEALTH_EVERY % len(joints)].name)
                self.health[health.joint] = health
        except PortLost as error:
            self._lose(str(error))
        except MotorError as error:
            self.counts["reads_lost"] += 1
            self._reads_lost += 1
            if self._reads_lost >= READS_LOST:
                self._lose(f"{READS_LOST} cycles without an answer: {error}")

    def _lose(self, why: str) -> None:
        """The line is gone: from here on nothing is sent, and only a restart opens it again."""
        self._link_up = False
        self._event(Event.SERIAL_LOST, why)

    def _watch(self, now_s: float) -> None:
        """The facts that end an engagement by themselves."""
        if self.mode is Mode.DISARMED or self.mode is Mode.FAULT or self.state is None:
            return
        polled = ((health.joint, health.status) for health in self.health.values())
        replied = zip((joint.name for joint in self._robot.joints), self.state.faults, strict=False)
        for name, status in (*replied, *polled):
            if status:
                self._event(Event.SERVO_FAULT, f"{name} reports {self._bus.explain_status(status)}")
        if self.mode is not Mode.ENGAGED:
            return
        age_s = self._timeline.age_s(now_s)
        if self._timeline.over(now_s):
            self._event(Event.RELEASE, "the confirmed chunk is over")
        elif age_s > self._robot.control.plan_stop_after and not self._timeline.confirmed:
            self._event(Event.PLAN_STALE, f"the newest plan is {age_s * 1e3:.0f} ms old")
        if self._lease_expired(now_s):
            self._event(Event.LEASE_LOST, "the operator's heartbeat stopped")

    def _watch_tracking(self, pulled: tuple[str, ...]) -> None:
        self._astray_ticks = self._astray_ticks + 1 if pulled and self._sends else 0
        if self._astray_ticks > ASTRAY_S * self._robot.control.rate:
            self._event(Event.TRACKING, f"{', '.join(pulled)} does not follow: stuck, blocked or without power")

    def _lease_expired(self, now_s: float) -> bool:
        control = self._robot.control
        return control.supervision == "supervised" and now_s - self._lease_s > control.lease

    def _send(self) -> bool:
        """Write the setpoint. False when the gate blocks it."""
        if not self._sends or not self._link_up:
            return True
        if self._pace is not None:
            self._pace()
        try:
            self._bus.write(self.setpoint_rad)
        except GateBlocked as error:
            self._event(Event.GATE_BLOCKED, str(error))
            return False
        except MotorError as error:
            self._lose(str(error))
        return True

    def _first_play(self) -> bool:
        chunk = self._timeline.chunk
        if self.mode is not Mode.ENGAGED or chunk is None or chunk.seq == self._played_seq:
            return False
        self._played_seq = chunk.seq
        return True

    def _event(self, event: Event, why: str) -> None:
        mode = next_mode(self.mode, event)
        if mode is self.mode:
            return
        self.mode = mode
        if event is not Event.STOPPED:  # the reader wants to know why it stopped, not that it did
            self.reason = f"{event.value}: {why}" if why else event.value
        if mode is not Mode.ENGAGED:
            self._timeline.restart(self._now_s)
            if event not in {Event.ARM, Event.DISARM}:  # these do not move the arm; whether it has moved is looked at
                self._proposal.restart(self._now_s)


def _asked_long_ago(asked_s: float, now_s: float) -> str:
    """Why what was asked then is not granted now: too late, or stamped by a clock that is not ours."""
    if abs(now_s - asked_s) <= STALE_REQUEST_S:
        return ""
    return f"it was asked {now_s - asked_s:.1f} s ago"
