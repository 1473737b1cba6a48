"""`Proposal`: the newest whole chunk, as something that a person may look at and then have played.

Between the look and the word nothing must have changed: the very same chunk, the arm where it was, and not long ago.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgevla.control.timeline import duration_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.messages import Chunk

LOOK_S = 30.0  # age of the observation after which the picture that the person saw says nothing any more
MOVED_RAD = math.radians(2.0)
LONGEST_S = 10.0  # as far as one look reaches


class Proposal:
    """At most one chunk, and where the arm was measured when it came in."""

    def __init__(self) -> None:
        self._offered: tuple[Chunk, tuple[float, ...]] | None = None
        self._not_before_s = -math.inf

    @property
    def seq(self) -> int:
        """The chunk's number; -1 without one."""
        return self._offered[0].seq if self._offered is not None else -1

    def offer(self, chunk: Chunk, measured_rad: tuple[float, ...]) -> None:
        """Take the place of the older one. The chunk is one that a timeline has found whole."""
        if chunk.t_obs_s >= self._not_before_s:
            self._offered = chunk, measured_rad

    def clear(self) -> None:
        """Forget it."""
        self._offered = None

    def restart(self, now_s: float) -> None:
        """Forget it, and take none that was observed before now."""
        self._offered = None
        self._not_before_s = now_s

    def take(self, seq: int, measured_rad: Sequence[float], now_s: float) -> Chunk | str:
        """Return the chunk with this number, or why it must not be played. Nothing is forgotten by asking."""
        if self._offered is None:
            return "there is no chunk to confirm"
        chunk, then_rad = self._offered
        if chunk.seq != seq:
            return f"the chunk in hand is {chunk.seq}, not {seq}"
        if now_s - chunk.t_obs_s > LOOK_S:
            return f"what was seen is {now_s - chunk.t_obs_s:.0f} s old"
        if duration_s(chunk) > LONGEST_S:
            return f"the chunk lasts {duration_s(chunk):.1f} s; at most {LONGEST_S:g} s can be confirmed at once"
        # Asked this way round, a reading that is no number refuses too.
        if not all(abs(at - was) <= MOVED_RAD for at, was in zip(measured_rad, then_rad, strict=True)):
            return "the arm has moved since it was planned"
        return chunk
