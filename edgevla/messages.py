"""The words that rooms exchange. Times are CLOCK_MONOTONIC seconds; joints are radians, in the order of robot.yaml.

Everything here but `Observation` crosses a process border as msgpack. A receiver trusts none of it: types are
checked by the decoder, and `control` checks shape, finiteness and age before it lets a value near a motor.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


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
    """Operator to policy: do what this sentence says; `home` asks for the rest pose instead, without a network."""

    text: str = ""
    home: bool = False


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


class PolicyStatus(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Policy to operator: one fact worth a line (ready, a refused sentence, a dead camera)."""

    ready: bool
    detail: str
    instruction: str = ""
