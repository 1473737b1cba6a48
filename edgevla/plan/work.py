"""What a network has to do for one chunk, in numbers that no machine is part of yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Work:
    """What runs as `kernels` kernels, in `layers` layers alike, each of them `passes` times for one chunk.

    Args:
        component: the part of the network that a report adds it to: vision, prefix, step.
        macs: multiply-accumulates of one layer in one pass; an operation is half of one.
        weights: constant numbers of one layer, read in every pass, however small the input.
        activations: other numbers that one layer reads and writes in one pass.
        quantised: INT8 can do it: a matrix product or convolution with constant weights.
        passes: 0 for weights that only take up memory, such as a table that one row is read from.
    """

    component: str
    macs: float
    weights: float
    activations: float
    quantised: bool = False
    kernels: int = 1
    layers: int = 1
    passes: int = 1


def linear(component: str, tokens: float, inputs: int, outputs: int, *, layers: int = 1, passes: int = 1) -> Work:
    """A dense layer: (tokens, inputs) times (inputs, outputs)."""
    weights = inputs * outputs
    activations = tokens * (inputs + outputs)
    return Work(component, tokens * weights, weights, activations, quantised=True, layers=layers, passes=passes)


def components(work: Iterable[Work]) -> tuple[str, ...]:
    """The components in the order of their first appearance."""
    return tuple(dict.fromkeys(each.component for each in work))
