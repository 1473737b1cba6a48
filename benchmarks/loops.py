"""`python -m benchmarks.loops`: how well a loop keeps its rate, ours against others, idle and with every core busy.

For each rate and load the loops take turns in short slices until each has run for --seconds, so that whatever else
happens on the machine happens to all of them. Each tick does 1 ms of work. Then the same loops meet a work of 0.5 s now
and then, and the commands that come closer than 0.9 of a period right after it are counted. With --runtime
the whole of `edgevla run` is measured too, against the simulated robot. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.busy import busy_cores
from benchmarks.pacing import LOOPS, WORK_S, Commands, run_loop
from benchmarks.tick import measure
from edgevla.evaluate.quantiles import quantiles
from edgevla.runtime.report import envelope, now, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

RATES_HZ = (50.0, 100.0, 200.0)
PACED = ("ours", "relative sleep")  # the stall test takes all of them
SLICE_S = 5.0
SPACING = 0.9
_WARM_UP_S = 0.25  # at the start of each slice
_STALL_EVERY_S = 1.7
_STALLS = 5
_AFTER_S = 0.2  # a loop that makes up for 0.5 s at full speed has done so by then


def pace(slices: Sequence[Commands], rate_hz: float) -> dict[str, Any]:
    """The figures of all slices of one loop: rate, jitter of the interval, missed ticks, lateness where it has one.

    `missed` is how many commands fewer than the rate asks for; a loop that drifts misses them too.
    """
    steady = [each.t_s[each.t_s > each.t_s[0] + _WARM_UP_S] for each in slices]
    intervals_s = np.concatenate([np.diff(t_s) for t_s in steady])
    spans_s = [float(t_s[-1] - t_s[0]) for t_s in steady]
    lateness_s = np.concatenate([each.lateness_s[math.ceil(_WARM_UP_S * rate_hz) :] for each in slices])
    return {
        "rate_hz": round(len(intervals_s) / sum(spans_s), 3),
        "commands": len(intervals_s) + len(slices),
        "missed": sum(round(span_s * rate_hz) - (len(t_s) - 1) for span_s, t_s in zip(spans_s, steady, strict=True)),
        "jitter_us": quantiles(np.abs(intervals_s - 1.0 / rate_hz) * 1e6),
        "lateness_us": quantiles(lateness_s * 1e6),
        "closer": int((intervals_s < SPACING / rate_hz).sum()),
        "scheduler": slices[0].scheduler,
    }


def after_stalls(run: Commands, rate_hz: float) -> dict[str, Any]:
    """How many of the commands right after each stall came closer to the one before than 0.9 of a period."""
    intervals_s = np.diff(run.t_s)
    following = np.zeros(len(intervals_s), bool)
    for stall_s in run.stalls_s:
        following |= (run.t_s[1:] > stall_s) & (run.t_s[1:] <= stall_s + _AFTER_S)
    shares = intervals_s[following] * rate_hz
    return {
        "stalls": len(run.stalls_s),
        "closer": int((shares < SPACING).sum()),
        "closest": round(float(shares.min()), 4) if len(shares) else None,  # in periods
    }


def compare(rate_hz: float, seconds: float) -> dict[str, Any]:
    """All loops at one rate, under whatever load there is now."""
    slices: dict[str, list[Commands]] = {name: [] for name in PACED}
    for _ in range(max(1, round(seconds / SLICE_S))):
        for name in PACED:
            slices[name].append(run_loop(name, rate_hz, min(seconds, SLICE_S)))
    stalled = {name: run_loop(name, rate_hz, (_STALLS + 0.9) * _STALL_EVERY_S, _STALL_EVERY_S) for name in LOOPS}
    return {
        name: {
            **({"pace": pace(slices[name], rate_hz)} if name in slices else {}),
            "after_stall": after_stalls(stalled[name], rate_hz),
        }
        for name in LOOPS
    }


def runtime(rate_hz: float, seconds: float) -> dict[str, Any]:
    """The ticks of `edgevla run` against the simulated robot, from its own report."""
    with tempfile.TemporaryDirectory() as folder:
        results = measure(seconds, rate_hz, Path(folder))
    return {"ticks": results["ticks"], "realtime": results["realtime"]}


def show(results: dict[str, Any], console: Console) -> None:
    columns = (
        "load",
        "Hz",
        "loop",
        "achieved",
        "jitter p50",
        "p99",
        "max, us",
        "missed",
        "late p99, us",
        "closer after",
    )
    table = Table(*columns, box=None, padding=(0, 2))
    for row in results["loops"]:
        for name, figures in row["loops"].items():
            stall = figures["after_stall"]
            closer = f"{stall['closer']} in {stall['stalls']}"
            cells = ["-"] * 6
            if "pace" in figures:
                given = figures["pace"]
                jitter, late = given["jitter_us"], given["lateness_us"]["p99"]
                cells = [f"{given['rate_hz']:.2f}", *(f"{jitter[key]:.0f}" for key in ("p50", "p99", "max"))]
                cells += [str(given["missed"]), "-" if late is None else f"{late:.0f}"]
            table.add_row(row["load"], f"{row['rate_hz']:g}", name, *cells, closer)
    console.print(table)
    for row in results["runtime"]:
        ticks = row["ticks"]
        console.print(
            f"edgevla run, {row['load']}, {row['rate_hz']:g} Hz: {ticks['rate_hz']:.2f} Hz, {ticks['missed']} of "
            f"{ticks['count']} missed, lateness p50 {ticks['lateness_us']['p50']:.0f}, p99 "
            f"{ticks['lateness_us']['p99']:.0f} us, work p99 {ticks['work_us']['p99']:.0f} us",
            highlight=False,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each loop, rate and load")
    parser.add_argument("--rate", type=float, action="append", help="Hz; repeat for several [default: 50 100 200]")
    parser.add_argument("--load", choices=("idle", "busy"), action="append", help="[default: both]")
    parser.add_argument("--runtime", action="store_true", help="measure `edgevla run` too, as long again")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started, console = now(), Console(width=140)
    results: dict[str, Any] = {"seconds": given.seconds, "work_us": WORK_S * 1e6, "cores": len(os.sched_getaffinity(0))}
    results |= {"loops": [], "runtime": []}
    for load, rate_hz in itertools.product(given.load or ("idle", "busy"), given.rate or RATES_HZ):
        with busy_cores(load == "busy"):
            console.print(f"{load}, {rate_hz:g} Hz")
            results["loops"].append({"load": load, "rate_hz": rate_hz, "loops": compare(rate_hz, given.seconds)})
            if given.runtime:
                results["runtime"].append({"load": load, "rate_hz": rate_hz, **runtime(rate_hz, given.seconds)})
    show(results, console)
    if given.json is not None:
        write_json(given.json, envelope("benchmarks.loops", started, results))


if __name__ == "__main__":
    main()
