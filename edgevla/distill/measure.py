"""What a recipe's networks are worth: what distillation adds to imitation, and whether the sentence decides.

Seeded, and resumable like the stages: each result is kept as soon as it is there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgevla.config.load import load_robot
from edgevla.distill.driver import Driver
from edgevla.distill.payoff import payoff
from edgevla.distill.release import release
from edgevla.distill.sensitivity import sensitivity
from edgevla.distill.work import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.distill.recipe import Recipe


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    seeds: int = 3  # trainings of each arm of the payoff
    steps: int = 1000  # of each
    episodes: int = 10  # for each instruction, driven by each
    pairs: int = 200  # of sentences


def measure_payoff(recipe: Recipe, effort: Effort) -> list[dict[str, Any]]:
    """Successes of students that learned from the expert and from the teacher, a row for each arm and seed."""
    rows, labels = recipe.labelled("demonstrations", recipe.demonstrations(), recipe.teacher())
    found = payoff(
        rows,
        labels,
        recipe.statistics(),
        recipe.work / f"payoff-{effort.steps}-{effort.episodes}",
        seeds=range(recipe.seed, recipe.seed + effort.seeds),
        steps=effort.steps,
        instructions=recipe.plan.instructions,
        wrist=recipe.plan.wrist,
        episodes=effort.episodes,
        robot=recipe.robot,
        workers=recipe.workers,
        progress=recipe.progress,
    )
    return [{"learns from": arm, "seed": seed, **found[arm][seed]} for arm in found for seed in found[arm]]


def measure_sensitivity(recipe: Recipe, names: Sequence[str], effort: Effort) -> list[dict[str, Any]]:
    """Pairs of sentences whose motion differs as it should: a row for the teacher and for each family's graphs."""
    recipe.teacher()
    folders = {"teacher": recipe.work / "teacher", **dict(release(recipe, names))}
    robot, table = load_robot(recipe.robot), []
    for name, folder in folders.items():
        for variant in ("fp32",) if name == "teacher" else ("fp32", "int8"):
            place = recipe.work if name == "teacher" else recipe.own
            path = place / f"sensitivity-{name}-{variant}-{effort.pairs}.json"
            if not path.exists():
                found = sensitivity(
                    Driver(folder, variant),
                    robot=robot,
                    instructions=recipe.plan.instructions,
                    pairs=effort.pairs,
                    seed=recipe.seed,
                    progress=recipe.progress,
                )
                write_json(path, asdict(found))
            table.append({"policy": name, "variant": variant, **read_json(path)})
    return table
