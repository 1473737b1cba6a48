"""A robot and a bundle as tables of plain data, for people and for JSON. The rows of a table share their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from edgevla.config.family_checks import SECTIONS
from edgevla.config.policy_families import EXECUTION
from edgevla.config.statistics_checks import LISTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.bundle import Bundle, Normalisation
    from edgevla.config.robot import Camera, Joint, Robot
    from edgevla.config.units import AngleRad

Row: TypeAlias = "dict[str, str | int]"
Tables: TypeAlias = "dict[str, list[Row]]"


def describe_robot(robot: Robot) -> Tables:
    """The tables "robot", "joints" and "cameras"."""
    motors, control, realtime = robot.motors, robot.control, robot.control.realtime
    settings: dict[str, str | int] = {
        "name": robot.name,
        "bundle": robot.bundle,
        "motors.bus": motors.bus,
        "motors.port": motors.port,
        "motors.baud": motors.baud,
        "motors.reply_timeout": motors.reply_timeout.written(),
        "motors.on_exit": motors.on_exit,
        "motors.deadman": motors.deadman.written() if motors.deadman else "none on this bus",
        "control.rate": control.rate.written(),
        "control.replan": control.replan.written(),
        "control.plan_hold_after": control.plan_hold_after.written(),
        "control.plan_stop_after": control.plan_stop_after.written(),
        "control.lease": control.lease.written(),
        "control.supervision": control.supervision,
        "control.realtime.scheduler": realtime.scheduler,
        "control.realtime.priority": realtime.priority,
        "control.realtime.cpu": "any" if realtime.cpu is None else realtime.cpu,
        "control.realtime.lock_memory": "yes" if realtime.lock_memory else "no",
    }
    return {
        "robot": _settings(settings),
        "joints": [_joint(joint) for joint in robot.joints],
        "cameras": [_camera(camera) for camera in robot.cameras],
    }


def describe_bundle(bundle: Bundle) -> Tables:
    """The tables "policy", "inputs", "state" and "action" with their statistics, and "files"."""
    manifest, action = bundle.manifest, bundle.manifest.action
    settings: dict[str, str | int] = {
        "name": manifest.name,
        "family": manifest.family,
        "graphs": ", ".join(manifest.graphs),
        "steps": ", ".join(manifest.steps) or "none: one pass",
        "action.output": action.output,
        "action.space": action.space,
        "action.kind": action.kind,
        "action.absolute": ", ".join(action.absolute) or "none",
        "action.chained": "yes" if action.chained else "no",
        "action.unit": action.unit,
        "action.rate": f"{action.rate_hz:g} Hz",
        "action.horizon": action.horizon,
        "language.length": manifest.language.length,
        "language.instructions": "; ".join(manifest.language.instructions),
    }
    for name in ("end_effector", *SECTIONS, "quantisation"):
        settings.update(_section(name, getattr(manifest, name)))
    execution = _section("execution", manifest.execution)
    settings.update({key: execution[key] for key in ("execution.kind", *_read_by(manifest.execution.kind))})
    return {
        "policy": _settings(settings),
        "inputs": [
            {"name": tensor.name, "source": tensor.source, "dtype": tensor.dtype, "shape": _by(*tensor.shape)}
            for tensor in manifest.inputs
        ],
        "state": _statistics(manifest.joints, manifest.state),
        "action": _statistics(action.names, action.normalisation),
        "files": [
            {"file": file, "bytes": bundle.path(file).stat().st_size, "sha256": sha256}
            for file, sha256 in manifest.files.items()
        ],
    }


def _section(name: str, section: msgspec.Struct | None) -> dict[str, str | int]:
    """The numbers of a section that decoding or execution goes by, those left out of the file too."""
    values = {} if section is None else msgspec.structs.asdict(section)
    return {f"{name}.{key}": _plain(value) for key, value in values.items()}


def _read_by(kind: str) -> list[str]:
    return [f"execution.{key}" for key in EXECUTION[kind]]


def _plain(value: object) -> str | int:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, msgspec.Struct):
        return ", ".join(f"{key} {inner}" for key, inner in msgspec.structs.asdict(value).items())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return value if isinstance(value, int) else str(value)


def _statistics(names: tuple[str, ...], statistics: Normalisation) -> list[Row]:
    low, high = LISTS[statistics.kind]
    return [
        {
            "name": name,
            "kind": statistics.kind,
            low: f"{getattr(statistics, low)[index]:.4g}",
            high: f"{getattr(statistics, high)[index]:.4g}",
            "eps": f"{statistics.eps:g}",
            "mask": "scaled" if not statistics.mask or statistics.mask[index] else "passes through",
        }
        for index, name in enumerate(names)
    ]


def _settings(settings: Mapping[str, str | int]) -> list[Row]:
    return [{"setting": setting, "value": value} for setting, value in settings.items()]


def _joint(joint: Joint) -> Row:
    return {
        "name": joint.name,
        "id": joint.id,
        "zero_counts": joint.zero_counts,
        "sign": joint.sign,
        "position_hard": _between(joint.position_hard),
        "position_soft": _between(joint.position_soft),
        "velocity": joint.velocity.written(),
        "acceleration": joint.acceleration.written(),
        "jerk": joint.jerk.written(),
        "tracking": joint.tracking.written(),
        "home": joint.home.written(),
    }


def _camera(camera: Camera) -> Row:
    return {
        "name": camera.name,
        "kind": camera.kind,
        "source": camera.source,
        "size": _by(camera.width, camera.height),
        "rate": camera.rate.written(),
        "max_age": camera.max_age.written(),
    }


def _between(pair: tuple[AngleRad, AngleRad]) -> str:
    return f"{pair[0].written()} .. {pair[1].written()}"


def _by(*sizes: int) -> str:
    return "x".join(map(str, sizes))
