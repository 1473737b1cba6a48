"""A small set that stays spread out while candidates stream past, so that it may be cut short at any moment.

Farthest-point selection for a stream: a full set takes a newcomer only if it stands farther from all members than the
two most alike members stand from each other, and one of those two gives up its place. The smallest distance in the set
therefore never shrinks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Spread:
    """At most `capacity` feature vectors of `width` numbers; Euclidean distance."""

    def __init__(self, capacity: int, width: int) -> None:
        self._features = np.zeros((capacity, width))
        self._distances = np.full((capacity, capacity), np.inf)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def closest(self) -> float:
        """The distance of the two members most alike; inf when there are fewer than two."""
        return float(self._distances.min(initial=np.inf))

    def offer(self, feature: NDArray[np.float64]) -> int | None:
        """Take a candidate in: the place it gets, another's if the set is full; None when it adds nothing."""
        distances = np.linalg.norm(self._features[: self._count] - feature, axis=1)
        nearest = float(distances.min(initial=np.inf))
        if self._count < len(self._features):
            if nearest == 0.0:
                return None
            place = self._count
            self._count += 1
        elif nearest > self.closest:
            place = self._most_alike()
        else:
            return None
        self._features[place] = feature
        self._distances[place, : len(distances)] = distances
        self._distances[: len(distances), place] = distances
        self._distances[place, place] = np.inf
        return place

    def _most_alike(self) -> int:
        """Of the two nearest members, the one that is nearer to the rest as well."""
        first, second = np.unravel_index(int(self._distances.argmin()), self._distances.shape)
        to_rest = [np.partition(self._distances[member], 1)[1] for member in (first, second)]
        return int(first if to_rest[0] <= to_rest[1] else second)
