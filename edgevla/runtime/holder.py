"""Who holds the arm engaged: at most one of the connected operators, and only for as long as they keep saying so."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, TypeVar

from edgevla.messages import Mode

if TYPE_CHECKING:
    from edgevla.messages import Status

LEASE_S = 0.5

Who = TypeVar("Who")


class Holder(Generic[Who]):
    """One engagement after the other. Who asks for one is its holder until control says no, or until it ends."""

    def __init__(self) -> None:
        self.who: Who | None = None
        self._asked_s: float | None = None  # when control was asked, until it has answered
        self._beat_s = -math.inf

    @property
    def expires_s(self) -> float:
        """When the holder must have been heard of again; infinite without one."""
        return self._beat_s + LEASE_S if self.who is not None else math.inf

    def asks(self, who: Who, now_s: float) -> bool:
        """Somebody wants to engage, and control is asked now. False while another one holds the arm."""
        if self.who is not None and self.who is not who:
            return False
        self.who, self._asked_s, self._beat_s = who, now_s, now_s
        return True

    def beats(self, who: Who, t_s: float, now_s: float) -> bool:
        """Somebody was there at that moment; True when that keeps the arm engaged."""
        if self.who is not who or not math.isfinite(t_s):
            return False
        self._beat_s = max(self._beat_s, min(t_s, now_s))
        return True

    def hears(self, status: Status) -> Who | None:
        """What control says. Returns who has asked in vain, if somebody has."""
        if self.who is None:
            return None
        if self._asked_s is None:
            if status.mode is not Mode.ENGAGED:
                self.who = None  # it has ended, whoever ended it
            return None
        if status.t_s <= self._asked_s:
            return None  # said before the question was heard
        self._asked_s = None
        if status.mode is Mode.ENGAGED:
            return None
        refused, self.who = self.who, None
        return refused

    def lets_go(self) -> None:
        """Nobody holds the arm any more."""
        self.who = self._asked_s = None
