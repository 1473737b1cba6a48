"""`TickLog`: what every tick did, in arrays allocated beforehand, so that recording never allocates in the loop."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from edgevla.files import whole
from edgevla.messages import LATENESS_BUCKETS_US, Mode

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgevla.control.ticker import Tick
    from edgevla.messages import Chunk
    from edgevla.runtime.controller import Outcome

MODES = tuple(Mode)
TICKS_FILE = "ticks.npz"  # in the report folder
STAGES = ("capture", "preprocess", "engine", "decode", "total")


class Ring:
    """The last `capacity` rows of named float columns."""

    def __init__(self, columns: tuple[str, ...], capacity: int) -> None:
        self._columns = columns
        self._rows = np.full((capacity, len(columns)), np.nan)
        self.count = 0

    def add(self, *row: float) -> None:
        """Append, over the oldest row when full."""
        self._rows[self.count % len(self._rows)] = row
        self.count += 1

    def newest(self, column: str, rows: int) -> NDArray[np.float64]:
        """The last rows of one column, at most `rows` of them."""
        kept = min(rows, self.count, len(self._rows))
        wanted = np.arange(self.count - kept, self.count) % len(self._rows)
        values: NDArray[np.float64] = self._rows[wanted, self._columns.index(column)]
        return values

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Every column, oldest row first."""
        first = self.count % len(self._rows) if self.count > len(self._rows) else 0
        rows = np.roll(self._rows, -first, axis=0)[: min(self.count, len(self._rows))]
        return {name: rows[:, index] for index, name in enumerate(self._columns)}


class TickLog:
    """The last `capacity` ticks, and the chunks that they were the first to play.

    `lateness_counts` counts every tick since the start, see `Status`.
    `command_age_ms` is how old the observation was when the first command of its chunk went out.
    """

    def __init__(self, capacity: int) -> None:
        self._ticks = Ring(("t_s", "lateness_us", "work_us", "wire_us", "skipped", "mode"), capacity)
        self.lateness_counts = [0] * (len(LATENESS_BUCKETS_US) + 1)
        self._chunks = Ring(("command_age_ms", *(f"{stage}_ms" for stage in STAGES)), capacity)

    def add(self, tick: Tick, outcome: Outcome, work_s: float, wire_s: float) -> None:
        """Record one tick; `work_s` leaves out the time spent waiting for the wire, `wire_s`."""
        mode, lateness_us = MODES.index(outcome.mode), tick.lateness_s * 1e6
        self.lateness_counts[bisect_left(LATENESS_BUCKETS_US, lateness_us)] += 1
        self._ticks.add(outcome.t_s, lateness_us, work_s * 1e6, wire_s * 1e6, tick.skipped, mode)

    def add_played(self, chunk: Chunk, age_s: float) -> None:
        """Record the first command of a chunk."""
        stages = chunk.stages
        times_ms = (stages.capture_ms, stages.preprocess_ms, stages.engine_ms, stages.decode_ms)
        self._chunks.add(age_s * 1e3, *times_ms, stages.total_ms)

    def recent_lateness_p99_us(self, ticks: int) -> float:
        """The 99th percentile of the last ticks' lateness; 0 before the first."""
        values = self._ticks.newest("lateness_us", ticks)
        rank = len(values) * 99 // 100
        return float(np.partition(values, rank)[rank]) if len(values) else 0.0

    def save(self, path: Path) -> None:
        """Write both tables as one .npz, the chunks' columns prefixed `chunk_`."""
        chunks = {f"chunk_{name}": values for name, values in self._chunks.columns().items()}
        with whole(path) as draft, draft.open("wb") as file:  # savez gives a path without .npz another name
            np.savez(file, allow_pickle=False, **self._ticks.columns(), **chunks)
