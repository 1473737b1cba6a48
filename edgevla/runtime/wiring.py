"""Where rooms are put together: a robot.yaml becomes a guarded bus with its gate and controller."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from edgevla.control.gate import Gate, GoalRule
from edgevla.control.ticker import Spacing
from edgevla.control.workspace import Workspace
from edgevla.motors.registry import bus_class
from edgevla.runtime import realtime
from edgevla.runtime.controller import Controller
from edgevla.runtime.flightlog import FlightLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgevla.config.robot import Robot
    from edgevla.motors.bus import Guard, MotorBus


class Rig(NamedTuple):
    """Everything around one port."""

    controller: Controller
    bus: MotorBus
    flight_log: FlightLog


def make_gate(robot: Robot, bus: type[MotorBus], clock: Callable[[], float]) -> Gate:
    """The gate for this envelope, in the raw counts of this bus."""
    period_s = 1.0 / robot.control.rate
    resting = bus.goal_writes(robot.joints, [joint.home for joint in robot.joints])
    goals = {
        (write.device, write.address): GoalRule(joint.velocity * bus.counts_per_rad(), period_s)
        for joint, write in zip(robot.joints, resting, strict=True)
    }
    return Gate(
        allowed=bus.allowed_writes(robot.joints),
        goals=goals,
        decode=bus.decode_writes,
        period_s=period_s,
        clock=clock,
    )


def arm_model(robot_path: Path, robot: Robot) -> Path | None:
    """The MJCF file of the arm, which robot.yaml names relative to itself in its workspace, if it has one."""
    return None if robot.workspace is None else robot_path.parent / robot.workspace.model


def open_workspace(robot_path: Path, robot: Robot) -> Workspace | None:
    """The workspace of robot.yaml, if it has one.

    Raises:
        WorkspaceError: it does not fit its model.
    """
    model = arm_model(robot_path, robot)
    if robot.workspace is None or model is None:
        return None
    return Workspace(model, robot.workspace, robot.joint_names)


def open_controller(robot_path: Path, robot: Robot) -> Rig:
    """Open the port that robot.yaml names, ask every servo who it is, and write nothing.

    Raises:
        PortError, ReplyError, ServoRefused: named, with the fix; the port is closed again.
    """
    kind = bus_class(robot.motors.bus)
    return assemble(
        robot,
        kind,
        time.monotonic,
        lambda guard: kind.open(robot.motors, robot.joints, guard),
        open_workspace(robot_path, robot),
        Spacing(1.0 / robot.control.rate, time.monotonic, realtime.sleep_until).wait,
    )


def assemble(
    robot: Robot,
    kind: type[MotorBus],
    clock: Callable[[], float],
    open_bus: Callable[[Guard], MotorBus],
    workspace: Workspace | None = None,
    pace: Callable[[], None] | None = None,
) -> Rig:
    """Gate, bus and controller around one port; `open_bus` gets the gate as the port's only way out."""
    gate = make_gate(robot, kind, clock)
    flight_log = FlightLog(robot.control.rate)
    bus = open_bus(flight_log.guarding(gate.check))
    try:
        bus.check()
    except BaseException:
        bus.close()
        raise
    return Rig(Controller(robot, bus, gate, workspace, pace), bus, flight_log)


def bundle_folder(robot_path: Path, robot: Robot) -> Path:
    """The bundle's folder, which robot.yaml names relative to itself."""
    return (robot_path.parent / robot.bundle).resolve()
