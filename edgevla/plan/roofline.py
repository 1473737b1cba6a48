"""From work to time: each kernel takes as long as its operations or its bytes, whichever is longer, and its launch.

The model of Williams, Waterman and Patterson (2009), with three efficiencies. Two of them are fitted, each on one
published measurement (see `published`), the third is what streaming reads reach of the memory's peak; nothing is fitted
per policy. A captured graph and fused pointwise operations are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from edgevla.plan.work import components

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgevla.engine.targets import Target
    from edgevla.plan.work import Work

Precision = Literal["fp16", "int8", "int4"]

ACTIVATION_BYTES = 2.0
# int4: weights only, in groups of 32 with an FP16 scale and zero each; the products are FP16.
WEIGHT_BYTES: Mapping[Precision, float] = MappingProxyType({"fp16": 2.0, "int8": 1.0, "int4": 0.625})


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Shares of the peaks that a well-built engine reaches."""

    fp16: float
    int8: float
    bandwidth: float = 0.8


@dataclass(frozen=True, slots=True)
class Share:
    """What one component takes for one chunk. `bound`: where most of its time goes."""

    component: str
    ms: float
    gflop: float
    read_mb: float
    weights_mb: float
    bound: Literal["compute", "memory", "launch"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one chunk takes. `memory_mb`: the weights, and the largest working set of one kernel."""

    shares: tuple[Share, ...]
    memory_mb: float

    @property
    def ms(self) -> float:
        """The whole chunk, end to end on the device."""
        return sum(share.ms for share in self.shares)


def estimate(
    work: Sequence[Work],
    target: Target,
    efficiency: Efficiency,
    precision: Precision,
    overrides: Mapping[str, Precision] = MappingProxyType({}),
) -> Estimate:
    """Reckon one chunk.

    Args:
        precision: of everything that can be quantised; the rest is FP16.
        overrides: component -> its own precision.
    """
    parts = {name: [each for each in work if each.component == name] for name in components(work)}
    reckon = _Reckoner(target, efficiency)
    shares = tuple(reckon.share(name, part, overrides.get(name, precision)) for name, part in parts.items())
    working_set = max((each.activations for each in work), default=0.0) * ACTIVATION_BYTES
    return Estimate(shares, sum(share.weights_mb for share in shares) + working_set / 1e6)


class _Reckoner:
    def __init__(self, target: Target, efficiency: Efficiency) -> None:
        self._fp16_per_s = target.fp16_tflops * 1e12 * efficiency.fp16
        self._int8_per_s = target.int8_tops_dense * 1e12 * efficiency.int8
        self._bytes_per_s = target.bandwidth_gb_s * 1e9 * efficiency.bandwidth
        self._launch_s = target.launch_us * 1e-6

    def share(self, name: str, work: Sequence[Work], precision: Precision) -> Share:
        spent_s: dict[Literal["compute", "memory", "launch"], float] = {"memory": 0.0, "compute": 0.0, "launch": 0.0}
        flop = read = weights = 0.0
        for each in work:
            kind: Precision = precision if each.quantised else "fp16"
            weight_bytes = each.weights * WEIGHT_BYTES[kind]
            moved_bytes = weight_bytes + each.activations * ACTIVATION_BYTES
            compute_s = 2.0 * each.macs / (self._int8_per_s if kind == "int8" else self._fp16_per_s)
            memory_s = moved_bytes / self._bytes_per_s
            bound: Literal["compute", "memory"] = "compute" if compute_s > memory_s else "memory"
            times = each.layers * each.passes
            spent_s[bound] += times * max(compute_s, memory_s)
            spent_s["launch"] += times * each.kernels * self._launch_s
            flop += times * 2.0 * each.macs
            read += times * moved_bytes
            weights += each.layers * weight_bytes
        slowest = max(spent_s, key=lambda bound: spent_s[bound])
        return Share(name, 1e3 * sum(spent_s.values()), flop / 1e9, read / 1e6, weights / 1e6, slowest)
