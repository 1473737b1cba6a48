"""`Timeline` places chunks in time: which setpoint does the newest valid plan ask for at this moment?

Row i of a chunk belongs to `t_obs + i / rate`; in between the plan is linear. A chunk that took long to compute is
therefore entered late, at the row its age says, never at row 0; behind the last row the plan stands still; and a plan
older than `hold_after_s`, counted from its observation, asks for nothing any more.

A chunk that a person has looked at and confirmed is the exception: it is played once, from its first row, to its end,
and nothing else is taken in meanwhile.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edgevla.control.limits import Wanted

if TYPE_CHECKING:
    from edgevla.messages import Chunk

_FUTURE_S = 0.05  # an observation from further ahead is a clock gone wrong
_MAX_ROWS = 1024


class Timeline:
    """The newest valid plan.

    Args:
        joints: how many numbers a row must have.
        hold_after_s: age, from its observation, at which a plan is not played any more.
    """

    def __init__(self, joints: int, hold_after_s: float) -> None:
        self._joints = joints
        self._hold_after_s = hold_after_s
        self._chunk: Chunk | None = None
        self._observed_s = -math.inf
        self._not_before_s = -math.inf
        self._confirmed_until_s: float | None = None

    @property
    def chunk(self) -> Chunk | None:
        """The plan being played."""
        return self._chunk

    def clear(self) -> None:
        """Forget the plan."""
        self._chunk = None

    def restart(self, now_s: float) -> None:
        """Forget the plan, and take none that was observed before now: what a stop ended is not played after it."""
        self._chunk = None
        self._not_before_s = now_s
        self._confirmed_until_s = None

    def confirm(self, chunk: Chunk, now_s: float) -> None:
        """Play a chunk that `offer` has found whole: row 0 now, whatever the age of its observation."""
        self._chunk = replace(chunk, t_obs_s=now_s)
        self._observed_s = now_s
        self._confirmed_until_s = now_s + duration_s(chunk)

    @property
    def confirmed(self) -> bool:
        """Whether a confirmed chunk is being played, or would be if nothing had dropped it."""
        return self._confirmed_until_s is not None

    def over(self, now_s: float) -> bool:
        """Whether a confirmed chunk has come to its last row."""
        return self._confirmed_until_s is not None and now_s >= self._confirmed_until_s

    def offer(self, chunk: Chunk, now_s: float) -> str:
        """Take a chunk in, or say in a few words why not.

        A chunk that is invalid drops the older plan too, so that the arm holds instead of playing the last-but-one
        guess. One that is merely late or out of order changes nothing.
        """
        broken = self._broken(chunk, now_s)
        if broken:
            self.clear()
            return broken
        if self.confirmed or self._too_old(chunk, now_s) or chunk.t_obs_s < self._not_before_s:
            return ""
        if self._chunk is not None and chunk.t_obs_s < self._chunk.t_obs_s:
            return ""
        self._chunk = chunk
        self._observed_s = chunk.t_obs_s
        return ""

    def age_s(self, now_s: float) -> float:
        """Age of the newest observation that led to a valid plan, dropped or not; infinite before the first."""
        return now_s - self._observed_s

    def wanted(self, now_s: float) -> Wanted | None:
        """What the plan asks for at this moment, or None when there is no plan fresh enough to ask."""
        chunk = self._chunk
        if chunk is None or (self._too_old(chunk, now_s) and not self.confirmed):
            return None
        row = max(0.0, (now_s - chunk.t_obs_s) * chunk.rate_hz)
        last = len(chunk.actions_rad) - 1
        if row >= last:
            return Wanted(chunk.actions_rad[last], (0.0,) * self._joints)
        index = int(row)
        share = row - index
        before, after = chunk.actions_rad[index], chunk.actions_rad[index + 1]
        return Wanted(
            tuple(a + share * (b - a) for a, b in zip(before, after, strict=True)),
            tuple((b - a) * chunk.rate_hz for a, b in zip(before, after, strict=True)),
        )

    def _too_old(self, chunk: Chunk, now_s: float) -> bool:
        return now_s - chunk.t_obs_s > self._hold_after_s

    def _broken(self, chunk: Chunk, now_s: float) -> str:
        name = f"chunk {chunk.seq}"
        if not chunk.valid:
            return chunk.reason or "the policy marked its chunk invalid"
        if not (math.isfinite(chunk.t_obs_s) and math.isfinite(chunk.rate_hz) and chunk.rate_hz > 0.0):
            return f"{name} has no usable time: t_obs {chunk.t_obs_s}, rate {chunk.rate_hz} Hz"
        if chunk.t_obs_s > now_s + _FUTURE_S:
            return f"{name} was observed {chunk.t_obs_s - now_s:.3f} s in the future"
        if not 0 < len(chunk.actions_rad) <= _MAX_ROWS:
            return f"{name} has {len(chunk.actions_rad)} rows; 1 to {_MAX_ROWS} are allowed"
        reasons = (self._broken_row(row) for row in chunk.actions_rad)
        return next((f"{name} row {index} {reason}" for index, reason in enumerate(reasons) if reason), "")

    def _broken_row(self, row: tuple[float, ...]) -> str:
        if len(row) != self._joints:
            return f"has {len(row)} numbers for {self._joints} joints"
        return "" if all(map(math.isfinite, row)) else "is not finite"


def duration_s(chunk: Chunk) -> float:
    """From the first row of a chunk to its last, s."""
    return (len(chunk.actions_rad) - 1) / chunk.rate_hz
