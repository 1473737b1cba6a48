"""What the page is told, in an operator's units: degrees, milliseconds, words."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import msgspec

from edgevla import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.config.robot import Robot
    from edgevla.console.desk import Desk
    from edgevla.console.lease import Lease
    from edgevla.console.overlay import Overlay
    from edgevla.console.robot_link import Heard, RobotLink
    from edgevla.console.sessions import Session
    from edgevla.messages import Chunk, Status

_PLAIN = (
    "reason",
    "instruction",
    "ticks",
    "missed",
    "rate_hz",
    "lateness_p99_us",
    "policy_ms",
    "reads_lost",
    "standing",
    "chunk_seq",
    "confirmable_seq",
)


def describe_session(robot: Robot, session: Session, token: str) -> dict[str, Any]:
    """GET /api/session: who this is, and what the robot is like."""
    console = robot.console
    return {
        "token": token,
        "version": __version__,
        "who": {"session": session.number, "name": session.name},
        "robot": {
            "name": robot.name,
            "supervision": robot.control.supervision,
            "has_overlay": console is not None and console.overlay is not None,
            "presets": console.presets if console is not None else (),
            "cameras": [camera.name for camera in robot.cameras],
            "joints": [
                {"name": joint.name, "soft_deg": _deg(joint.position_soft), "hard_deg": _deg(joint.position_hard)}
                for joint in robot.joints
            ],
        },
    }


def describe_state(desk: Desk, link: RobotLink, lease: Lease) -> dict[str, Any]:
    """The message "state" of the page's socket."""
    heard, trouble = link.heard, desk.trouble
    holder = lease.holder
    return {
        "type": "state",
        "connected": not trouble,
        "why": trouble,
        "mode": desk.mode,
        **_status(heard.status),
        "holder": {"session": holder[0], "name": holder[1]} if holder is not None else None,
        "policy": heard.policy,
        "recorder": heard.recorder,
        "realtime": heard.granted,
        "preflight": desk.checks(),
        "proposal_seq": heard.planned.seq if heard.planned is not None and heard.planned.valid else -1,
    }


def describe_proposal(heard: Heard, overlay: Overlay | None) -> dict[str, Any] | None:
    """GET /api/proposal: the newest plan and where it would lead the tool; None without a valid one."""
    chunk, status = heard.planned, heard.status
    if chunk is None or not chunk.valid:
        return None
    path = overlay.path(chunk.actions_rad, status.position_rad) if overlay is not None and status is not None else {}
    return {
        "seq": chunk.seq,
        "instruction": chunk.instruction,
        "duration_s": round(_duration_s(chunk), 3),
        "joints_deg": [_deg(row) for row in chunk.actions_rad],
        "path": path,
    }


def _status(status: Status | None) -> dict[str, Any]:
    if status is None:
        return {**dict.fromkeys(_PLAIN), "age_ms": None, "chunk_age_ms": None, "stages": None, "bounds": None} | {
            "joints": [],
            "health": [],
        }
    limited = status.limited_joints or (0,) * len(status.position_rad)
    return {
        **{name: getattr(status, name) for name in _PLAIN},
        "age_ms": round((time.monotonic() - status.t_s) * 1e3),
        "chunk_age_ms": round(status.chunk_age_ms) if status.chunk_age_ms >= 0.0 else None,
        "stages": status.stages,
        "bounds": status.bounds,
        "joints": [
            {"position_deg": at, "setpoint_deg": to, "limited": count}
            for at, to, count in zip(_deg(status.position_rad), _deg(status.setpoint_rad), limited, strict=False)
        ],
        "health": status.health,
    }


def encode(message: object) -> str:
    """As JSON; numbers that JSON does not know become null."""
    return msgspec.json.encode(message).decode()


def _duration_s(chunk: Chunk) -> float:
    return max(len(chunk.actions_rad) - 1, 0) / chunk.rate_hz


def _deg(values_rad: Sequence[float]) -> list[float]:
    return [round(math.degrees(value), 2) for value in values_rad]
