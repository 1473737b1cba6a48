"""A plan in time: rows of joint setpoints, and what they say at other moments than their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]

_ROUNDING = 1e-6  # rows: an observation's time is a float, and must not miss the last row by its last digit


@dataclass(frozen=True, slots=True)
class Plan:
    """Row i of `rows_rad` (horizon, joints) is the setpoint for `t_obs_s + i / rate_hz`; in between it is linear."""

    t_obs_s: float
    rate_hz: float
    rows_rad: Rows

    @property
    def times_s(self) -> Rows:
        """Return (horizon,) when each row is due."""
        return self.t_obs_s + np.arange(len(self.rows_rad)) / self.rate_hz

    @property
    def end_s(self) -> float:
        """When the last row is due."""
        return self.t_obs_s + (len(self.rows_rad) - 1) / self.rate_hz

    def with_rows(self, rows_rad: Rows) -> Plan:
        """Return a plan for the same moments."""
        return Plan(self.t_obs_s, self.rate_hz, rows_rad)

    def rows_ahead(self, newer: Plan) -> int:
        """Return how many of the first rows of a newer plan this one has something to say about."""
        return int(self.at(newer.times_s)[1].sum())

    def at(self, times_s: Rows) -> tuple[Rows, NDArray[np.bool_]]:
        """Return what the plan says at (times,): (times, joints) rad, and (times,) where it says anything.

        Before its first and behind its last row it says nothing; the nearest row stands there, not to be used.
        """
        last = len(self.rows_rad) - 1
        row = (times_s - self.t_obs_s) * self.rate_hz
        covered = (row >= -_ROUNDING) & (row <= last + _ROUNDING)
        row = np.clip(row, 0.0, last)
        before = np.minimum(row.astype(np.intp), max(last - 1, 0))
        share = (row - before)[:, np.newaxis]
        after = np.minimum(before + 1, last)
        return self.rows_rad[before] + share * (self.rows_rad[after] - self.rows_rad[before]), covered
