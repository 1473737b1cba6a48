"""`edgevla faults`: a whole plan, cell after cell, against one simulated robot or a real one; resumable."""

from __future__ import annotations

import contextlib
import hashlib
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgevla.config.load import load_robot
from edgevla.errors import EdgeVLAError
from edgevla.evaluate.faults.bundle import write_trouble_bundle
from edgevla.evaluate.faults.cell import Stand, run_cell
from edgevla.evaluate.faults.graph import PICTURE_PX
from edgevla.evaluate.faults.load import load_plan
from edgevla.evaluate.faults.verdict import CellResult
from edgevla.evaluate.faults.vocabulary import SIMULATED
from edgevla.runtime.demo import simulated_devices
from edgevla.runtime.report import envelope, now
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edgevla.config.robot import Robot
    from edgevla.evaluate.faults.vocabulary import Cell

ROBOT = "so101-tabletop"
_CAPTURE = "bus.jsonl"


class CellUnknown(EdgeVLAError):
    """The plan has no such cell."""


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """What the command line gave.

    `robot_path`: None for the simulated robot. `only`: names of cells, or words that stand in them; none for all.
    `done`: finished cells are appended here, and not run again by the next call with the same plan, robot and seed.
    """

    plan: Path
    robot_path: Path | None
    overrides: Mapping[str, str]
    only: Sequence[str]
    seed: int
    report: Path
    done: Path | None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides what a row means."""

    plan: str
    plan_sha256: str
    robot: str
    simulated: bool
    seed: int


def run_faults(options: FaultOptions, progress: Callable[[CellResult | None, int], None]) -> dict[str, Any]:
    """Try the cells of the plan.

    Args:
        progress: called with every row and how many there will be, old rows first; with None before the first.

    Returns the report. `results.failed` counts the rows that are not as the plan expects; `results.skipped` names the
    cells that a real robot cannot play.

    Raises:
        ConfigError: the plan or robot.yaml cannot be used.
        CellUnknown: `only` names something that is not in the plan.
        EdgeVLAError: a robot that could not be started.
    """
    started = now()
    simulated = options.robot_path is None
    robot_path = options.robot_path or shipped(ROBOT) / "robot.yaml"
    robot = load_robot(robot_path, options.overrides)
    plan = load_plan(options.plan, robot)
    wanted = _chosen(plan.cells, options)
    cells = [cell for cell in wanted if simulated or not _needs_simulation(cell)]
    settings = Settings(
        plan=plan.name,
        plan_sha256=hashlib.sha256(options.plan.read_bytes()).hexdigest(),
        robot=robot.name,
        simulated=simulated,
        seed=options.seed,
    )
    rows = {row.fault: row for row in _finished(settings, options.done)}
    progress(None, len(cells))
    for cell in cells:
        if cell.name in rows:
            progress(rows[cell.name], len(cells))
    missing = [cell for cell in cells if cell.name not in rows]
    if missing:
        with _stand(robot_path, robot, options) as stand:
            for cell in missing:
                rows[cell.name] = run_cell(cell, stand, random.Random(f"{options.seed} {cell.name}"))
                _append(options.done, rows[cell.name])
                progress(rows[cell.name], len(cells))
    results = {
        **msgspec.to_builtins(settings),
        "cells": [msgspec.to_builtins(rows[cell.name]) for cell in cells],
        "failed": sum(bool(rows[cell.name].problems) for cell in cells),
        "skipped": [cell.name for cell in wanted if cell not in cells],
    }
    return envelope("faults", started, results)


def _chosen(cells: Sequence[Cell], options: FaultOptions) -> list[Cell]:
    for word in options.only:
        if not any(word in cell.name for cell in cells):
            raise CellUnknown(
                f'{options.plan}: no cell\'s name has "{word}" in it',
                fix=f"the cells are: {'; '.join(cell.name for cell in cells)}",
            )
    return [cell for cell in cells if not options.only or any(word in cell.name for word in options.only)]


def _needs_simulation(cell: Cell) -> bool:
    return any(fault.target in SIMULATED for fault in cell.faults)


@contextlib.contextmanager
def _stand(robot_path: Path, robot: Robot, options: FaultOptions) -> Iterator[Stand]:
    options.report.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        bundle = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgevla-faults-")))
        write_trouble_bundle(robot, bundle)
        overrides = {**options.overrides, "bundle": str(bundle)}
        if options.robot_path is not None:
            yield Stand(robot_path, robot, overrides, options.report)
            return
        capture = options.report / _CAPTURE
        capture.unlink(missing_ok=True)
        simulator = stack.enter_context(spawn_simulator(options.seed, PICTURE_PX, capture))
        overrides |= simulated_devices(simulator)
        for camera in robot.cameras:
            overrides |= {f"cameras.{camera.name}.{edge}": str(PICTURE_PX) for edge in ("width", "height")}
        yield Stand(robot_path, robot, overrides, options.report, simulator, capture)


def _finished(settings: Settings, done: Path | None) -> list[CellResult]:
    """What an interrupted run left behind; what belongs to other settings, or was cut off, is dropped."""
    if done is None:
        return []
    head = msgspec.json.encode(settings)
    lines = done.read_bytes().splitlines() if done.exists() else []
    rows: list[CellResult] = []
    with contextlib.suppress(msgspec.DecodeError):
        for line in lines[1:] if lines[:1] == [head] else []:
            rows.append(msgspec.json.decode(line, type=CellResult))
    done.parent.mkdir(parents=True, exist_ok=True)
    done.write_bytes(b"\n".join([head, *map(msgspec.json.encode, rows)]) + b"\n")
    return rows


def _append(done: Path | None, row: CellResult) -> None:
    if done is not None:
        with done.open("ab") as file:
            file.write(msgspec.json.encode(row) + b"\n")
