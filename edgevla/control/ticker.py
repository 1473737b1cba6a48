"""`Ticker` gives ticks on absolute deadlines: late ones are skipped and counted, the phase is kept, none is made up.

`Spacing` keeps what is sent in them apart, whatever held up the work in between.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_SPACING = 0.9  # of a period: after an overrun, the next tick starts no sooner than this; two commands are never closer
_LAG_WINDOW = 100  # ticks over which the achieved rate is judged
_LAG_SHARE = 0.9  # of the asked-for rate, below which the loop lags
_OVERRUNS_IN_A_ROW = 3


class Tick(NamedTuple):
    """One tick. `number` counts skipped deadlines too, so `number * period` is always the time since the start."""

    number: int
    deadline_s: float
    lateness_s: float
    skipped: int


class Spacing:
    """Keeps commands nine tenths of a period apart: the one after a late one waits, the deadlines stay.

    Args:
        period_s: the tick's period.
        clock: monotonic seconds.
        sleep_until: blocks until that moment of the same clock.
    """

    def __init__(self, period_s: float, clock: Callable[[], float], sleep_until: Callable[[float], None]) -> None:
        self._least_s = _SPACING * period_s
        self._clock = clock
        self._sleep_until = sleep_until
        self._sent_s = -math.inf

    def wait(self) -> None:
        """Block until a command may be sent, which is then taken for sent. At most nine tenths of a period."""
        now_s = self._clock()
        if now_s < self._sent_s + self._least_s:
            self._sleep_until(self._sent_s + self._least_s)
            now_s = self._clock()
        self._sent_s = now_s


class Ticker:
    """Deadlines at `start + k * period`.

    Args:
        period_s: the tick's period.
        clock: monotonic seconds.
        sleep_until: blocks until that moment of the same clock.
    """

    def __init__(self, period_s: float, clock: Callable[[], float], sleep_until: Callable[[float], None]) -> None:
        self._period_s = period_s
        self._clock = clock
        self._sleep_until = sleep_until
        self._start_s = clock()
        self._index = 0
        self._overruns_in_a_row = 0
        self._window_ticks = 0
        self._window_start_s = self._start_s
        self._lags = False

    def wait(self) -> Tick:
        """Sleep until the next deadline.

        A deadline that has passed when this is called is skipped, and so is one that would follow closer than 0.9 of
        a period: after a stall there is no burst of commands.
        """
        index = self._index + 1
        now_s = self._clock()
        if now_s > self._start_s + index * self._period_s:
            index = math.ceil((now_s - self._start_s) / self._period_s + _SPACING)
        skipped = index - self._index - 1
        self._overruns_in_a_row = self._overruns_in_a_row + 1 if skipped else 0
        self._index = index
        deadline_s = self._start_s + index * self._period_s
        self._sleep_until(deadline_s)
        now_s = self._clock()
        self._judge(now_s)
        return Tick(index, deadline_s, now_s - deadline_s, skipped)

    @property
    def overrun(self) -> bool:
        """Three overruns in a row, or less than 90 % of the rate over the last hundred ticks."""
        return self._overruns_in_a_row >= _OVERRUNS_IN_A_ROW or self._lags

    def _judge(self, now_s: float) -> None:
        self._window_ticks += 1
        if self._window_ticks == _LAG_WINDOW:
            self._lags = (now_s - self._window_start_s) / _LAG_WINDOW > self._period_s / _LAG_SHARE
            self._window_ticks = 0
            self._window_start_s = now_s
