"""Something visible changes, and the first goal that answers it: the record of a glass-to-motor measurement. No I/O.

A policy under measurement drives its joint up while the lens is covered and down while it is not. Goals that are on
their way to the old place, or stand there, never move towards the new one, so the first that does is the answer.
"""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Cover and uncover the lens `count` times in all, after pauses drawn from `seed`."""

    count: int
    seed: int


class Blink(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `answered_s`: when the last byte of the answering goal was there; None when none came."""

    t_s: float
    covered: bool
    answered_s: float | None = None


class BlinkLog:
    """Takes changes and goals in the order of their time, and finds the answer to the latest change."""

    def __init__(self) -> None:
        self._covered: bool | None = None
        self._counts: int | None = None
        self.answered_s: float | None = None

    def change(self, covered: bool) -> None:
        """The lens is about to be covered or uncovered; an answer to the change before is not waited for any more."""
        self._covered = covered
        self.answered_s = None

    def goal(self, t_s: float, counts: int) -> bool:
        """A goal has arrived, in raw counts that grow with the joint's angle. Whether it is the answer."""
        before, self._counts = self._counts, counts
        if self._covered is None or self.answered_s is not None or before is None or counts == before:
            return False
        if (counts > before) != self._covered:
            return False
        self.answered_s = t_s
        return True
