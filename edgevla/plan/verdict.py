"""Which precision and which rate fit a machine, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.plan.errors import PlanRefused
from edgevla.plan.published import EFFICIENCY, WITHIN
from edgevla.plan.roofline import estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.engine.targets import Target
    from edgevla.plan.roofline import Estimate, Precision
    from edgevla.plan.work import Work

PRECISIONS: tuple[Precision, ...] = ("fp16", "int8")  # what engines are built in, the safest first
MEMORY_SHARE = 0.75  # of a Jetson's memory; the system, the cameras and CUDA itself share it


@dataclass(frozen=True, slots=True)
class Option:
    """One precision on one target. `wanted_hz`: how often a chunk is asked for; None when nobody said."""

    precision: Precision
    estimate: Estimate
    memory_budget_mb: float
    wanted_hz: float | None

    @property
    def rate_hz(self) -> float:
        """How many chunks a second, one after the other."""
        return 1e3 / self.estimate.ms

    @property
    def span_ms(self) -> tuple[float, float]:
        """Where the measurement is to be expected, if the model errs as it does on the published rows that it hits."""
        return self.estimate.ms / (1.0 + WITHIN), self.estimate.ms / (1.0 - WITHIN)

    @property
    def sure_hz(self) -> float:
        """The rate at the slow end of `span_ms`."""
        return 1e3 / self.span_ms[1]

    @property
    def fits_memory(self) -> bool:
        """Whether it can be loaded."""
        return self.estimate.memory_mb <= self.memory_budget_mb

    @property
    def verdict(self) -> str:
        """In words; empty when no rate was asked for and it fits."""
        if not self.fits_memory:
            needs, has = self.estimate.memory_mb / 1e3, self.memory_budget_mb / 1e3
            return f"does not fit: {needs:.1f} GB of {has:.1f} GB"
        if self.wanted_hz is None:
            return ""
        ratio = self.rate_hz / self.wanted_hz
        if self.sure_hz >= self.wanted_hz:
            return f"fits {self.wanted_hz:g} Hz, {ratio:.1f} times over"
        return f"may fit {self.wanted_hz:g} Hz, {ratio:.2f} times" if ratio >= 1.0 else f"too slow: {ratio:.2f} times"


def options(work: Sequence[Work], target: Target, wanted_hz: float | None) -> tuple[Option, ...]:
    """Reckon every precision that the target can do.

    Raises:
        PlanRefused: the target has no GPU, or there is nothing to reckon.
    """
    if not target.compute_capability:
        raise PlanRefused(
            f"{target.title}: has no GPU, and the model is one of GPUs",
            fix="time a processor instead: edgevla latency",
        )
    if not work:
        raise PlanRefused("there is no matrix product, convolution or norm to reckon", fix="check the graph")
    budget_mb = MEMORY_SHARE * target.memory_gb * 1e3
    return tuple(Option(each, estimate(work, target, EFFICIENCY, each), budget_mb, wanted_hz) for each in PRECISIONS)


def recommend(found: Sequence[Option]) -> Option | None:
    """The first precision that surely keeps up, else the first that may, else none."""
    loaded = [option for option in found if option.fits_memory]
    surely = [option for option in loaded if option.sure_hz >= (option.wanted_hz or 0.0)]
    perhaps = [option for option in loaded if option.rate_hz >= (option.wanted_hz or 0.0)]
    return next(iter(surely + perhaps), None)
