"""What the control process asks of the kernel, and one plain line about what it did not get."""

from __future__ import annotations

import gc
import os
import sys
import time
from typing import TYPE_CHECKING

from edgevla.memory import lock_memory
from edgevla.messages import Granted

if TYPE_CHECKING:
    from edgevla.config.robot import Realtime


def sleep_until(deadline_s: float) -> None:
    """Sleep to an absolute CLOCK_MONOTONIC time; Python 3.11+ does so with clock_nanosleep(TIMER_ABSTIME)."""
    remaining_s = deadline_s - time.monotonic()
    if remaining_s > 0.0:
        time.sleep(remaining_s)


def settle_memory() -> None:
    """Collect once, then leave every object alive now out of all later collections, and collect no more."""
    gc.collect()
    gc.freeze()
    gc.disable()


def request(wanted: Realtime) -> Granted:
    """Ask for scheduler class, core and locked memory; never fails, says what was refused."""
    refused = []
    scheduler = "other"
    if wanted.scheduler == "fifo":
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(wanted.priority))
            scheduler = f"fifo {wanted.priority}"
        except (OSError, AttributeError):
            refused.append("SCHED_FIFO (ticks will be late under load)")
    if wanted.cpu is not None:
        try:
            os.sched_setaffinity(0, {wanted.cpu})
        except (OSError, AttributeError):
            refused.append(f"core {wanted.cpu}")
    mlock = wanted.lock_memory and lock_memory()
    if wanted.lock_memory and not mlock:
        refused.append("locked memory (a page fault can delay a tick)")
    line = (
        f"not permitted: {'; '.join(refused)}; set rtprio and memlock in /etc/security/limits.conf" if refused else ""
    )
    return Granted(scheduler=scheduler, mlock=mlock, affinity=_affinity(), refused=line)


def _affinity() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0))) if sys.platform == "linux" else ()
