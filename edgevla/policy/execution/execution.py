"""`Execution`: how chunks follow each other, between the decoder and the message to control.

It keeps the contract of a chunk: the rows stand at the times of the newest observation, and an invalid chunk stays
invalid. And it knows when the past no longer counts: after an invalid chunk, another instruction, a gap, a clock that
went back, or when the arm is not where the last plan has it, because then that plan is not being played.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edgevla.policy.decode.base import Decoded
from edgevla.policy.execution.memory import Memory
from edgevla.policy.execution.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgevla.messages import Observation
    from edgevla.policy.execution.guidance import Guidance

    Merge = Callable[[Plan, Plan, Memory], Plan]
    Guide = Callable[[Plan, Plan, Memory, NDArray[np.float64]], Guidance | None]

_DELIVERY_S = 0.02  # from the policy process to control's next tick


class Execution:
    """Joins each chunk to those before it. Call `begin` before the engine runs and `finish` after decoding.

    Args:
        merge: what is sent, from the plan just made, the plan sent before and the memory.
        guide: what the next chunk is drawn to, from a plan without columns yet, the plan sent before, the memory and
            the observed (joints,) state. None when no chunk is drawn to anything.
        rate_hz: rows of a chunk a second.
        horizon: rows of a chunk.
        gap_s: observations farther apart have nothing to do with each other.
        astray_rad: (joints,) the arm farther than this from the last plan is not following it; None: never looked at.
        clock: CLOCK_MONOTONIC seconds, or simulated time; the clock of the observations.
    """

    def __init__(
        self,
        merge: Merge,
        guide: Guide | None,
        rate_hz: float,
        horizon: int,
        *,
        gap_s: float = np.inf,
        astray_rad: Sequence[float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._merge = merge
        self._guide = guide
        self._rate_hz = rate_hz
        self._horizon = horizon
        self._gap_s = gap_s
        self._astray_rad = None if astray_rad is None else np.array(astray_rad)
        self._clock = clock
        self._memory = Memory()
        self._t_obs_s = 0.0
        self._instruction = ""

    def reset(self) -> None:
        """Forget everything, the latencies too: what comes next is another robot, clock or episode."""
        self._memory = Memory()

    def begin(self, observation: Observation) -> Guidance | None:
        """Take in what the next chunk will be made from; return what it is to be drawn to, if anything."""
        if not self._continues(observation):
            self._memory.forget_plans()
        self._t_obs_s, self._instruction = observation.t_obs_s, observation.instruction
        sent = self._memory.sent
        if sent is None or self._guide is None:
            return None
        begun = Plan(observation.t_obs_s, self._rate_hz, np.empty((self._horizon, 0)))
        return self._guide(begun, sent, self._memory, observation.state_rad)

    def finish(self, decoded: Decoded) -> Decoded:
        """Return what to send: the chunk joined to the past. An invalid chunk or a finished task ends the past.

        A chunk with a row that is no number is invalid, whatever it says of itself: it would spoil those joined to it.
        """
        memory, decoded = self._memory, decoded.if_finite()
        if not decoded.valid or decoded.done:
            memory.forget_plans()
            return decoded
        memory.latencies_s.append(self._clock() - self._t_obs_s + _DELIVERY_S)
        plan = Plan(self._t_obs_s, self._rate_hz, decoded.actions_rad)
        while memory.made and memory.made[0].end_s < plan.t_obs_s:
            memory.made.popleft()
        memory.made.append(plan)
        memory.sent = plan if memory.sent is None else self._merge(plan, memory.sent, memory)
        return Decoded(memory.sent.rows_rad, True)

    def _continues(self, observation: Observation) -> bool:
        sent = self._memory.sent
        if sent is None or observation.instruction != self._instruction:
            return False
        if not 0.0 < observation.t_obs_s - sent.t_obs_s <= self._gap_s:
            return False
        state_rad = observation.state_rad
        if self._astray_rad is None or state_rad.shape != self._astray_rad.shape:
            return True
        planned_rad, _ = sent.at(np.array([observation.t_obs_s]))
        return bool((np.abs(state_rad - planned_rad[0]) <= self._astray_rad).all())
