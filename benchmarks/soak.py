"""`python -m benchmarks.soak`: does anything grow, leak or drift when the arm is run for long?

First the real thing: `edgevla run`'s two processes against the simulated robot, engaged all the while, a new sentence
every ten seconds and the way home between them. Then the same controller, gate, codec and servos in lockstep, which
packs hours of ticks into minutes. Memory is fitted with a straight line and open files are counted, for each process,
after a warm-up; the ticks are compared with a clock that began with the first. Exit code 1 when something grew.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Looks, children, growth
from edgevla.config.load import load_robot
from edgevla.evaluate.planners import expert
from edgevla.messages import Instruct, Mode
from edgevla.runtime.arguments import REFERENCE
from edgevla.runtime.demo import ROBOT, simulated_devices
from edgevla.runtime.homing import HOME_INSTRUCTION
from edgevla.runtime.lockstep import run_episode
from edgevla.runtime.report import envelope, now, write_json
from edgevla.runtime.session import Session
from edgevla.runtime.ticklog import TICKS_FILE
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator
from edgevla.sim.tasks import INSTRUCTIONS, Task
from edgevla.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SLOPE_MB_H = 1.0
GROWN_MB = 0.4  # what that makes of half an hour; allocators take as much in one step, so a short run shows no less
DRIFT_US_H = 100.0
_WARM_UP = 0.2  # of the run
_WARM_UP_LOCKSTEP = 0.5  # its heap takes some two hundred episodes to find its size
_LOCKSTEP_LEAST_MIN = 20.0
_LOOKS = 400
_SENTENCE_S = 10.0
_POLL_S = 0.05


def soak(seconds: float) -> dict[str, Any]:
    """Run the ordinary runtime for so long, engaged."""
    robot_path = shipped(ROBOT) / "robot.yaml"
    with tempfile.TemporaryDirectory() as report, spawn_simulator(seed=3) as simulator:
        session = Session(robot_path, simulated_devices(simulator), Path(report), REFERENCE)
        with session:
            session.arm()
            session.instruct(Instruct(home=True))
            session.engage(HOME_INSTRUCTION)
            assert session.control_process is not None
            pids = {"control": session.control_process.pid, "policy": session.policy_process.pid}
            pids |= {"operator": os.getpid(), "simulator": simulator.pid}
            pids |= {f"simulator's {index}": pid for index, pid in enumerate(children(simulator.pid))}
            held = _keep_going(session, pids, seconds)
        status = session.status
        with np.load(Path(report) / TICKS_FILE) as log:
            columns = {name: log[name] for name in log.files}
    return {
        "seconds": seconds,
        "ended": status.mode.value if status is not None else "",
        "reason": status.reason if status is not None else "",
        "processes": {name: growth(looks.rows) for name, looks in held.items()},
        "ticks": drift(columns),
    }


def _keep_going(session: Session, pids: Mapping[str, int], seconds: float) -> dict[str, Looks]:
    """The looks at each process after the warm-up; ends early when the arm is stopped."""
    held = {name: Looks(pid, _LOOKS) for name, pid in pids.items()}
    tasks = itertools.cycle(each for text in INSTRUCTIONS for each in (Instruct(text=text), Instruct(home=True)))
    began_s = next_task_s = time.monotonic()
    next_look_s = began_s + _WARM_UP * seconds
    while (now_s := time.monotonic()) < began_s + seconds:
        session.poll()
        if session.mode is not Mode.ENGAGED:
            break
        if now_s >= next_task_s:
            session.instruct(next(tasks))
            next_task_s += _SENTENCE_S
        if now_s >= next_look_s:
            for looks in held.values():
                looks.look(now_s)
            next_look_s += (1.0 - _WARM_UP) * seconds / _LOOKS
        time.sleep(_POLL_S)
    return held


def drift(columns: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """The ticks against a grid that begins with the first: how far off the last is, and how the lateness changes."""
    t_s, lateness_us = columns["t_s"], columns["lateness_us"]
    intervals = 1 + columns["skipped"][1:]  # of periods, from tick to tick
    periods = np.concatenate([[0.0], np.cumsum(intervals)])
    period_s = float(np.median(np.diff(t_s) / intervals))
    grid_s = t_s[0] + np.round(period_s, 6) * periods
    slope, _ = np.polyfit((t_s - t_s[0]) / 3600.0, lateness_us, 1)
    return {
        "count": len(t_s),
        "missed": int(columns["skipped"].sum()),
        "off_grid_us": round(float(np.abs(t_s - grid_s).max()) * 1e6, 3),
        "lateness_us_h": round(float(slope), 1),
        "lateness_p50_us": [round(float(np.median(part)), 1) for part in np.array_split(lateness_us, 10)],
    }


def soak_lockstep(simulated_s: float) -> dict[str, Any]:
    """The same controller and bus under a simulated clock, episode after episode, in this process."""
    robot = load_robot(shipped(ROBOT) / "robot.yaml")
    world = World()
    held = Looks(os.getpid(), _LOOKS)
    next_look_s = _WARM_UP_LOCKSTEP * simulated_s
    passed_s = 0.0
    for index in itertools.count():
        task = Task.parse(INSTRUCTIONS[index % len(INSTRUCTIONS)])
        world.reset(index)
        passed_s += run_episode(robot, world, expert(world, task), task, limit_s=12.0, see=False).duration_s
        if passed_s > next_look_s:
            held.look(passed_s)
            next_look_s += (1.0 - _WARM_UP_LOCKSTEP) * simulated_s / _LOOKS
        if passed_s > simulated_s:
            break
    return {"simulated_s": round(passed_s), "episodes": index + 1, "process": growth(held.rows)}


def complaints(results: Mapping[str, Any]) -> list[str]:
    """What grew, leaked or drifted, in words; nothing when the run was clean."""
    real, found = results["real"], []
    if real["ended"] == Mode.FAULT.value:
        found.append(f"ended in a fault: {real['reason']}")
    for name, held in {**real["processes"], "lockstep": results["lockstep"]["process"]}.items():
        slope = held["slope_mb_h"]
        if slope is None:
            found.append(f"{name}: too few looks to tell; run it longer")
            continue
        if slope - 2.0 * held["slope_error_mb_h"] > SLOPE_MB_H and held["grown_mb"] > GROWN_MB:
            found.append(f"{name}: memory grows by {slope:g} MB an hour")
        if held["files"][0] != held["files"][1]:
            found.append(f"{name}: between {held['files'][0]} and {held['files'][1]} open files")
    if real["ticks"]["off_grid_us"] > DRIFT_US_H:
        found.append(f"a tick is {real['ticks']['off_grid_us']:g} us off the grid")
    return found


def show(results: Mapping[str, Any], console: Console) -> None:
    table = Table(
        "process", "RSS, MB", "slope, MB/h", "+-", "grown, MB", "open files", "looks", box=None, padding=(0, 2)
    )
    for name, held in {**results["real"]["processes"], "lockstep": results["lockstep"]["process"]}.items():
        keys = ("rss_mb", "slope_mb_h", "slope_error_mb_h", "grown_mb", "files", "looks")
        table.add_row(name, *("-" if held[key] is None else str(held[key]) for key in keys))
    console.print(table)
    ticks, lockstep = results["real"]["ticks"], results["lockstep"]
    console.print(
        f"{results['real']['seconds']:.0f} s of ticks: {ticks['count']}, {ticks['missed']} missed, at most "
        f"{ticks['off_grid_us']:g} us off the grid; lateness changes by {ticks['lateness_us_h']:g} us an hour\n"
        f"lockstep: {lockstep['episodes']} episodes, {lockstep['simulated_s']} simulated seconds",
        highlight=False,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--scale", type=float, default=1.0, help="of the minutes, for a machine with less time")
    parser.add_argument(
        "--lockstep-minutes", type=float, default=120.0, help="simulated; scaled too, to no less than 20"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started, console = now(), Console(width=140)
    least_min = min(given.lockstep_minutes, _LOCKSTEP_LEAST_MIN)
    results = {
        "real": soak(given.minutes * given.scale * 60.0),
        "lockstep": soak_lockstep(max(least_min, given.lockstep_minutes * given.scale) * 60.0),
    }
    found = complaints(results)
    show(results, console)
    if given.json is not None:
        write_json(given.json, envelope("benchmarks.soak", started, {**results, "complaints": found}))
    for complaint in found:
        console.print(f"[red]{complaint}[/]", highlight=False)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
