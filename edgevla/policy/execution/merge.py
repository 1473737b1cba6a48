"""How a new plan is joined to what was planned before: pure functions, matched by time and never by counting rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgevla.policy.execution.guidance import prefix_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgevla.policy.execution.plan import Plan


def ensemble(plans: Sequence[Plan], decay: float) -> Plan:
    """Return the mean of all plans that say something, at the times of the newest: ACT's temporal ensemble, Octo's too.

    Weights exp(-decay i), i = 0 for the oldest plan that says something about the moment, normalised (arXiv 2304.13705,
    algorithm 2). On an exact grid this is what LeRobot's online update gives; a chunk that is late or missing leaves
    the others where they belong.

    Args:
        plans: oldest first.
        decay: 0 weighs all alike, a positive number the older more; ACT's is 0.01.
    """
    newest = plans[-1]
    said, covered = zip(*(plan.at(newest.times_s) for plan in plans), strict=True)
    older = np.cumsum(covered, axis=0) - 1
    weights = np.where(covered, np.exp(-decay * older), 0.0)
    return newest.with_rows(np.einsum("pt,ptj->tj", weights / weights.sum(axis=0), np.stack(said)))


def blend(plan: Plan, sent: Plan, old_weight: float) -> Plan:
    """Return old_weight * old + (1 - old_weight) * new where the plan sent before has something to say too.

    LeRobot's async client, `weighted_average`: 0.3. What was sent is itself a blend, so a plan fades with each new one.
    """
    return _mixed(plan, sent, np.full(len(plan.rows_rad), old_weight))


def tied_rows(plan: Plan, sent: Plan, delay_rows: int, guided_rows: int) -> tuple[int, int]:
    """Return how many rows of a plan are kept as they were sent before, and from which row on it is free.

    Args:
        delay_rows: that the plan sent before is still played for, at worst. They are all kept, so the plan is free no
            sooner than behind them; the plan sent before has nothing to say about more than it reaches.
        guided_rows: behind which the plan shall be free.
    """
    guided = min(max(guided_rows, delay_rows), sent.rows_ahead(plan))
    return min(delay_rows, guided), guided


def fade(plan: Plan, sent: Plan, frozen: int, guided: int, *, exponential: bool = False) -> Plan:
    """Return the plan sent before for `frozen` rows, then ever less of it, and from row `guided` on the new one.

    When `frozen` covers the latency, control changes over where both plans are the same: there is no seam.
    """
    return _mixed(plan, sent, prefix_weights(frozen, guided, len(plan.rows_rad), exponential=exponential))


def _mixed(plan: Plan, sent: Plan, old_weights: NDArray[np.floating]) -> Plan:
    old_rad, covered = sent.at(plan.times_s)
    weights = np.where(covered, old_weights.astype(np.float64), 0.0)[:, np.newaxis]
    return plan.with_rows(weights * old_rad + (1.0 - weights) * plan.rows_rad)
