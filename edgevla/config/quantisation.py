"""What quantisation may cost: the error budget of a bundle, in the robot's units.

Annotations are not postponed in this file: msgspec reads them.
"""

from typing import Annotated

from edgevla.config.allowed import within
from edgevla.config.policy_families import Section
from edgevla.config.report import Report

RadAboveZero = Annotated[float, within(above=0)]
SECTION = "quantisation"


class Quantisation(Section, frozen=True, kw_only=True):
    """How far the decoded actions of a quantised graph may be from those of the fp32 graph, over held-out observations.

    `mean_rad`, `p99_rad` and `worst_rad` hold for every joint; `gripper_flips` is a share of all rows.
    """

    mean_rad: RadAboveZero = 0.01
    p99_rad: RadAboveZero = 0.03
    worst_rad: RadAboveZero = 0.05
    gripper_flips: Annotated[float, within(at_least=0, at_most=1)] = 0.0


def check_quantisation(report: Report, budget: Quantisation) -> None:
    """Note a budget that contradicts itself: a mean cannot exceed its own 99th percentile's bound, nor that the worst.

    Args:
        report: of the whole policy.yaml.
        budget: its section `quantisation`.
    """
    if budget.p99_rad > budget.worst_rad:
        report.add((SECTION,), f"p99_rad is {budget.p99_rad:g}; must be at most worst_rad, {budget.worst_rad:g}")
    if budget.mean_rad > budget.worst_rad:
        report.add((SECTION,), f"mean_rad is {budget.mean_rad:g}; must be at most worst_rad, {budget.worst_rad:g}")
