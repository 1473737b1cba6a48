"""What somebody who reads a recording wants to find: changes of mode, refusals, and where the policy was overruled.

The same eyes look at the ticks while they are recorded, for the log lines, and afterwards, for the exported episodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from edgevla.messages import Event, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgevla.messages import Chunk, TickRecord

_REFUSED = " refused: "
_OVER = "the confirmed chunk is over"  # ends an engagement as planned


class Happening(NamedTuple):
    """One line. `intervention`: the policy did not get its way here, by a person's hand or by the bounds."""

    t_s: float
    text: str
    level: Literal["info", "warning", "error"]
    intervention: bool


class Watcher:
    """Looks at ticks and chunks, in their order."""

    def __init__(self) -> None:
        self._before: TickRecord | None = None
        self._reason = ""
        self._done_seq = -1

    def plan(self, chunk: Chunk) -> None:
        """Know that a plan says it is done: letting go then is no intervention."""
        if chunk.done:
            self._done_seq = chunk.seq

    def tick(self, tick: TickRecord) -> Iterator[Happening]:
        """What has changed with this tick."""
        before, self._before = self._before, tick
        reason = tick.reason or self._reason
        changed = before is None or tick.mode is not before.mode
        if changed or reason != self._reason:
            self._reason = reason
            stepped_in = _REFUSED in reason or (
                before is not None and before.mode is Mode.ENGAGED and changed and not self._as_planned(before, reason)
            )
            level: Literal["info", "warning", "error"] = "warning" if stepped_in else "info"
            yield Happening(
                tick.t_s, f"{tick.mode.value}: {reason}", "error" if tick.mode is Mode.FAULT else level, stepped_in
            )
        if tick.held and not (before is not None and before.held):
            yield Happening(tick.t_s, "the bounds hold the arm", "warning", True)

    def _as_planned(self, engaged: TickRecord, reason: str) -> bool:
        """Whether an engagement has ended because there was nothing more to do."""
        released = reason.startswith(Event.RELEASE.value)
        return released and (_OVER in reason or engaged.chunk_seq == self._done_seq >= 0)
