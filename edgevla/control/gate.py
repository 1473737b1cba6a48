"""`Gate` is the last look at the bytes. It knows nothing of plans or of `Limits`: it decodes what is about to be sent.

Default deny: only listed writes pass, each with its device, register, length and raw range. Goal positions may change
by so much a message and so much in 250 ms, and messages may come only so often: slightly wider than `Limits`, which
sits above it. A violation is a bug somewhere above: the frame is blocked, and so is every later write, until a person
resets. Reads always pass; a frame that cannot be decoded never does.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgevla.registers import AllowedWrite, RegisterWrite

WINDOW_S = 0.25
_WIDER = 1.25  # than what Limits allows, so that rounding and jitter never trip it
_ROUNDING_COUNTS = 2


class GateBlocked(EdgeVLAError):
    """A frame was about to leave the envelope. It did not leave."""


@dataclass(frozen=True, slots=True)
class GoalRule:
    """How fast the raw goal of one device may change.

    Args:
        counts_s: the joint's velocity limit in raw counts per second.
        period_s: the control period.
    """

    counts_s: float
    period_s: float

    @property
    def step_counts(self) -> int:
        """Largest change from one message to the next."""
        return math.ceil(self.counts_s * self.period_s * _WIDER) + _ROUNDING_COUNTS

    @property
    def window_counts(self) -> int:
        """Largest change within 250 ms."""
        return math.ceil(self.counts_s * WINDOW_S * _WIDER) + _ROUNDING_COUNTS


class _Sent:
    """The goals that passed lately, for one device."""

    def __init__(self) -> None:
        self.raw: deque[int] = deque()
        self._times_s: deque[float] = deque()

    def append(self, now_s: float, raw: int) -> None:
        self._times_s.append(now_s)
        self.raw.append(raw)

    def forget(self, until_s: float) -> None:
        """Drop what is older, but never the last: however long ago it was, time alone earns no bigger step."""
        while len(self.raw) > 1 and self._times_s[0] <= until_s:
            self._times_s.popleft()
            self.raw.popleft()

    def clear(self) -> None:
        self.raw.clear()
        self._times_s.clear()


class Gate:
    """Checks every frame before the port sends it; `check` is the port's guard.

    Args:
        allowed: the writes that may pass, from the bus' codec and the envelope.
        goals: for each (device, register) that moves a joint, how fast it may change.
        decode: the codec's reading of an outgoing frame; it raises ValueError for anything that is not a read or a
            well-formed write.
        period_s: the control period, for the message rate.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[AllowedWrite],
        goals: Mapping[tuple[int, int], GoalRule],
        decode: Callable[[bytes], Sequence[RegisterWrite]],
        period_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._allowed = {(rule.device, rule.address): rule for rule in allowed}
        self._goals = dict(goals)
        self._decode = decode
        self._clock = clock
        self._max_goals_in_window = math.ceil(WINDOW_S / period_s * _WIDER) + 1
        self._sent = {key: _Sent() for key in goals}
        self._setup = False
        self.violation = ""

    def open_setup(self) -> None:
        """Allow the writes that prepare a servo (torque, acceleration ...): only while no plan is played."""
        self._setup = True

    def close_setup(self) -> None:
        """From here on only goal positions pass."""
        self._setup = False

    def anchor(self, standing: Sequence[RegisterWrite]) -> None:
        """Where the joints stand, as the goals that would keep them there: the first real goals are measured on it."""
        now_s = self._clock()
        for write in standing:
            sent = self._sent[(write.device, write.address)]
            sent.clear()
            sent.append(now_s, write.value)

    def reset(self) -> None:
        """A person has looked at the violation. Goals need a new anchor before any passes."""
        self.violation = ""
        self._setup = False
        for sent in self._sent.values():
            sent.clear()

    def check(self, frame: bytes) -> None:
        """Let the frame pass, or block it and every write after it.

        Raises:
            GateBlocked: the frame must not be sent.
        """
        now_s = self._clock()
        try:
            writes = self._decode(frame)
        except ValueError as error:
            raise self._block(f"{error}", frame) from None
        if not writes:
            return
        if self.violation and not self._only_switches_off(writes):
            raise GateBlocked(f"blocked since: {self.violation}", fix="look at the flight log, then reset")
        for write in writes:
            reason = self._refusal(write, now_s)
            if reason:
                raise self._block(reason, frame)
        for write in writes:
            key = (write.device, write.address)
            if key in self._goals:
                self._sent[key].append(now_s, write.value)

    def _only_switches_off(self, writes: Sequence[RegisterWrite]) -> bool:
        """Zeros for set-up registers, while set-up is open: taking the torque away stays possible after a violation."""
        return self._setup and all(
            write.value == 0 and (write.device, write.address) not in self._goals for write in writes
        )

    def _refusal(self, write: RegisterWrite, now_s: float) -> str:
        name = f"device {write.device} register {write.address}"
        rule = self._allowed.get((write.device, write.address))
        if rule is None:
            return f"{name} is not on the list"
        if len(write.data) != rule.length:
            return f"{name}: {len(write.data)} bytes, {rule.length} allowed"
        if rule.phase == "setup" and not self._setup:
            return f"{name} may only be written while setting up"
        if not rule.low <= write.value <= rule.high:
            return f"{name}: {write.value} outside {rule.low} .. {rule.high}"
        goal = self._goals.get((write.device, write.address))
        return "" if goal is None else self._goal_refusal(write, goal, name, now_s)

    def _goal_refusal(self, write: RegisterWrite, goal: GoalRule, name: str, now_s: float) -> str:
        sent = self._sent[(write.device, write.address)]
        if not sent.raw:
            return f"{name}: a goal before the position is known"
        sent.forget(now_s - WINDOW_S)
        step = abs(write.value - sent.raw[-1])
        if step > goal.step_counts:
            return f"{name}: a step of {step} counts, {goal.step_counts} allowed"
        change = max(write.value - min(sent.raw), max(sent.raw) - write.value)
        if change > goal.window_counts:
            return f"{name}: {change} counts within 250 ms, {goal.window_counts} allowed"
        if len(sent.raw) >= self._max_goals_in_window:
            return f"{name}: more than {self._max_goals_in_window} goals within 250 ms"
        return ""

    def _block(self, reason: str, frame: bytes) -> GateBlocked:
        self.violation = self.violation or reason
        return GateBlocked(f"{reason} (frame {frame.hex(' ')})", fix="this is a bug above the gate: keep the log")
