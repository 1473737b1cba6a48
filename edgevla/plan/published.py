"""The model against measurements that others have published: the test of the estimate, and what it is fitted on.

Two rows give the two efficiencies of the tensor cores; every other row is a prediction. A row whose policy has the
shapes of a fitted one is counted apart: it tests little.

Annotations are not postponed in this file: msgspec reads them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgevla.config.allowed import Text, within
from edgevla.config.convert import convert
from edgevla.config.source import read_yaml
from edgevla.engine.targets import target
from edgevla.plan.roofline import Efficiency, Precision, estimate
from edgevla.plan.shapes import Component, work_of

FILE = Path(__file__).with_name("published.yaml")
WITHIN = 0.35

# What `fit` finds, rounded; a test compares.
EFFICIENCY = Efficiency(fp16=0.589, int8=0.380)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shapes of one policy as it was measured."""

    source: Text
    components: tuple[Component, ...]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One measurement. `fits`: the efficiency that is fitted on it."""

    policy: Text
    precision: Literal["fp16", "int8", "int4"]
    overrides: dict[str, Literal["fp16", "int8", "int4"]] = {}
    ms: Annotated[float, within(above=0)]
    runtime: Text
    source: Text
    fits: Literal["", "fp16", "int8"] = ""
    note: str = ""


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    format: Literal["edgevla-published/1"]
    target: Text
    policies: dict[str, Policy]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row with what the model says. `error` is relative to the measurement."""

    row: Row
    estimate_ms: float
    same_shapes: bool

    @property
    def error(self) -> float:
        """(estimate - measured) / measured."""
        return self.estimate_ms / self.row.ms - 1.0

    @property
    def kind(self) -> Literal["fitted", "hit", "miss"]:
        """Fitted rows are neither hit nor miss."""
        if self.row.fits:
            return "fitted"
        return "hit" if abs(self.error) <= WITHIN else "miss"


@cache
def published() -> Published:
    """The measurements that come with this package."""
    return convert(read_yaml(FILE), Published)


def predict(row: Row, efficiency: Efficiency) -> float:
    """What the model says to one row, in ms."""
    data = published()
    work = work_of(data.policies[row.policy].components)
    overrides: dict[str, Precision] = dict(row.overrides)
    return estimate(work, target(data.target), efficiency, row.precision, overrides).ms


def fit() -> Efficiency:
    """The efficiencies with which the model meets the two fitted rows: fp16 first, then int8 given it."""
    rows = {row.fits: row for row in published().rows if row.fits}
    fp16 = _meet(rows["fp16"], lambda share: Efficiency(fp16=share, int8=share))
    int8 = _meet(rows["int8"], lambda share: Efficiency(fp16=fp16, int8=share))
    return Efficiency(fp16=fp16, int8=int8)


def compare(efficiency: Efficiency = EFFICIENCY) -> tuple[Verdict, ...]:
    """Every row, hit or miss, in the order of the file."""
    rows = published().rows
    fitted = {row.policy for row in rows if row.fits}
    return tuple(Verdict(row, predict(row, efficiency), row.policy in fitted and not row.fits) for row in rows)


def _meet(row: Row, with_share: Callable[[float], Efficiency]) -> float:
    """Bisect: a larger share is never slower."""
    low, high = 0.01, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if predict(row, with_share(middle)) > row.ms:
            low = middle
        else:
            high = middle
    return high
