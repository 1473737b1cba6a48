"""Mixed precision: which layers cost most in the robot's units, and the fewest to keep in float inside a budget.

`measure` turns a plan into a `Deviation`: a graph is written, run over the set through the bundle's decoder, and
compared with the float policy. Nothing here knows how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.quantize.layers import Layer, Level, Plan, full_plan, partners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgevla.config.quantisation import Quantisation
    from edgevla.quantize.deviation import Deviation

    Measure = Callable[[Plan], Deviation]

CHEAP = 0.05  # of the budget
MARGIN = 0.8  # of the budget may be spent on the set the search looks at: the worst of more observations is worse


@dataclass(frozen=True, slots=True)
class Effect:
    """What one layer, and its partner in an attention, costs at a level when everything else is float."""

    layer: str
    level: Level
    deviation: Deviation


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search: the plan, what it costs on the set the search looked at, and how it got there."""

    plan: Plan
    deviation: Deviation
    effects: tuple[Effect, ...]  # worst first
    kept: tuple[Effect, ...]  # why each layer that is not at its lowest level was raised


def sensitivity(
    layers: Sequence[Layer], measure: Measure, budget: Quantisation, progress: Callable[[], None] = lambda: None
) -> tuple[Effect, ...]:
    """Quantise one layer at a time and rank them by the share of the budget that each spends, worst first.

    Weights alone are measured only of layers that cost something: others need not be raised.

    Args:
        progress: called once a layer.
    """
    effects = []
    floats: Plan = {layer.name: Level.FLOAT for layer in layers}
    for layer in layers:
        together = partners(tuple(layers), layer)
        if together[0] is not layer:
            progress()
            continue
        for level in layer.levels[:-1]:
            effects.append(Effect(layer.name, level, measure(floats | {each.name: level for each in together})))
            if effects[-1].deviation.share_of(budget) < CHEAP:
                break
        progress()
    return tuple(sorted(effects, key=lambda effect: -effect.deviation.share_of(budget)))


def raise_until_it_fits(
    layers: Sequence[Layer], effects: Sequence[Effect], measure: Measure, budget: Quantisation
) -> Found:
    """Raise the layers that cost most, a level at a time, until the margin holds; then lower what was not needed.

    The last plan is returned even when the budget does not hold with all layers in float: `deviation` says so.
    """
    ordered = tuple(layers)
    by_name = {layer.name: layer for layer in layers}
    plan = full_plan(ordered)
    deviation = measure(plan)
    kept: list[Effect] = []
    while deviation.share_of(budget) > MARGIN:
        effect = next((each for each in effects if plan[each.layer] is each.level), None)
        if effect is None:
            break
        plan = plan | _at(by_name[effect.layer], _above(by_name[effect.layer], effect.level), ordered)
        deviation = measure(plan)
        kept.append(effect)
    for effect in reversed(kept[:-1]):  # the last one raised is what made it fit
        lower = plan | _at(by_name[effect.layer], effect.level, ordered)
        if plan[effect.layer] is _above(by_name[effect.layer], effect.level):
            found = measure(lower)
            if found.share_of(budget) <= MARGIN:
                plan, deviation = lower, found
                kept.remove(effect)
    return Found(plan, deviation, tuple(effects), tuple(kept))


def _above(layer: Layer, level: Level) -> Level:
    return layer.levels[layer.levels.index(level) + 1]


def _at(layer: Layer, level: Level, layers: tuple[Layer, ...]) -> Plan:
    return {each.name: level for each in partners(layers, layer)}
