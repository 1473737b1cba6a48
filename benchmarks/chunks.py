"""`python -m benchmarks.chunks`: what chunks of a perfect policy become when inference takes its time.

The policy knows the ideal trajectory and plans along it from each observation, one inference after the other; a chunk
arrives a latency after its observation. Control ticks at 50 Hz under a simulated clock. A chunk can only be played on
time when it lasts two latencies: its first rows are past when it arrives, and the next takes another latency. So 50
rows come at 50 Hz, and 8 rows at 10 Hz (0.7 s), as the shipped policy's do. 8 rows at 50 Hz (0.14 s) are run as well,
to show what no strategy can repair: there `edgevla run` refuses the bundle, because its plans end before
`plan_hold_after`, and the figures are without that check. `plan_hold_after` is 300 ms, or two latencies and two ticks
where that is longer.

lag: the shift in time that brings the commands nearest to the ideal trajectory. seam: the first command of a new chunk;
`of limits` is the largest share of the velocity, acceleration or jerk limit that it takes (first, second and third
differences), `of ideal` its step against the largest one of the ideal trajectory; `asked` is the step that the chunk
asks for, before the limits, as a share of the velocity limit. `apart` is how far the policy's chunks may disagree.
`off` is the root mean square of what the commands are away from the ideal trajectory.

`ours` is run with each kind of policy.yaml's `execution`; for rtc the policy is a flow of ten steps whose field leads
every noise to the same chunk, the hardest one to guide: all that guidance can do, it does in the last steps.
"""

from __future__ import annotations

import argparse
import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.perfect import RATE_HZ, Case, chunk_of, ideal, manifest_for
from benchmarks.playing import STRATEGIES, Ours
from edgevla.config.load import load_robot
from edgevla.messages import Observation
from edgevla.policy.execution import MERGES
from edgevla.runtime.report import envelope, now, write_json
from edgevla.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.playing import Strategy
    from edgevla.bundle import Manifest
    from edgevla.config.robot import Robot

    Array = NDArray[np.float64]

SECONDS = 20.0
LATENCIES_S = (0.1, 0.3)
SHAPES = ((50, 50.0), (8, 10.0), (8, 50.0))  # rows of a chunk, Hz
APART_RAD = 0.05
_FAULT_S = 8.0
_SETTLED_S = 2.0  # the start from standstill is not what is measured
_LAG_STEP_S = 0.001
_LAGS_S = np.arange(-0.1, 2.0, _LAG_STEP_S)


@dataclass(frozen=True, slots=True)
class Played:
    """What a strategy made of a case: commands (ticks, joints), NaN where nothing was sent, what the chunks asked for,
    and where the seams are.
    """

    t_s: Array
    commands_rad: Array
    asked_rad: Array
    seams: NDArray[np.bool_]
    held: int


def robot_for(case: Case) -> Robot:
    """The reference robot, with the plan_hold_after that fits the case."""
    hold_ms = case.hold_after_s * 1e3
    overrides = {
        "control.rate": f"{RATE_HZ:g} Hz",
        "control.plan_hold_after": f"{hold_ms:g} ms",
        "control.plan_stop_after": f"{2 * hold_ms:g} ms",
    }
    return load_robot(shipped("so101-tabletop") / "robot.yaml", overrides)


def play(case: Case, make: Callable[[Robot, tuple[float, ...], Manifest], Strategy], seed: int = 0) -> Played:
    """Run one strategy through a case."""
    robot = robot_for(case)
    start_rad = tuple(map(float, ideal(np.zeros(1))[0]))
    strategy = make(robot, start_rad, manifest_for(case))
    draw = np.random.default_rng(seed)
    t_s = np.arange(1, round(SECONDS * RATE_HZ)) / RATE_HZ
    commands, seams = np.full((len(t_s), len(start_rad)), np.nan), np.zeros(len(t_s), bool)
    asked = commands.copy()
    command, observed_s, seq = np.array(start_rad), 0.0, 0
    busy, guidance = True, strategy.begin(Observation(observed_s, {}, command, "follow"))
    for index, now_s in enumerate(t_s):
        if busy and now_s >= observed_s + case.latency_s - 1e-9:
            busy = False
            seq += 1
            faulty = observed_s >= _FAULT_S
            if not (faulty and case.fault == "raises"):
                spoilt = faulty and case.fault == "nan"
                strategy.offer(chunk_of(case, seq, observed_s, draw, spoilt, guidance), now_s)
        if not busy and strategy.hungry:
            busy, observed_s = True, now_s
            guidance = strategy.begin(Observation(now_s, {}, command, "follow"))
        played = strategy.tick(now_s)
        seams[index] = played.seam
        if played.command is not None:
            commands[index] = command = played.command
        if played.asked is not None:
            asked[index] = played.asked
    return Played(t_s, commands, asked, seams, strategy.held if isinstance(strategy, Ours) else 0)


