"""What happened, for the operator: numbered lines, the newest kept, everybody who listens told at once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

import msgspec

from edgevla.console.audit import utc

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = 500
MAX_TEXT = 500
Level = Literal["info", "warn", "error"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line; `n` grows by one from entry to entry, `t` is UTC."""

    n: int
    t: str
    text: str
    level: Level


class Journal:
    """The event log of the page. It lives in memory; the audit log and the recording are what is kept."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0
        self._listeners: list[Callable[[Entry], None]] = []

    def add(self, text: str, level: Level = "info") -> None:
        """Write a line; a text that is too long is cut."""
        self._count += 1
        entry = Entry(n=self._count, t=utc(), text=text[:MAX_TEXT], level=level)
        self._entries.append(entry)
        for listener in self._listeners:
            listener(entry)

    def after(self, number: int) -> list[Entry]:
        """All that is kept of what came after the line of that number."""
        return [entry for entry in self._entries if entry.n > number]

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Tell it every line from now on; it must not wait."""
        self._listeners.append(listener)
