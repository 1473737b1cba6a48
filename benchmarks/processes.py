"""What a process holds: resident memory and open files, from /proc, and how they change over time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Looks:
    """Up to `capacity` looks at one process, in memory taken beforehand: the looking itself must not grow."""

    def __init__(self, pid: int, capacity: int) -> None:
        self._pid = pid
        self._rows = np.zeros((capacity, 3))
        self._count = 0

    def look(self, t_s: float) -> None:
        """Add a look; beyond the capacity nothing happens.

        Raises:
            FileNotFoundError: the process is gone.
        """
        if self._count == len(self._rows):
            return
        process = f"/proc/{self._pid}"
        with open(f"{process}/statm", "rb") as statm:  # noqa: PTH123 - a Path of each look would be kept for a while
            pages = int(statm.read().split()[1])
        self._rows[self._count] = t_s, pages * _PAGE_BYTES / 1e6, len(os.listdir(f"{process}/fd"))  # noqa: PTH208
        self._count += 1

    @property
    def rows(self) -> NDArray[np.float64]:
        """(looks, 3): time in s, resident memory in MB, open files."""
        return self._rows[: self._count]


def children(pid: int) -> list[int]:
    """The processes that `pid`'s threads have started."""
    tasks = (Path("/proc") / str(pid) / "task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def growth(rows: NDArray[np.float64]) -> dict[str, Any]:
    """A straight line through the memory, MB an hour, with its own uncertainty, and the spread of the open files.

    The uncertainty is one standard error of the slope if the looks scattered independently; memory comes in steps, so
    over a short run it flatters.

    Args:
        rows: as `Looks.rows` has them.
    """
    if len(rows) < 3:
        return {"looks": len(rows), **dict.fromkeys(("rss_mb", "slope_mb_h", "slope_error_mb_h", "grown_mb", "files"))}
    t_h, rss_mb, files = (rows[:, 0] - rows[0, 0]) / 3600.0, rows[:, 1], rows[:, 2]
    slope, offset = np.polyfit(t_h, rss_mb, 1)
    scatter = rss_mb - (slope * t_h + offset)
    error = np.sqrt(np.square(scatter).sum() / (len(rows) - 2) / np.square(t_h - t_h.mean()).sum())
    return {
        "looks": len(rows),
        "rss_mb": round(float(rss_mb[-1]), 1),
        "slope_mb_h": round(float(slope), 3),
        "slope_error_mb_h": round(float(error), 3),
        "grown_mb": round(float(slope * t_h[-1]), 3),
        "files": [int(files.min()), int(files.max())],
    }
