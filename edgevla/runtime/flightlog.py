"""The flight log: the last seconds of everything, kept in memory and written when something latches.

One JSON object a line and tick: mode and reason, where the joints were and were told to be, the plan that was played
and the observation it came from, how late the tick was and what it took, and every frame that was sent or blocked.
Remembering costs a few references a tick. Writing happens in a thread of ordinary priority, and only once the arm
stands still or nothing can be sent.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edgevla.control.gate import GateBlocked
from edgevla.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgevla.messages import Chunk, Mode

SECONDS = 10.0


class TickTiming(NamedTuple):
    """How one tick kept its time."""

    lateness_s: float
    skipped: int
    work_s: float
    wire_s: float  # waiting for the line, not counted as work


class Entry(NamedTuple):
    """One tick."""

    t_s: float
    mode: Mode
    reason: str
    measured_rad: tuple[float, ...]
    setpoint_rad: tuple[float, ...]
    plan: Chunk | None
    frames: tuple[tuple[bytes, bool], ...]  # and whether the gate blocked it
    timing: TickTiming | None


class FlightLog:
    """A ring of the last ticks.

    Args:
        rate_hz: ticks a second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._entries: deque[Entry] = deque(maxlen=round(SECONDS * rate_hz))
        self._frames: list[tuple[bytes, bool]] = []

    def guarding(self, guard: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """The same guard, with every frame remembered, whatever it decides."""

        def check(frame: bytes) -> None:
            try:
                guard(frame)
            except GateBlocked:
                self._frames.append((frame, True))
                raise
            self._frames.append((frame, False))

        return check

    def add(
        self,
        t_s: float,
        mode: Mode,
        reason: str,
        measured_rad: tuple[float, ...],
        setpoint_rad: tuple[float, ...],
        plan: Chunk | None,
        timing: TickTiming | None = None,
    ) -> None:
        """Remember one tick, with the frames that went out since the one before; no timing for one that broke."""
        frames = tuple(self._frames)
        self._entries.append(Entry(t_s, mode, reason, measured_rad, setpoint_rad, plan, frames, timing))
        self._frames.clear()

    def write(self, path: Path) -> threading.Thread:
        """Write what is remembered now, in the background; a disk that is full or gone loses the log, nothing else."""
        entries = list(self._entries)

        def work() -> None:
            with contextlib.suppress(OSError, AttributeError):
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # a new thread inherits SCHED_FIFO
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, b"".join(msgspec.json.encode(_plain(entry)) + b"\n" for entry in entries))

        thread = threading.Thread(target=work, name="flight log", daemon=True)
        thread.start()
        return thread


def _plain(entry: Entry) -> dict[str, object]:
    plan, timing = entry.plan, entry.timing
    return {
        "t_s": round(entry.t_s, 6),
        "mode": entry.mode.value,
        "reason": entry.reason,
        "measured_rad": entry.measured_rad,
        "setpoint_rad": entry.setpoint_rad,
        "plan": None
        if plan is None
        else {
            "seq": plan.seq,
            "t_obs_s": plan.t_obs_s,
            "age_ms": round((entry.t_s - plan.t_obs_s) * 1e3, 3),
            "instruction": plan.instruction,
            "stages_ms": plan.stages,
            "rate_hz": plan.rate_hz,
            "actions_rad": plan.actions_rad,
        },
        "timing": None
        if timing is None
        else {
            "lateness_us": round(timing.lateness_s * 1e6, 1),
            "skipped": timing.skipped,
            "work_us": round(timing.work_s * 1e6, 1),
            "wire_us": round(timing.wire_s * 1e6, 1),
        },
        "sent": [frame.hex() for frame, blocked in entry.frames if not blocked],
        "blocked": [frame.hex() for frame, blocked in entry.frames if blocked],
    }
