"""When a frame was captured: by the camera's own time stamp if it is on our clock, else by its arrival."""

from __future__ import annotations

PLAUSIBLE_AGE_S = 2.0


class Stamp:
    """Turns the stamps of one connection into capture times.

    Whether the stamps are on CLOCK_MONOTONIC is decided once, by the first frame. Deciding it anew for every frame
    would give a picture that was stuck for three seconds its arrival time, and so make it look fresh.
    """

    def __init__(self) -> None:
        self._trusted: bool | None = None

    def capture_s(self, stamp_s: float | None, arrival_s: float) -> float:
        """Return the capture time of a frame: never later than its arrival, never NaN."""
        if stamp_s is None:
            return arrival_s
        if self._trusted is None:
            self._trusted = arrival_s - PLAUSIBLE_AGE_S <= stamp_s <= arrival_s
        if self._trusted and stamp_s <= arrival_s:
            return stamp_s
        return arrival_s
