"""`Budget`: so many at once, so many a second."""

from __future__ import annotations


class Budget:
    """A bucket that fills with time.

    Args:
        burst: how many may come at once.
        rate_hz: how many more each second.
    """

    def __init__(self, burst: float, rate_hz: float) -> None:
        self._burst = burst
        self._rate_hz = rate_hz
        self._left = burst
        self._then_s: float | None = None

    def take(self, now_s: float, count: int = 1) -> bool:
        """Spend `count`; False when there is not so much, and then nothing is spent."""
        if self._then_s is not None:
            self._left = min(self._burst, self._left + (now_s - self._then_s) * self._rate_hz)
        self._then_s = now_s
        if count > self._left:
            return False
        self._left -= count
        return True
