"""robot.yaml as types: the arm, its envelope, its cameras, its timing. Nothing is on by omission.

Fields without a default must be written down; `Quantity` fields must carry their unit in the file and are SI here.
The ranges are wide: they are there to catch a slipped digit or unit, the envelope itself is the writer's choice.
Annotations are not postponed in this file: msgspec reads them.
"""

from typing import Annotated, Literal

import msgspec

from edgevla.config.allowed import Name, Text, within
from edgevla.config.units import (
    AccelerationRadS2,
    AngleRad,
    JerkRadS3,
    LengthM,
    RateHz,
    SizeBytes,
    SpeedMS,
    SpeedRadS,
    TimeS,
)

MAX_DEADMAN_MS = 500  # an arm at 2 rad/s would travel 1 rad with nobody at the other end


class Joint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One joint, its servo and its envelope."""

    name: Name
    id: Annotated[int, within(at_least=0, at_most=252)]  # servo id on the bus; 253 and up have other meanings there
    zero_counts: int  # the raw position at which the joint is at 0 rad
    sign: Literal[1, -1]  # +1 when raw counts grow with the joint angle
    position_hard: tuple[AngleRad, AngleRad]  # the gate's last word
    position_soft: tuple[AngleRad, AngleRad]  # Limits can always brake before these
    velocity: Annotated[SpeedRadS, within(above=0, at_most=720, unit="deg/s")]  # the fastest hobby servos reach 600
    acceleration: Annotated[AccelerationRadS2, within(above=0, at_most=20_000, unit="deg/s^2")]
    jerk: Annotated[JerkRadS3, within(above=0, at_most=2_000_000, unit="deg/s^3")]
    tracking: Annotated[AngleRad, within(above=0, at_most=90, unit="deg")]  # setpoint never leads the measured by more
    home: AngleRad  # rest pose


class Motors(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The servo bus."""

    bus: Text  # a name known to edgevla.motors, "feetech"
    port: Text
    baud: Annotated[int, within(above=0)]
    reply_timeout: Annotated[TimeS, within(above=0, at_most=1000, unit="ms")]
    on_exit: Literal["hold", "release"]  # torque after the program ends; release lets the arm fall
    # Silence after which the motors stop by themselves: to be written for every bus that can, and for no other.
    deadman: Annotated[TimeS, within(above=0, at_most=MAX_DEADMAN_MS, unit="ms")] = TimeS(0.0)


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera. `source`: a V4L2 device path, an http(s) MJPEG address, or a video file."""

    name: Name
    kind: Text  # a name known to edgevla.cameras, "opencv"
    source: Text
    width: Annotated[int, within(at_least=1, at_most=8192)]
    height: Annotated[int, within(at_least=1, at_most=8192)]
    rate: Annotated[RateHz, within(above=0, at_most=240, unit="Hz")]
    max_age: Annotated[TimeS, within(above=0, at_most=5000, unit="ms")]  # an older frame is no observation


class Realtime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the control process asks of the kernel. What is not granted is said once, in one line."""

    scheduler: Literal["fifo", "other"]
    priority: Annotated[int, within(at_least=1, at_most=99)]
    cpu: Annotated[int | None, within(at_least=0, at_most=1023)]  # pin to this core; null leaves it to the kernel
    lock_memory: bool


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fixed-rate loop and when it stops trusting a plan or a person."""

    rate: Annotated[RateHz, within(at_least=10, at_most=500, unit="Hz")]
    replan: Annotated[RateHz, within(above=0, at_most=500, unit="Hz")]  # how often the policy looks and plans anew
    plan_hold_after: Annotated[TimeS, within(above=0, at_most=10_000, unit="ms")]  # the arm brakes; age of observation
    plan_stop_after: Annotated[TimeS, within(above=0, at_most=10_000, unit="ms")]  # plan age that ends the engagement
    lease: Annotated[TimeS, within(above=0, at_most=10_000, unit="ms")]  # the operator's heartbeat must not be older
    supervision: Literal["supervised", "autonomous", "shadow"]
    realtime: Realtime


class Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A box along the axes of the workspace's model, from `low` to `high`."""

    name: Name
    low: tuple[LengthM, LengthM, LengthM]
    high: tuple[LengthM, LengthM, LengthM]


class Workspace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where links and tool may be. Off when robot.yaml does not have it."""

    model: Text  # an MJCF file with the arm and what stands around it, relative to this file
    tool: Text  # the site in it that is the tool's centre point
    tool_low: tuple[LengthM, LengthM, LengthM]  # the tool stays in this box
    tool_high: tuple[LengthM, LengthM, LengthM]
    tool_speed: Annotated[SpeedMS, within(above=0, at_most=2000, unit="mm/s")]  # 250 mm/s: ISO 10218-1, reduced speed
    links: tuple[Name, ...]  # bodies that keep clear of obstacles and of links that are not their neighbours
    clearance: Annotated[LengthM, within(above=0, at_most=0.2, unit="m")]
    keep_out: tuple[Box, ...]


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the operator's page draws a planned path over the camera pictures. Off when robot.yaml does not have it."""

    model: Text  # an MJCF file with the arm and its cameras, relative to this file
    site: Text  # the site in it whose path is drawn
    cameras: dict[Name, Text]  # camera of this file -> camera of the model that sees the same


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the operator's page offers."""

    presets: tuple[Text, ...] = ()  # sentences to choose from
    overlay: Overlay | None = None


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where `edgevla serve` records to. Without this section nothing is recorded."""

    folder: Text  # relative to this file
    quota: Annotated[SizeBytes, within(at_least=100, at_most=1e8, unit="MB")]  # older recordings make room for newer
    pictures: Literal["png", "jpeg"] = "png"  # png keeps every pixel, which a replay needs


class Robot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole robot.yaml."""

    format: Literal["edgevla-robot/1"]
    name: Text
    bundle: Text  # the policy bundle, relative to this file
    motors: Motors
    joints: tuple[Joint, ...]
    cameras: tuple[Camera, ...]
    control: Control
    workspace: Workspace | None = None
    console: Console | None = None
    recording: Recording | None = None

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Joint names in bus order."""
        return tuple(joint.name for joint in self.joints)
