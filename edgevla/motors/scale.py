"""Between a joint's angle and raw counts: `counts = zero_counts + sign * angle * per_turn / 2 pi`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from edgevla.motors.errors import GoalInvalid, ServoRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.config.robot import Joint


class CountScale(NamedTuple):
    """Positions in 0 .. `per_turn` - 1, one turn."""

    per_turn: int

    @property
    def per_rad(self) -> float:
        """Counts in 1 rad."""
        return self.per_turn / math.tau

    @property
    def last(self) -> int:
        """The highest count."""
        return self.per_turn - 1

    def angle_rad(self, joint: Joint, counts: int) -> float:
        """Return the joint angle at `counts`."""
        return joint.sign * (counts - joint.zero_counts) / self.per_rad

    def speed_rad_s(self, joint: Joint, counts_s: int) -> float:
        """Return the joint speed at `counts_s`."""
        return joint.sign * counts_s / self.per_rad

    def goal(self, joint: Joint, goal_rad: float) -> int:
        """Return the counts nearest to the angle.

        Raises:
            GoalInvalid: not finite, or beyond what can be counted.
        """
        if not math.isfinite(goal_rad):
            raise GoalInvalid(f"{joint.name}: the goal {goal_rad} rad is not finite")
        counts = joint.zero_counts + round(joint.sign * goal_rad * self.per_rad)
        if not 0 <= counts <= self.last:
            raise GoalInvalid(
                f"{joint.name}: the goal {goal_rad:.3f} rad is {counts} counts, outside 0 .. {self.last}",
                fix="correct its zero_counts",
            )
        return counts

    def goals(self, joints: Sequence[Joint], position_rad: Sequence[float]) -> tuple[int, ...]:
        """Return the counts nearest to the angles, joint by joint.

        Raises:
            GoalInvalid: not one a joint, not finite, or beyond what can be counted.
        """
        if len(position_rad) != len(joints):
            raise GoalInvalid(f"{len(position_rad)} goals for {len(joints)} joints")
        return tuple(self.goal(joint, goal_rad) for joint, goal_rad in zip(joints, position_rad, strict=True))

    def envelope(self, joint: Joint) -> tuple[int, int]:
        """Return the lowest and the highest goal inside `position_hard`, rounded inwards.

        Raises:
            ServoRefused: it cannot be counted that far.
        """
        ends = sorted(joint.zero_counts + joint.sign * bound * self.per_rad for bound in joint.position_hard)
        low, high = math.ceil(ends[0]), math.floor(ends[1])
        if low < 0 or high > self.last or low > high:
            raise ServoRefused(
                f"{joint.name}: position_hard is {low} .. {high} counts at zero_counts {joint.zero_counts}, "
                f"positions are 0 .. {self.last}",
                fix="narrow position_hard, or turn the servo so that its middle is the joint's middle",
            )
        return low, high
