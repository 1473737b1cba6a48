"""Scales for a graph: watch it run, smooth it or not, clip its activations one way or another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.quantize.activations import inputs_of, observe
from edgevla.quantize.smooth import factors_of
from edgevla.quantize.thresholds import METHODS, scale_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edgevla.quantize.activations import Activation, Feeds
    from edgevla.quantize.graph import Graph
    from edgevla.quantize.layers import Layer
    from edgevla.quantize.smooth import Factors

AUTO = "auto"
STRENGTHS = (0.0, 0.5)  # of smoothing, tried when the choice is automatic


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to set scales: how to clip, and how much of an activation's outliers to move into the weights."""

    method: str
    smoothing: float

    def __str__(self) -> str:
        return self.method if not self.smoothing else f"{self.method}, smoothing {self.smoothing:g}"


@dataclass(frozen=True, slots=True)
class Scales:
    """What a recipe found: the step of each tensor, and what its channels are divided by."""

    recipe: Recipe
    steps: Mapping[str, float]
    factors: Factors


def recipes(method: str, smoothing: float | None) -> tuple[Recipe, ...]:
    """The recipes to try: one, or all that an automatic choice has.

    Args:
        method: a key of `METHODS`, or "auto".
        smoothing: SmoothQuant's alpha, 0 for none; None tries `STRENGTHS`.
    """
    methods = tuple(METHODS) if method == AUTO else (method,)
    strengths = STRENGTHS if smoothing is None else (smoothing,)
    return tuple(Recipe(each, strength) for strength in strengths for each in methods)


def calibrate(graph: Graph, layers: Sequence[Layer], feeds: Feeds, tried: Sequence[Recipe]) -> Iterator[Scales]:
    """Scales by each recipe; the graph runs over the set once for the channels, and twice for each smoothing."""
    axes = inputs_of(layers)
    plain: dict[str, Activation] = {}
    for strength in dict.fromkeys(recipe.smoothing for recipe in tried):
        factors: Factors = {}
        if strength:
            plain = plain or observe(graph, axes, feeds, histograms=False)
            factors = factors_of(graph, layers, plain, strength)
        methods = [recipe for recipe in tried if recipe.smoothing == strength]
        histograms = any(recipe.method != "minmax" for recipe in methods)
        seen = observe(graph, axes, feeds, factors=factors, histograms=histograms)
        for recipe in methods:
            steps = {name: scale_of(METHODS[recipe.method](each)) for name, each in seen.items()}
            yield Scales(recipe, steps, factors)
