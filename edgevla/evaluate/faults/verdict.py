"""What a cell came to: from what the operator heard and what the wire says to a row of the matrix. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edgevla.messages import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.evaluate.faults.vocabulary import Cell
    from edgevla.evaluate.faults.wire import WireVerdict
    from edgevla.messages import Status

GONE = "gone"  # instead of a mode, when the control process has ended
MOTION_ENDS_MS = 300.0  # from the end of the engagement
_TICKS_SHARE = 0.5  # of the ticks there should be; fewer, and the loop did not go on
_MOST_PROBLEMS = 5


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times in ms from the fault; None where there was nothing of the kind.

    `detected_ms`: the first sign that anybody noticed; a hold may be one, and pass. `ended_ms`: the engagement is over.
    `stopped_ms`: the last goal that moved; None for an arm that went on. `excursion`: the largest share of a limit that
    any goal on the wire took up. `problems`: what was not as expected; none is a pass.
    """

    fault: str
    broken: tuple[str, ...]  # target and kind of each fault
    detected_ms: float | None
    ended_ms: float | None
    stopped_ms: float | None
    excursion: float | None
    mode: str
    reason: str
    expected: tuple[str, ...]
    problems: tuple[str, ...]
    phase_s: float  # how long the arm had moved when the fault came
    goals: int


@dataclass(frozen=True, slots=True)
class Watched:
    """What the operator saw. Times are CLOCK_MONOTONIC seconds.

    `before`: the last status before the fault; `heard`: all after it; `settled`: how many of those had come when the
    fault was mended. `gone_s`: when the control process ended. `exit_code`: its, once the session was closed.
    """

    broken_s: float
    phase_s: float
    before: Status
    heard: Sequence[Status]
    settled: int
    gone_s: float | None
    exit_code: int | None
    first_mode: Mode

    @property
    def end(self) -> Status:
        """The last status before the fault was mended."""
        return self.heard[self.settled - 1] if self.settled else self.before

    @property
    def mode(self) -> str:
        """Where the fault led."""
        return GONE if self.gone_s is not None else self.end.mode.value

    @property
    def detected_s(self) -> float | None:
        """When the mode, its reason or the count of held ticks first told of the fault."""
        for status in self.heard:
            told = status.reason != self.before.reason or status.bounds.held > self.before.bounds.held
            if (told or status.mode is not Mode.ENGAGED) and status.t_s >= self.broken_s:
                return status.t_s
        return self.gone_s

    @property
    def ended_s(self) -> float | None:
        """When the engagement was over."""
        return next((status.t_s for status in self.heard if status.mode is not Mode.ENGAGED), self.gone_s)


def judge(cell: Cell, watched: Watched, wire: WireVerdict | None, rate_hz: float) -> CellResult:
    """Compare what happened with what the plan expects.

    Args:
        wire: None where the bytes were not captured.
        rate_hz: of the control loop.
    """
    detected_ms, ended_ms = (_ms(t_s, watched.broken_s) for t_s in (watched.detected_s, watched.ended_s))
    goes_on = watched.mode == Mode.ENGAGED.value
    stopped_ms = None if goes_on or wire is None else _ms(wire.last_move_s, watched.broken_s)
    problems = [
        *_wrong_end(cell, watched),
        *_late(cell, detected_ms, ended_ms, stopped_ms),
        *_unruly(cell, watched, rate_hz),
        *(f"on the wire: {each}" for each in (wire.violations if wire is not None else ())),
    ]
    return CellResult(
        fault=cell.name,
        broken=tuple(f"{fault.target} {fault.kind}" for fault in cell.faults),
        detected_ms=detected_ms,
        ended_ms=ended_ms,
        stopped_ms=stopped_ms,
        excursion=round(wire.worst, 3) if wire is not None else None,
        mode=watched.mode,
        reason=watched.end.reason,
        expected=cell.expect.modes,
        problems=tuple(problems[:_MOST_PROBLEMS]),
        phase_s=round(watched.phase_s, 3),
        goals=wire.goals if wire is not None else 0,
    )


def _wrong_end(cell: Cell, watched: Watched) -> list[str]:
    problems = []
    if watched.mode not in cell.expect.modes:
        problems.append(f"ended {watched.mode}, expected {' or '.join(cell.expect.modes)}: {watched.end.reason}")
    if cell.expect.reason not in watched.end.reason:
        problems.append(f'the reason "{watched.end.reason}" does not say "{cell.expect.reason}"')
    return problems


def _late(cell: Cell, detected_ms: float | None, ended_ms: float | None, stopped_ms: float | None) -> list[str]:
    problems = []
    bound_ms = cell.expect.detected * 1e3
    if bound_ms and (detected_ms is None or detected_ms > bound_ms):
        found = "not at all" if detected_ms is None else f"after {detected_ms:.0f} ms"
        problems.append(f"detected {found}; {bound_ms:.0f} ms are expected")
    if stopped_ms is not None and ended_ms is not None and stopped_ms - ended_ms > MOTION_ENDS_MS:
        problems.append(f"goals moved for {stopped_ms - ended_ms:.0f} ms after the end, {MOTION_ENDS_MS:.0f} allowed")
    return problems


def _unruly(cell: Cell, watched: Watched, rate_hz: float) -> list[str]:
    """What no fault excuses."""
    problems = []
    if watched.first_mode is not Mode.DISARMED:
        problems.append(f"the control process came up {watched.first_mode.value}, not disarmed")
    left = [status.mode is not Mode.ENGAGED for status in watched.heard]
    if True in left and not all(left[left.index(True) :]):
        problems.append("it engaged again by itself")
    if watched.gone_s is None:
        span_s = watched.heard[-1].t_s - watched.before.t_s if watched.heard else 0.0
        ticks = watched.heard[-1].ticks - watched.before.ticks if watched.heard else 0
        if ticks < _TICKS_SHARE * span_s * rate_hz or not watched.heard:
            problems.append(f"the loop made {ticks} ticks in {span_s:.1f} s")
    killed = any((fault.target, fault.kind) == ("control", "off") for fault in cell.faults)
    if watched.exit_code and not killed:
        problems.append(f"the control process left with exit code {watched.exit_code}")
    return problems


def _ms(t_s: float | None, from_s: float) -> float | None:
    return None if t_s is None else round(max(0.0, t_s - from_s) * 1e3, 1)
