"""How often something may happen."""

from __future__ import annotations


class Rate:
    """A bucket of permissions that fills at a constant rate.

    Args:
        per_s: how many a second in the long run.
        burst: how many at once.
    """

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._seen_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Take one permission; False when there is none."""
        if self._seen_s is not None:
            self._left = min(self._burst, self._left + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
