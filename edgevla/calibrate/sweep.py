"""How far a joint was moved, in counts that go on beyond the end of a turn."""

from __future__ import annotations

TURN = 4096


class Sweep:
    """Follows one servo's reported positions, 0 .. 4095, from where it stands at first.

    Between two looks a joint must move by less than half a turn; then a step from 4090 to 5 is 11 counts forward, not
    4085 back. The lowest and the highest position may therefore lie outside 0 .. 4095: the range crosses the end of the
    count.
    """

    def __init__(self, position: int) -> None:
        self.start = self.position = self.low = self.high = position % TURN

    def see(self, position: int) -> None:
        """Take the newest reported position."""
        step = (position - self.position + TURN // 2) % TURN - TURN // 2
        self.position += step
        self.low, self.high = min(self.low, self.position), max(self.high, self.position)

    @property
    def span(self) -> int:
        """Counts between the ends."""
        return self.high - self.low

    @property
    def centre(self) -> float:
        """The middle between the ends."""
        return 0.5 * (self.low + self.high)
