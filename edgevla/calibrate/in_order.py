"""The choice for a policy that remembers: all that comes, in its order, until there is enough.

What such a policy answers depends on the observations before, so a set with gaps in it shows an empty memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class InOrder:
    """At most `capacity` members, none replaced. What was taken in before adds nothing: a run that begins anew."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._members: set[bytes] = set()

    def offer(self, feature: NDArray[np.float64]) -> int | None:
        """Take a candidate in: the place it gets, after all others; None when it adds nothing."""
        member = feature.tobytes()
        if member in self._members or len(self._members) == self._capacity:
            return None
        self._members.add(member)
        return len(self._members) - 1
