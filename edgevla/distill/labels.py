"""What the teacher says about every row: plans drawn from its flow, and the feature it sees the row by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Labels:
    """The teacher's answers, one a row."""

    plan_rad: NDArray[np.float32]  # (n, draws, 12, 6) absolute setpoints
    feature: NDArray[np.float16]  # (n, 512)

    def averaged(self) -> Labels:
        """One plan a row, the mean of those drawn: for a head that can only answer with one."""
        return Labels(self.plan_rad.mean(1, keepdims=True), self.feature)

    def corrected(self, plan_rad: NDArray[np.float32]) -> Labels:
        """The same features with other plans, (n, 12, 6)."""
        return Labels(np.repeat(plan_rad[:, None], self.plan_rad.shape[1], axis=1), self.feature)

    def followed_by(self, other: Labels) -> Labels:
        """These rows, then those."""
        return Labels(np.concatenate([self.plan_rad, other.plan_rad]), np.concatenate([self.feature, other.feature]))
