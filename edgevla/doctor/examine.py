"""All checks, in the order in which a person puts things right: the machine, its permissions, then the robot."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from edgevla.config.load import load_robot
from edgevla.doctor.cameras import check_camera
from edgevla.doctor.clocks import check_cpu_clock, check_gpu_clock, check_power_mode
from edgevla.doctor.finding import Finding, Level, ok, skip
from edgevla.doctor.gpu import check_driver, check_gpu, read_gpu
from edgevla.doctor.heat import check_temperature, check_throttling, read_zones
from edgevla.doctor.jetson import check_jetson, read_jetson
from edgevla.doctor.libraries import check_opencv, check_tensorrt
from edgevla.doctor.machine import Denied, Machine
from edgevla.doctor.memory import check_memory, check_swap
from edgevla.doctor.packages import (
    check_packages,
    check_python,
    check_shadows,
    needed,
    read_packages,
    read_requirements,
)
from edgevla.doctor.policy import check_policy, failure
from edgevla.doctor.ports import check_port
from edgevla.doctor.realtime import USUAL, check_kernel, check_realtime, check_share
from edgevla.doctor.storage import check_folder, read_folder
from edgevla.engine.cache import EngineCache
from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edgevla.config.robot import Robot

_USUAL_RATE_HZ = 50.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined besides the machine: the robot, and what runs its policy."""

    robot_yaml: Path | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    variant: str = "fp32"
    engine: str = "cpu"


def examine(subject: Subject, machine: Machine) -> list[Finding]:
    """Every check that applies. A robot.yaml that cannot be used is a finding; the machine is examined all the same."""
    robot, broken = None, []
    if subject.robot_yaml is not None:
        try:
            robot = load_robot(subject.robot_yaml, subject.overrides)
        except EdgeVLAError as error:
            broken = [failure("robot.yaml", error, f"edgevla inspect {subject.robot_yaml}")]
    findings = list(_machine(subject, machine, robot)) + broken
    if robot is not None and subject.robot_yaml is not None:
        findings += _robot(subject.robot_yaml, subject, machine, robot)
    return findings


def results(findings: list[Finding]) -> dict[str, Any]:
    """The findings as the `results` of a report."""
    counts = Counter(finding.level for finding in findings)
    return {
        "findings": msgspec.to_builtins(findings),
        "counts": {level.value: counts[level] for level in Level},
    }


def _machine(subject: Subject, machine: Machine, robot: Robot | None) -> Iterator[Finding]:
    jetson, installed = read_jetson(machine), read_packages()
    is_jetson, engine = jetson is not None, subject.engine
    yield check_python(sys.version_info[:3], sys.prefix)
    yield from check_packages(needed(read_requirements(), robot, engine, installed, is_jetson=is_jetson), installed)
    yield from check_shadows(installed, is_jetson=is_jetson)
    yield check_opencv(machine, is_jetson=is_jetson)
    yield check_jetson(jetson)
    yield check_tensorrt(machine, is_jetson=is_jetson, engine=engine)
    yield check_gpu(read_gpu(), is_jetson=is_jetson, engine=engine)
    yield from _said("CUDA", lambda: check_driver(machine))
    if is_jetson:
        yield from _said("power mode", lambda: check_power_mode(machine))
        yield from _said("GPU clock", lambda: check_gpu_clock(machine))
    yield from _said("CPU clock", lambda: check_cpu_clock(machine, is_jetson=is_jetson))
    yield from _said("temperature", lambda: check_temperature(read_zones(machine), is_jetson=is_jetson))
    yield from _said("throttling", lambda: check_throttling(machine))
    yield from _said("memory", lambda: check_memory(machine))
    yield from _said("swap", lambda: check_swap(machine))
    rate_hz = robot.control.rate if robot is not None else _USUAL_RATE_HZ
    yield from _said("kernel", lambda: check_kernel(machine, rate_hz))
    wanted = robot.control.realtime if robot is not None else USUAL
    yield from _said("real time", lambda: check_realtime(machine, wanted))
    yield from _said("real-time share", lambda: check_share(machine))
    cache = EngineCache().root
    yield from _said("disk, engines", lambda: check_folder(machine, "engines", read_folder(machine, cache)))


def _robot(robot_yaml: Path, subject: Subject, machine: Machine, robot: Robot) -> Iterator[Finding]:
    yield ok("robot.yaml", f"{robot_yaml}: {robot.name}, {len(robot.joints)} joints, {len(robot.cameras)} cameras")
    yield from check_policy(robot_yaml, robot, subject.variant, subject.engine)
    yield from _said(f"port {robot.motors.port}", lambda: check_port(machine, robot.motors.port, robot_yaml))
    for camera in robot.cameras:
        yield from _said(f"camera {camera.name}", partial(check_camera, machine, camera))
    recording = robot.recording
    if recording is not None:
        folder = (robot_yaml.parent / recording.folder).resolve()
        yield from _said(
            "disk, recordings",
            lambda: check_folder(machine, "recordings", read_folder(machine, folder), recording.quota),
        )


def _said(name: str, check: Callable[[], Finding | list[Finding]]) -> list[Finding]:
    """What a check finds; what this user may not read is said to be unknown, not guessed."""
    try:
        found = check()
    except Denied as denied:
        return [skip(name, f"unknown: you may not read {denied.path}", f"sudo {sys.prefix}/bin/edgevla doctor")]
    return found if isinstance(found, list) else [found]
