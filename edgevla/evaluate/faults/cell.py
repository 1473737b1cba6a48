"""One cell of the matrix: get an arm moving, break something, watch, mend it, watch again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.errors import EdgeVLAError
from edgevla.evaluate.faults.bench import Bench
from edgevla.evaluate.faults.graph import MOTION
from edgevla.evaluate.faults.injection import inject
from edgevla.evaluate.faults.verdict import Watched, judge
from edgevla.evaluate.faults.wire import Wire, check_wire
from edgevla.messages import Event, Mode

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgevla.config.robot import Robot
    from edgevla.evaluate.faults.verdict import CellResult
    from edgevla.evaluate.faults.vocabulary import Cell
    from edgevla.messages import Status
    from edgevla.sim.process import SimulatorProcess

_MOVED_S = (0.6, 1.4)  # how long the arm moves before the fault: any part of a turn
_AFTERWARDS_S = 0.4  # after the fault is mended: nothing may engage by itself


class NotMoving(EdgeVLAError):
    """The arm stopped before anything was broken, so there is nothing to find out."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Stand:
    """What the cells are tried on.

    Args:
        robot_path: robot.yaml, with `overrides` that point it at its devices and at the bundle.
        robot: the same, loaded.
        folder: for what the processes write, and the bytes of every cell.
        simulator: None on a real robot.
        capture: the file that the simulator takes its bus down in.
    """

    robot_path: Path
    robot: Robot
    overrides: Mapping[str, str]
    folder: Path
    simulator: SimulatorProcess | None = None
    capture: Path | None = None


def run_cell(cell: Cell, stand: Stand, draw: random.Random) -> CellResult:
    """Try one cell.

    Raises:
        EdgeVLAError: the robot could not be started, armed or engaged, which is no finding about the fault.
    """
    overrides = dict(stand.overrides)
    if stand.simulator is not None:
        stand.simulator.break_([])
        stand.simulator.reset(draw.randrange(1 << 30))
        overrides["motors.port"] = stand.simulator.port
    wire = Wire(stand.capture) if stand.capture is not None else None
    mimic = any(fault.target == "chunks" for fault in cell.faults)
    bench = Bench(stand.robot_path, overrides, stand.folder, mimic)
    watched = _watch(bench, cell, stand, draw)
    verdict = None
    if wire is not None:
        bytes_path = wire.cut(stand.folder / f"{cell.name.replace(' ', '-').replace('/', '-')}.jsonl")
        verdict = check_wire(bytes_path, stand.robot_path, _silent_after_s(watched.heard, stand.robot))
    return judge(cell, watched, verdict, stand.robot.control.rate)


def _watch(bench: Bench, cell: Cell, stand: Stand, draw: random.Random) -> Watched:
    with bench:
        first_mode = bench.mode
        bench.arm()
        bench.say(MOTION)
        bench.engage(MOTION)
        phase_s = draw.uniform(*_MOVED_S)
        bench.follow(phase_s)
        if bench.mode is not Mode.ENGAGED:
            raise NotMoving(f"{cell.name}: stopped before anything was broken: {bench.why()}")
        earlier = len(bench.heard)
        broken_s = time.monotonic()
        with inject(cell.faults, bench, stand.robot, stand.simulator) as mends:
            lasts_s = max(float(fault.lasts) for fault in cell.faults) or float(cell.watch)
            bench.follow(min(lasts_s, cell.watch))
            if lasts_s < cell.watch:
                mends.close()
                bench.follow(cell.watch - lasts_s)
            settled = len(bench.heard) - earlier
            gone_s = bench.gone_s
        bench.follow(_AFTERWARDS_S)
    return Watched(
        broken_s=broken_s,
        phase_s=phase_s,
        before=bench.heard[earlier - 1],
        heard=bench.heard[earlier:],
        settled=settled,
        gone_s=gone_s,
        exit_code=bench.control_process.returncode if bench.control_process is not None else None,
        first_mode=first_mode,
    )


def _silent_after_s(heard: Sequence[Status], robot: Robot) -> float:
    """When the line was declared lost; the goal of the tick before may just be on its way."""
    lost_s = (status.t_s for status in heard if status.reason.startswith(Event.SERIAL_LOST.value))
    return next(lost_s, float("inf")) + 1.0 / robot.control.rate
