"""The words that rooms exchange. Times are CLOCK_MONOTONIC seconds; joints are radians, in the order of robot.yaml.

Everything here but `Observation` crosses a process border as msgpack. A receiver trusts none of it: types are
checked by the decoder, and `control` checks shape, finiteness and age before it lets a value near a motor.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

LATENESS_BUCKETS_US = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)  # upper borders, included


@dataclass(frozen=True, slots=True)
class Observation:
    """What the policy sees. It never leaves the policy process.

    `t_obs_s` is when the oldest of the images was captured, which is when the world looked like this.
    """

    t_obs_s: float
    images: Mapping[str, NDArray[np.uint8]]  # camera name -> (height, width, 3) RGB
    state_rad: NDArray[np.float64]  # (joints,) measured positions
    instruction: str


class StageTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time of one chunk went, in ms. `capture` is the age of the oldest frame when work began."""

    capture_ms: float = 0.0
    preprocess_ms: float = 0.0
    engine_ms: float = 0.0
    decode_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        """From the oldest frame's capture to the finished chunk."""
        return self.capture_ms + self.preprocess_ms + self.engine_ms + self.decode_ms


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A short plan. Row i is the joint setpoint for the moment `t_obs_s + i / rate_hz`.

    An invalid chunk carries its reason and no rows; it never turns into motion. `done`: the policy says that it has
    carried out the instruction; the rows stand still.
    """

    seq: int
    t_obs_s: float
    rate_hz: float
    actions_rad: tuple[tuple[float, ...], ...]  # (horizon, joints), absolute
    valid: bool
    reason: str = ""
    done: bool = False
    instruction: str = ""
    stages: StageTimes = StageTimes()


class JointState(msgspec.Struct, frozen=True, kw_only=True):
    """What the servos reported at `t_s`."""

    t_s: float
    position_rad: tuple[float, ...]
    velocity_rad_s: tuple[float, ...]
    faults: tuple[int, ...] = ()  # as `ServoHealth.status`; empty where a bus tells of faults in `health` only


class ServoHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Slow readings of one servo, polled in turn."""

    joint: str
    voltage_v: float
    temperature_c: float
    load: float  # share of the stall torque, -1..1
    status: int  # the servo's own error bits


class Mode(enum.Enum):
    """What the control process does with a plan. See control/modes.py for the table."""

    DISARMED = "disarmed"  # no byte is written that could move a joint
    HOLDING = "holding"  # torque on, the arm stands still
    ENGAGED = "engaged"  # the policy's plan is played, inside the bounds
    STOPPING = "stopping"  # a controlled stop is under way
    FAULT = "fault"  # standing still, latched until a person resets it


class Event(enum.Enum):
    """What can change the mode."""

    ARM = "arm"
    DISARM = "disarm"
    ENGAGE = "engage"
    RELEASE = "release"  # the operator let go
    STOP = "stop"  # the operator pressed stop
    STOPPED = "stopped"  # the controlled stop reached standstill
    RESET = "reset"  # a person has looked at the fault
    POLICY_LOST = "policy lost"
    PLAN_STALE = "plan stale"
    PLAN_INVALID = "plan invalid"
    LEASE_LOST = "lease lost"
    OVERRUN = "overrun"
    SERIAL_LOST = "serial lost"
    TRACKING = "tracking"  # a joint is not where it was told to be
    GATE_BLOCKED = "gate blocked"
    INTERNAL = "internal error"
    SERVO_FAULT = "servo fault"


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Operator to control: ask, at `t_s`, for a mode event. The table decides whether it is granted."""

    t_s: float
    event: Event
    why: str = ""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Operator to control: the person is still there. Keeps the engage lease."""

    t_s: float


class Shutdown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Operator to control or policy: finish. Control stops the arm first."""

    why: str


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A process to the operator: it cannot go on, and this is why."""

    message: str
    exit_code: int


class Granted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Control to operator, once: what the kernel granted. `refused` is empty or one line for the user."""

    scheduler: str
    mlock: bool
    affinity: tuple[int, ...]
    refused: str = ""


class Instruct(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Operator to policy: do what this sentence says; `home` asks for the rest pose instead, without a network.

    `once`: plan one chunk and wait, for an operator who looks at every chunk before it is played, see `Confirm`.
    """

    text: str = ""
    home: bool = False
    once: bool = False


class Confirm(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Operator to control: play exactly this chunk, which I have seen, from its first row, now."""

    t_s: float
    seq: int


class Watch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Operator to policy: what somebody is looking at. Pictures at most this often, every plan or none."""

    pictures_hz: float = 0.0
    planned: bool = False


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """One encoded picture; `t_s` is when it was captured."""

    camera: str
    t_s: float
    format: Literal["jpeg", "png"]
    data: bytes


class Pictures(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Policy to operator: small pictures to look at. It may hold some of the cameras only."""

    pictures: tuple[Picture, ...]


class Planned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Policy to operator and recorder: what was just planned, valid or not."""

    chunk: Chunk


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How often, in ticks, the bounds changed what the plan asked for."""

    limited: int = 0
    blocked: int = 0
    held: int = 0


class Status(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Control to operator, ten times a second and at every change of mode."""

    t_s: float
    mode: Mode
    reason: str
    instruction: str
    ticks: int
    missed: int
    rate_hz: float
    lateness_p99_us: float
    chunk_age_ms: float  # age of the plan being played, from its observation; negative when there is none
    policy_ms: float
    bounds: Bounds
    position_rad: tuple[float, ...]
    setpoint_rad: tuple[float, ...]
    health: tuple[ServoHealth, ...] = ()
    # Ticks so far whose lateness fell into each of LATENESS_BUCKETS_US, and last those beyond; each tick counts once.
    lateness_counts: tuple[int, ...] = ()
    reads_lost: int = 0
    limited_joints: tuple[int, ...] = ()  # ticks so far in which the bounds changed what was asked of each joint
    stages: StageTimes = StageTimes()
    chunk_seq: int = -1  # the plan in hand
    standing: bool = False  # no setpoint moves
    confirmable_seq: int = -1  # the chunk that a `Confirm` would play at this moment


class PolicyStatus(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Policy to operator: one fact worth a line (ready, a refused sentence, a dead camera)."""

    ready: bool
    detail: str
    instruction: str = ""
    blind: tuple[str, ...] = ()  # cameras without a picture young enough to plan from


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to operator: the first message, about what runs here."""

    version: str
    robot: str
    joint_names: tuple[str, ...]
    pid: int
    variant: str
    engine: str
    supervision: str
    recording: bool


class RecorderStatus(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Recorder to operator: whether anything is being written, and why not. `dropped`: records so far."""

    recording: bool
    detail: str
    file: str = ""
    dropped: int = 0
    written_mb: float = 0.0


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to operator: what was asked is not done, or the robot is going away, and this is why."""

    why: str


class TickRecord(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Control to recorder: one tick. `tick` counts them, so records that were lost show as gaps."""

    tick: int
    t_s: float
    mode: Mode
    reason: str  # only when it has changed, else empty
    measured_rad: tuple[float, ...]
    velocity_rad_s: tuple[float, ...]
    setpoint_rad: tuple[float, ...]
    chunk_seq: int  # the plan in hand, -1 without one
    plan_age_ms: float  # negative without a plan
    limited: bool
    blocked: bool
    held: bool
    lateness_us: float
    skipped: int
    work_us: float
    wire_us: float
