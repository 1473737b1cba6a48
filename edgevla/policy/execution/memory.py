"""What one chunk has to know of those before it: the plans made, the plan sent, and how long making one takes."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgevla.policy.execution.plan import Plan

_LATENCIES = 50  # chunks whose latency counts; at 10 Hz five seconds


@dataclass(slots=True)
class Memory:
    """Written by `Execution` only; how chunks follow each other are functions that read it."""

    made: deque[Plan] = field(default_factory=deque)  # as decoded, oldest first; those that still reach ahead
    sent: Plan | None = None  # what control was given last
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))

    def forget_plans(self) -> None:
        """Nothing that was planned is tied to what comes. How long a chunk takes is still known."""
        self.made.clear()
        self.sent = None

    def delay_rows(self, rate_hz: float) -> int:
        """Return the rows of a new chunk that the plan before it is still played for, at worst.

        Control interpolates between rows, so the row after the moment of arrival counts too.
        """
        return math.ceil(max(self.latencies_s, default=0.0) * rate_hz) + 1
