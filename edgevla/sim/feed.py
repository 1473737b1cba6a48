"""The newest picture of one simulated camera, and whether anybody wants the next."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG. `t_s`: the CLOCK_MONOTONIC time at which the world looked like this; `seq` counts from 1."""

    t_s: float
    jpeg: bytes
    seq: int


class Feed:
    """Hands pictures from the thread that draws to any number that watch; a slow one skips to the newest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest = Picture(0.0, b"", 0)
        self._watchers = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody watches."""
        return self._watchers > 0

    def publish(self, t_s: float, jpeg: bytes) -> None:
        """Show the next picture."""
        with self._changed:
            self._newest = Picture(t_s, jpeg, self._newest.seq + 1)
            self._changed.notify_all()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Keep the pictures coming."""
        with self._changed:
            self._watchers += 1
        try:
            yield
        finally:
            with self._changed:
                self._watchers -= 1

    def next(self, after: int, timeout_s: float) -> Picture | None:
        """Wait for a picture newer than number `after`; None when there is none in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest.seq > after, timeout_s)
            return self._newest if self._newest.seq > after else None

    @property
    def seq(self) -> int:
        """The number of the newest picture, 0 before the first."""
        return self._newest.seq