def lag_ms(t_s: Array, commands_rad: Array) -> float:
    """The delay at which the ideal trajectory fits the commands best."""
    steady = t_s > _SETTLED_S + _LAGS_S[-1]
    errors = [float(np.square(commands_rad[steady] - ideal(t_s[steady] - lag_s)).sum()) for lag_s in _LAGS_S]
    return round(float(_LAGS_S[int(np.argmin(errors))]) * 1e3, 1)


def largest_of_limits(commands_rad: Array, where: NDArray[np.bool_], robot: Robot, *, orders: int = 3) -> float:
    """The largest share of a limit that the commands at `where` take: of velocity, acceleration and jerk, or the first
    `orders` of them.
    """
    shares = []
    for order, name in enumerate(("velocity", "acceleration", "jerk")[:orders], start=1):
        limits = np.array([float(getattr(joint, name)) for joint in robot.joints])
        taken = np.abs(np.diff(commands_rad, order, axis=0)) * RATE_HZ**order / limits
        shares.append(taken[where[order:]].max(initial=0.0))
    return float(max(shares))


def figures(case: Case, played: Played) -> dict[str, Any]:
    """The row of the table."""
    robot = robot_for(case)
    steady = played.t_s > _SETTLED_S
    seams = played.seams & steady
    off_rad = (played.commands_rad - ideal(played.t_s))[steady]
    step = np.abs(np.diff(played.commands_rad, axis=0))
    largest_ideal = np.abs(np.diff(ideal(played.t_s), axis=0)).max(axis=0)
    sent_nan = int(np.isnan(played.commands_rad).any(axis=1).sum())
    moving = np.flatnonzero(step.max(axis=1) > 1e-6)
    seam_steps = (step / largest_ideal)[seams[1:]]
    return {
        "lag_ms": lag_ms(played.t_s, played.commands_rad) if not case.fault else None,
        "seams": int(seams.sum()),
        "seam_of_limits": _rounded(largest_of_limits(played.commands_rad, seams, robot), 3),
        "any_of_limits": _rounded(largest_of_limits(played.commands_rad, steady, robot), 3),
        "seam_of_ideal": _rounded(float(seam_steps.max(initial=0.0)), 2),
        "seam_asked_of_limits": _rounded(largest_of_limits(played.asked_rad, seams, robot, orders=1), 3),
        "off_mrad": _rounded(float(np.sqrt(np.square(off_rad).mean())) * 1e3, 1) if not case.fault else None,
        "held_ticks": played.held,
        "nan_commands": sent_nan,
        "still_after_fault_ms": round(float(played.t_s[moving[-1] + 1] - _FAULT_S) * 1e3) if case.fault else None,
    }


def _rounded(value: float, digits: int) -> float | None:
    """None where a command was no number, and so no step is one either."""
    return round(value, digits) if math.isfinite(value) else None


def cases() -> list[Case]:
    """All that is run."""
    plain = [
        Case(horizon, chunk_hz, latency_s) for (horizon, chunk_hz), latency_s in itertools.product(SHAPES, LATENCIES_S)
    ]
    apart = [
        Case(horizon, chunk_hz, latency_s, APART_RAD)
        for (horizon, chunk_hz), latency_s in itertools.product(SHAPES[:2], LATENCIES_S)
    ]
    faults = [Case(50, 50.0, 0.1, fault=fault) for fault in ("nan", "raises")]
    return plain + apart + faults


def run() -> list[dict[str, Any]]:
    """Every strategy through every case, ours with each execution."""
    return [
        {
            "horizon": case.horizon,
            "chunk_hz": case.chunk_hz,
            "latency_ms": round(case.latency_s * 1e3),
            "plan_hold_after_ms": round(case.hold_after_s * 1e3),
            "apart_rad": case.apart_rad,
            "fault": case.fault,
            "strategy": f"{name}, {execution}" if make is Ours else name,
            **figures(variant, play(variant, make)),
        }
        for case in cases()
        for name, make in STRATEGIES.items()
        for execution in (MERGES if make is Ours else ("latest",))
        for variant in (replace(case, execution=execution),)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started = now()
    rows = run()
    heads = (
        "rows",
        "Hz",
        "latency",
        "apart",
        "fault",
        "strategy",
        "lag, ms",
        "seam of limits",
        "of ideal",
        "asked",
        "off, mrad",
        "held",
        "NaN",
    )
    table = Table(*heads, "still after, ms", box=None, padding=(0, 1))
    keys = ("horizon", "chunk_hz", "latency_ms", "apart_rad", "fault", "strategy", "lag_ms", "seam_of_limits")
    for row in rows:
        more = ("seam_of_ideal", "seam_asked_of_limits", "off_mrad", "held_ticks", "nan_commands")
        cells = (row[key] for key in (*keys, *more, "still_after_fault_ms"))
        table.add_row(*("-" if cell is None else str(cell) for cell in cells))
    Console(width=160).print(table)
    if given.json is not None:
        write_json(given.json, envelope("benchmarks.chunks", started, {"cases": rows, "control_hz": RATE_HZ}))


if __name__ == "__main__":
    main()
