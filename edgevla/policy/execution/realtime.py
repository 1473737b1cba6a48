"""Real-time chunking: the next chunk is made to continue the one that is played while it is made.

Two halves, tied to the same rows by the same weights. Before: the denoising loop is drawn to the plan that was sent,
put anew into the network's numbers against the new state (a delta policy's raw numbers from before would mean another
place by now). After: what guidance has left of the difference fades out. The rows that are past before the chunk can
arrive, at worst, are exactly those of the plan that is being played, so control changes over without a seam.

Real-time chunking asks for d <= s <= H - d, with d rows of latency, s rows between observations and H rows in all. One
inference after the other makes s >= d. No d above H / 2 can keep to it, so no more rows are kept: after one chunk that
took very long, the next ones must still be able to say something new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgevla.policy.execution.guidance import Guidance, prefix_weights
from edgevla.policy.execution.merge import fade, tied_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgevla.config.policy_families import Execution as Config
    from edgevla.policy.execution.memory import Memory
    from edgevla.policy.execution.plan import Plan

    # (horizon, joints) rad and the observed (joints,) state to (horizon, joints) network numbers
    Encode = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Fading:
    """The second half, for any policy.

    Args:
        config: the numbers of policy.yaml.
    """

    config: Config

    def merge(self, plan: Plan, sent: Plan, memory: Memory) -> Plan:
        """Return the plan, of which the first rows are those sent before, and the next ever less."""
        frozen, guided = self.tied(plan, sent, memory)
        return fade(plan, sent, frozen, guided, exponential=self.exponential)

    @property
    def exponential(self) -> bool:
        """Whether the weights fall exponentially, not linearly."""
        return self.config.weights == "exponential"

    def tied(self, plan: Plan, sent: Plan, memory: Memory) -> tuple[int, int]:
        """See `tied_rows`."""
        delay_rows = max(self.config.delay_ticks, memory.delay_rows(plan.rate_hz))
        return tied_rows(plan, sent, min(delay_rows, len(plan.rows_rad) // 2), self.config.guided_rows)


@dataclass(frozen=True, slots=True)
class Guiding:
    """The first half, for policies that denoise in a loop.

    Args:
        fading: the second half, which decides which rows are tied.
        encode: absolute rows into the network's numbers.
        width: columns of the loop's sample; those without a joint are drawn to 0, as in training.
        noise_at_1: the loop's direction of time.
    """

    fading: Fading
    encode: Encode
    width: int
    noise_at_1: bool

    def guide(self, begun: Plan, sent: Plan, memory: Memory, state_rad: NDArray[np.float64]) -> Guidance | None:
        """Return what draws the chunk about to be made; None when the plan sent does not reach that far."""
        frozen, guided = self.fading.tied(begun, sent, memory)
        if guided == 0:
            return None
        horizon = len(begun.rows_rad)
        rows_rad, covered = sent.at(begun.times_s)
        target = np.zeros((horizon, self.width), np.float32)
        target[covered, : rows_rad.shape[1]] = self.encode(rows_rad[covered], state_rad)
        weights = prefix_weights(frozen, guided, horizon, exponential=self.fading.exponential)
        return Guidance(target, weights, self.fading.config.max_guidance, self.noise_at_1)
