"""What has to be right before the arm may be engaged, as a list that a person can work through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edgevla.messages import Mode

if TYPE_CHECKING:
    from edgevla.config.robot import Robot
    from edgevla.console.robot_link import Heard

HOT_C = 65.0  # hobby servos give up at 70 to 80
SILENT_S = 1.0  # control reports ten times a second


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing. `warn`: the operator should know, and may engage all the same."""

    name: str
    ok: bool
    warn: bool = False
    why: str = ""


def preflight(robot: Robot, heard: Heard, trouble: str, now_s: float) -> list[Check]:
    """Every check, in the order in which they are worked through. Without a robot only the first.

    Args:
        heard: what the robot last said.
        trouble: why there is no connection; empty when there is one.
        now_s: CLOCK_MONOTONIC.
    """
    status = heard.status
    if trouble or status is None:
        return [Check(name="robot running", ok=False, why=trouble or "the robot has not reported yet")]
    silent_s = now_s - status.t_s
    checks = [_check("robot running", "" if silent_s < SILENT_S else f"nothing heard for {silent_s:.1f} s")]
    checks.append(_check("arm ready", _mode(status.mode, status.reason)))
    policy = heard.policy
    wanted = policy.instruction if policy is not None else ""
    planned_for = wanted or status.instruction
    refused = policy.detail if policy is not None and not wanted else "say what the arm shall do"
    checks.append(_check("instruction accepted", "" if planned_for else refused))
    checks.append(_check("fresh plan", _plan(robot, heard, wanted)))
    blind = policy.blind if policy is not None else ()
    checks.append(_check("cameras alive", f"no fresh picture from {', '.join(blind)}" if blind else ""))
    faulty = [each.joint for each in status.health if each.status]
    checks.append(_check("no servo fault", f"{', '.join(faulty)} reports a fault" if faulty else ""))
    hot = [f"{each.joint} {each.temperature_c:.0f} °C" for each in status.health if each.temperature_c >= HOT_C]
    checks.append(_check("temperatures", f"{', '.join(hot)}; let it cool below {HOT_C:.0f} °C" if hot else ""))
    refused = heard.granted.refused if heard.granted is not None else ""
    checks.append(_check("real time granted", refused, warn=True))
    checks.append(_check("recording", _recorder(robot, heard), warn=True))
    return checks


def blocking(checks: list[Check]) -> list[Check]:
    """Those that refuse ENGAGE."""
    return [check for check in checks if not check.ok and not check.warn]


def has_plan(robot: Robot, heard: Heard) -> bool:
    """Whether control has a plan in hand that it would play."""
    return not _plan(robot, heard, heard.policy.instruction if heard.policy is not None else "")


def _check(name: str, why: str, *, warn: bool = False) -> Check:
    return Check(name=name, ok=not why, warn=warn, why=why)


def _mode(mode: Mode, reason: str) -> str:
    if mode in {Mode.HOLDING, Mode.DISARMED}:
        return ""
    return f"{mode.value}: {reason}" + ("; reset it first" if mode is Mode.FAULT else "")


def _plan(robot: Robot, heard: Heard, wanted: str) -> str:
    status = heard.status
    limit_ms = robot.control.plan_hold_after * 1e3
    if status is not None and 0.0 <= status.chunk_age_ms <= limit_ms:
        return "the plan in hand is for another instruction" if wanted and status.instruction != wanted else ""
    if heard.policy is not None and heard.policy.detail != wanted:
        return heard.policy.detail  # the policy says what it is waiting for
    if status is None or status.chunk_age_ms < 0.0:
        return "no plan yet"
    return f"the newest plan is {status.chunk_age_ms:.0f} ms old, {limit_ms:.0f} ms are allowed"


def _recorder(robot: Robot, heard: Heard) -> str:
    if robot.recording is None and not (heard.hello is not None and heard.hello.recording):
        return ""  # nobody asked for one
    if heard.recorder is None:
        return "the recorder has not reported"
    return "" if heard.recorder.recording else heard.recorder.detail
