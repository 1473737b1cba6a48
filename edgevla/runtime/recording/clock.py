"""Monotonic time as the time of day: by one offset, taken once, so that a step of the clock moves nothing."""

from __future__ import annotations

import time
from datetime import datetime, timezone


def offset_ns() -> int:
    """What to add to CLOCK_MONOTONIC, ns, to get the time since 1970. Wrong where the machine's clock is wrong."""
    return time.time_ns() - time.monotonic_ns()


def wall_ns(t_s: float, offset: int) -> int:
    """A monotonic time as nanoseconds since 1970, not before."""
    return max(0, round(t_s * 1e9) + offset)


def stamp(t_s: float, offset: int) -> str:
    """A monotonic time for a file name, UTC."""
    return f"{datetime.fromtimestamp(wall_ns(t_s, offset) / 1e9, timezone.utc):%Y%m%d-%H%M%S}"
