"""What must hold between the values of a robot.yaml, once each is right by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.config.report import Report
from edgevla.config.units import AngleRad, TimeS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.config.node import Node
    from edgevla.config.robot import Camera, Control, Joint, Robot


MAX_STOP_S = 1.0
MAX_STOP_TICKS = 100  # every tick reckons through the whole stop


@dataclass(frozen=True, slots=True)
class Servo:
    """What every servo of a bus can do."""

    counts_per_turn: int
    last_count: int
    bauds: tuple[int, ...]
    deadman_step_s: float = 0.0  # what their own time-out is a multiple of; 0: they have none


# Buses from other packages are not in the table: their own class checks what their servos can do.
SERVOS = {
    "feetech": Servo(4096, 4095, (1_000_000, 500_000, 250_000, 128_000, 115_200, 76_800, 57_600, 38_400)),
    "dynamixel": Servo(
        4096, 4095, (4_000_000, 3_000_000, 2_000_000, 1_000_000, 115_200, 57_600, 9_600), deadman_step_s=0.02
    ),
    "mcu": Servo(
        65_536,
        65_535,
        (3_000_000, 2_000_000, 1_000_000, 921_600, 500_000, 460_800, 230_400, 115_200),
        deadman_step_s=0.001,
    ),
}


def check_robot(robot: Robot, root: Node) -> None:
    """Check a robot against itself.

    Args:
        robot: what `root` says.
        root: the file, for the places.

    Raises:
        ConfigError: one line for each contradiction.
    """
    report = Report(root)
    servo = SERVOS.get(robot.motors.bus)
    if not robot.joints:
        report.refuse(("joints",), "must list at least one joint")
    _distinct(report, "joints", "name", [joint.name for joint in robot.joints])
    _distinct(report, "joints", "id", [joint.id for joint in robot.joints])
    _distinct(report, "cameras", "name", [camera.name for camera in robot.cameras])
    for index, joint in enumerate(robot.joints):
        _check_ranges(report, index, joint, servo)
        _check_tracking(report, index, joint, robot.control)
        _check_stopping(report, index, joint, robot.control)
    for index, camera in enumerate(robot.cameras):
        _check_camera(report, index, camera)
    _check_timing(report, robot)
    _check_console(report, robot)
    if servo is not None:
        if robot.motors.baud not in servo.bauds:
            report.refuse(("motors", "baud"), f"must be one of {', '.join(map(str, servo.bauds))}")
        _check_deadman(report, robot, servo.deadman_step_s)
    report.raise_if_any()


def _distinct(report: Report, table: str, key: str, values: Sequence[str | int]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            taken = values.index(value)
            report.refuse(
                (table, index, key), f"must differ from the {key} of every other; {table}[{taken}] has it too"
            )


def _check_ranges(report: Report, index: int, joint: Joint, servo: Servo | None) -> None:
    at = ("joints", index)
    hard, soft = joint.position_hard, joint.position_soft
    swapped = [key for key, pair in (("position_hard", hard), ("position_soft", soft)) if pair[0] >= pair[1]]
    for key in swapped:
        report.refuse((*at, key), "must be [lower, upper] with lower below upper")
    if swapped:
        return
    # A goal at the soft limit is rounded to a whole count, and that count must still be inside the hard one.
    margin = AngleRad(2.0 * math.pi / servo.counts_per_turn if servo is not None else 0.0)
    if soft[0] < hard[0] + margin or soft[1] > hard[1] - margin:
        by = f" by at least {margin.written()}, one count of the servo" if margin else ""
        report.refuse((*at, "position_soft"), f"must lie inside position_hard, {_pair(hard)}{by}")
    if not soft[0] <= joint.home <= soft[1]:
        report.refuse((*at, "home"), f"must lie inside position_soft, {_pair(soft)}")
    if servo is not None:
        reach = _reach(joint, servo)
        half_count = math.pi / servo.counts_per_turn
        if hard[0] < reach[0] - half_count or hard[1] > reach[1] + half_count:
            must = f"must lie inside {_pair(reach)}, what counts 0 to {servo.last_count} mean"
            report.refuse((*at, "position_hard"), f"{must} with zero_counts {joint.zero_counts} and sign {joint.sign}")


def _check_tracking(report: Report, index: int, joint: Joint, control: Control) -> None:
    one_tick = AngleRad(joint.velocity / control.rate)
    if joint.tracking <= one_tick:
        moves = f"{joint.velocity.written()} at {control.rate.written()}"
        report.refuse(
            ("joints", index, "tracking"), f"must be above {one_tick.written()}, one tick of motion ({moves})"
        )


def _check_stopping(report: Report, index: int, joint: Joint, control: Control) -> None:
    """A controlled stop from full speed must be short, for whoever waits for it and for the tick that reckons it."""
    velocity, acceleration, jerk = float(joint.velocity), float(joint.acceleration), float(joint.jerk)
    ramps_only = velocity * jerk <= acceleration * acceleration  # the acceleration limit is never reached
    stop_s = 2.0 * math.sqrt(velocity / jerk) if ramps_only else velocity / acceleration + acceleration / jerk
    if stop_s > MAX_STOP_S or stop_s * control.rate > MAX_STOP_TICKS:
        longest_s = min(MAX_STOP_S, MAX_STOP_TICKS / control.rate)
        report.refuse(
            ("joints", index, "velocity"),
            f"must be small enough, with this acceleration and jerk, to stop within {longest_s:.2g} s; "
            f"it takes {stop_s:.2g} s",
        )


def _check_camera(report: Report, index: int, camera: Camera) -> None:
    period = TimeS(1.0 / camera.rate)
    if camera.max_age <= period:
        must = f"must be above {period.written()}, the time between two frames at {camera.rate.written()}"
        report.refuse(("cameras", index, "max_age"), must)


def _check_timing(report: Report, robot: Robot) -> None:
    control, motors = robot.control, robot.motors
    tick = TimeS(1.0 / control.rate)
    if motors.reply_timeout >= tick:
        must = f"must be below {tick.written()}, one tick at {control.rate.written()}"
        report.refuse(("motors", "reply_timeout"), must)
    if control.replan > control.rate:
        report.refuse(("control", "replan"), f"must be at most the control rate, {control.rate.written()}")
    between = TimeS(1.0 / control.replan)
    if control.plan_hold_after <= between:
        must = f"must be above {between.written()}, the time between two plans at {control.replan.written()}"
        report.refuse(("control", "plan_hold_after"), must)
    if control.plan_stop_after <= control.plan_hold_after:
        must = f"must be above plan_hold_after, {control.plan_hold_after.written()}"
        report.refuse(("control", "plan_stop_after"), must)


def _check_console(report: Report, robot: Robot) -> None:
    if robot.console is None or robot.console.overlay is None:
        return
    names = [camera.name for camera in robot.cameras]
    for name in robot.console.overlay.cameras:
        if name not in names:
            at = ("console", "overlay", "cameras", name)
            report.refuse(at, f"must not be there: the cameras of this file are {', '.join(names)}")


def _check_deadman(report: Report, robot: Robot, step_s: float) -> None:
    deadman, at = robot.motors.deadman, ("motors", "deadman")
    two_ticks = TimeS(2.0 / robot.control.rate)
    if not step_s:
        if deadman:
            report.refuse(at, f'must not be there: a motor of bus "{robot.motors.bus}" does not stop by itself')
    elif not deadman:
        report.add(("motors",), f'"deadman" is missing; must be {TimeS.form()}: the silence after which motors stop')
    elif deadman <= two_ticks:
        # One missed tick is no silence.
        report.refuse(at, f"must be above {two_ticks.written()}, two ticks at {robot.control.rate.written()}")
    elif abs(deadman / step_s - round(deadman / step_s)) > 1e-6:
        report.refuse(at, f"must be a multiple of {TimeS(step_s).written()}")


def _reach(joint: Joint, servo: Servo) -> tuple[AngleRad, AngleRad]:
    turn_per_count = 2.0 * math.pi / servo.counts_per_turn
    ends = [joint.sign * (count - joint.zero_counts) * turn_per_count for count in (0, servo.last_count)]
    return AngleRad(min(ends)), AngleRad(max(ends))


def _pair(pair: tuple[AngleRad, AngleRad]) -> str:
    return f"[{pair[0].written()}, {pair[1].written()}]"
