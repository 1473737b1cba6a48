"""The thread that lets simulated time pass as fast as real time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_BEHIND_S = 0.05  # further behind, time is given up: a burst of steps would only delay everything else
_RATE_WINDOW_S = 1.0


class Steppable(Protocol):
    """What time passes for."""

    timestep_s: float

    def step(self) -> None:
        """Advance by `timestep_s`."""
        ...


class Physics:
    """Steps `world` on absolute deadlines of CLOCK_MONOTONIC.

    Args:
        world: what is stepped.
        before_step: called before each step, in the same thread.
        after_step: called after each step.
    """

    def __init__(
        self,
        world: Steppable,
        before_step: Callable[[], None],
        after_step: Callable[[], None],
    ) -> None:
        self.real_time_factor = 1.0
        self._world = world
        self._before_step = before_step
        self._after_step = after_step
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)
        self._thread.start()
        self.thread_id = self._thread.native_id or 0

    def close(self) -> None:
        """Stop time."""
        self._closing = True
        self._thread.join()

    def _run(self) -> None:
        timestep_s = self._world.timestep_s
        next_s = window_s = time.monotonic()
        steps = 0
        while not self._closing:
            self._before_step()
            self._world.step()
            self._after_step()
            steps += 1
            next_s += timestep_s
            now_s = time.monotonic()
            if now_s - window_s >= _RATE_WINDOW_S:
                self.real_time_factor = steps * timestep_s / (now_s - window_s)
                window_s, steps = now_s, 0
            if now_s > next_s + _MAX_BEHIND_S:
                next_s = now_s
            elif now_s < next_s:
                time.sleep(next_s - now_s)
