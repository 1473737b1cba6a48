"""What quantisation cost and why it looks as it does, as data for the JSON report, the tables and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgevla.quantize.deviation import as_results
from edgevla.quantize.layers import Level, levels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.config.quantisation import Quantisation
    from edgevla.quantize.quantise import Outcome
    from edgevla.quantize.search import Effect


def results(outcomes: Sequence[Outcome], budget: Quantisation) -> dict[str, Any]:
    """The `results` of a report: the first variant's figures, and under `variants` those of each."""
    each = [variant_results(outcome, budget) for outcome in outcomes]
    return {**{key: each[0][key] for key in ("joints", "cosine", "float_layers")}, "variants": each}


def variant_results(outcome: Outcome, budget: Quantisation) -> dict[str, Any]:
    """One variant: errors on the held-out set, what stayed float, and everything that was tried."""
    found = outcome.found
    return {
        "variant": outcome.variant,
        **as_results(outcome.held_out),
        "budget": {key: getattr(budget, key) for key in budget.__struct_fields__},
        "of_budget": round(outcome.held_out.share_of(budget), 4),
        "recipe": str(outcome.recipe),
        "recipes": [
            {"recipe": str(recipe), "of_budget": round(deviation.share_of(budget), 4), "worst": deviation.worst_rad}
            for recipe, deviation in outcome.tried
        ],
        "levels": levels_of(found.plan),
        "float_layers": [
            {"name": name, "level": level.value, "why": _why(name, found.kept, budget)}
            for name, level in found.plan.items()
            if level is not Level.INT8 and not _is_lowest(name, level, found.effects)
        ],
        "layers": [
            {
                "name": effect.layer,
                "quantised": effect.level.value,
                "kept": found.plan[effect.layer].value,
                "of_budget": round(effect.deviation.share_of(budget), 4),
                "worst": effect.deviation.worst_rad,
            }
            for effect in found.effects
        ],
        "bytes": {"fp32": outcome.bytes_float, "int8": outcome.bytes_int8},
    }


def _is_lowest(name: str, level: Level, effects: Sequence[Effect]) -> bool:
    """Whether a layer has no lower level: a table, whose weights alone can be quantised."""
    return level is Level.WEIGHTS and not any(each.layer == name and each.level is Level.INT8 for each in effects)


def _why(name: str, kept: Sequence[Effect], budget: Quantisation) -> str:
    causes = [effect for effect in kept if effect.layer == name]
    if not causes:
        return "its partner in the attention stayed float"
    last = causes[-1]
    return (
        f"quantised to {last.level.value}, alone, it takes {last.deviation.share_of(budget):.0%} of the budget: "
        f"worst joint {last.deviation.worst_rad:.4f} rad"
    )
