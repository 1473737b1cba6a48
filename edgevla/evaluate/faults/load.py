"""Reading a fault plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgevla.config.convert import convert
from edgevla.config.problems import quoted
from edgevla.config.report import Report
from edgevla.config.source import read_yaml
from edgevla.evaluate.faults.vocabulary import NEEDS, WAYS, Plan

if TYPE_CHECKING:
    from edgevla.config.node import Node
    from edgevla.config.report import KeyPath
    from edgevla.config.robot import Robot
    from edgevla.evaluate.faults.vocabulary import FaultSpec

MATRIX = Path(__file__).with_name("matrix.yaml")


def load_plan(path: Path, robot: Robot) -> Plan:
    """Read, convert and check a plan for this robot.

    Raises:
        ConfigError: the file cannot be used; a line for each mistake says where, which value and what is allowed.
    """
    root = read_yaml(path)
    plan = convert(root, Plan)
    _check(plan, root, robot)
    return plan


def _check(plan: Plan, root: Node, robot: Robot) -> None:
    report = Report(root)
    names: set[str] = set()
    for index, cell in enumerate(plan.cells):
        at: KeyPath = ("cells", index)
        if cell.name in names:
            report.refuse((*at, "name"), "must be a name that no other cell has")
        names.add(cell.name)
        if not cell.faults:
            report.refuse((*at, "faults"), "must be at least one fault")
        if not cell.expect.modes:
            report.refuse((*at, "expect", "modes"), "must be at least one mode")
        for which, fault in enumerate(cell.faults):
            _check_fault(fault, (*at, "faults", which), report, robot)
    report.raise_if_any()


def _check_fault(fault: FaultSpec, at: KeyPath, report: Report, robot: Robot) -> None:
    kinds = WAYS[fault.target]
    if fault.kind not in kinds:
        report.refuse((*at, "kind"), f"must be, for the target {fault.target}, one of: {', '.join(kinds)}")
        return
    ways = kinds[fault.kind]
    if fault.how and fault.how not in ways:
        allowed = f"one of: {', '.join(ways)}" if ways else "left out"
        report.refuse((*at, "how"), f"must be, for {fault.target} {fault.kind}, {allowed}")
    for need in NEEDS.get((fault.target, fault.kind), ()):
        if not getattr(fault, need) or (need == "every" and fault.every < 2):
            report.add(at, f'{fault.target} {fault.kind} needs "{need}"' + (", at least 2" if need == "every" else ""))
    cameras = tuple(camera.name for camera in robot.cameras)
    for key, value, known in (("joint", fault.joint, robot.joint_names), ("camera", fault.camera, cameras)):
        if value and value not in known:
            report.add((*at, key), f"got {quoted(value)}; must be one of: {', '.join(known)}")
