"""Four ways to keep a rate, with the same work in each: ours, ours unprivileged, and two that others use.

The two of others are written from descriptions of their behaviour, as the simplest loop that shows it.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgevla.config.robot import Realtime
from edgevla.control.ticker import Spacing, Ticker
from edgevla.runtime import realtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from numpy.typing import NDArray

WORK_S = 0.001
STALL_S = 0.5


class Commands(NamedTuple):
    """One run of one loop. `t_s`: when each command was ready; `scheduler`: what it ran under."""

    t_s: NDArray[np.float64]
    lateness_s: NDArray[np.float64]  # behind the deadline; empty for a loop that has none
    stalls_s: NDArray[np.float64]  # when each injected stall ended
    scheduler: str


def ticker(period_s: float) -> Iterator[float]:
    """Absolute deadlines; late ones are skipped, the phase is kept. Yields the lateness, s."""
    loop = Ticker(period_s, time.monotonic, realtime.sleep_until)
    while True:
        yield loop.wait().lateness_s


def relative_sleep(period_s: float) -> Iterator[float]:
    """After the work, sleep for what is left of the period, counted from this tick's own start: every delay stays."""
    while True:
        started_s = time.perf_counter()
        yield math.nan
        time.sleep(max(0.0, period_s - (time.perf_counter() - started_s)))


def catch_up(period_s: float) -> Iterator[float]:
    """Absolute deadlines, none skipped: what was missed is made up for at once."""
    deadline_s = time.monotonic()
    while True:
        deadline_s += period_s
        time.sleep(max(0.0, deadline_s - time.monotonic()))
        yield time.monotonic() - deadline_s


# name -> (loop, whether it asks for SCHED_FIFO, locked memory and no garbage collection as the control process does)
LOOPS: dict[str, tuple[Callable[[float], Iterator[float]], bool]] = {
    "ours": (ticker, True),
    "ours, unprivileged": (ticker, False),
    "relative sleep": (relative_sleep, False),
    "catch up": (catch_up, False),
}


def run_loop(name: str, rate_hz: float, seconds: float, stall_every_s: float = math.inf) -> Commands:
    """Run one loop in a process of its own.

    Args:
        stall_every_s: how often the work takes 0.5 s longer.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(name, rate_hz, seconds, stall_every_s, theirs))
    process.start()
    theirs.close()
    try:
        commands: Commands = ours.recv()
    finally:
        process.join()
    return commands


def _run(name: str, rate_hz: float, seconds: float, stall_every_s: float, results: Connection) -> None:
    make, privileged = LOOPS[name]
    scheduler = "other"
    if privileged:
        wanted = Realtime(scheduler="fifo", priority=50, cpu=None, lock_memory=True)
        scheduler = realtime.request(wanted).scheduler
        realtime.settle_memory()
    size = math.ceil(rate_hz * seconds * 1.1) + 100
    t_s, lateness_s = np.full(size, np.nan), np.full(size, np.nan)
    stalls_s: list[float] = []
    began_s = time.monotonic()
    stall_at_s = began_s + stall_every_s
    count = 0
    spacing = Spacing(1.0 / rate_hz, time.monotonic, realtime.sleep_until) if make is ticker else None
    for late_s in make(1.0 / rate_hz):
        _work()
        if spacing is not None:
            spacing.wait()
        now_s = time.monotonic()
        if now_s > began_s + seconds or count == size:
            break
        if now_s > stall_at_s:
            time.sleep(STALL_S)
            stall_at_s += stall_every_s
            stalls_s.append(time.monotonic())
            now_s = stalls_s[-1]
        t_s[count], lateness_s[count] = now_s, late_s
        count += 1
    late = lateness_s[:count]
    results.send(Commands(t_s[:count], late[~np.isnan(late)], np.array(stalls_s), scheduler))


def _work() -> None:
    """A millisecond of the processor's time, however long it takes to get it."""
    ends_s = time.thread_time() + WORK_S
    while time.thread_time() < ends_s:
        pass
