"""The families: a head for each on the student's encoder, its INT8 variant, and log.json, how it came about."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from edgevla.distill.batches import Batches
from edgevla.distill.bundles import export_family, export_student, readme
from edgevla.distill.families import HEADS
from edgevla.distill.features import look
from edgevla.distill.int8 import observe, quantise_bundle
from edgevla.distill.recipe import REGRESSION
from edgevla.distill.train import train
from edgevla.distill.work import noted, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgevla.distill.labels import Labels
    from edgevla.distill.recipe import Recipe
    from edgevla.distill.store import Rows
    from edgevla.distill.student import Student

FAMILIES = (REGRESSION, *HEADS)
LOG = "log.json"
_HEAD_RATE = 1e-3
_OBSERVATIONS = 384  # in each of the two sets that INT8 is made with
_SEARCHED_ON = 192


def release(recipe: Recipe, names: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Name and folder of families, as soon as each is a bundle in the work folder; what is there is not made again.

    Args:
        names: of FAMILIES.

    Raises:
        BudgetMissed: the INT8 variant of one is too far from its float policy. Those before it are whole.
    """
    made = None
    for name in names:
        place = recipe.own / "bundles" / name
        if not (place / LOG).exists():
            made = made or recipe.student()
            shutil.rmtree(place, ignore_errors=True)  # what was interrupted
            _make(recipe, name, place, *made)
        yield name, place


def _make(recipe: Recipe, name: str, out: Path, student: Student, rows: Rows, labels: Labels) -> None:
    with noted(recipe.own, name) as note:
        if name == REGRESSION:
            note["difference"] = export_student(out, name, student, recipe.statistics(), recipe.plan.instructions)
        else:
            _head(recipe, name, out, student, rows, labels, note)
        sets = [
            observe(
                out, rows, count=_OBSERVATIONS, seed=recipe.seed, held_out=held_out, folder=recipe.work / f"int8-{what}"
            )
            for what, held_out in (("observations", False), ("held-out", True))
        ]
        (made,) = quantise_bundle(out, ["int8"], *sets, search_on=_SEARCHED_ON, progress=recipe.progress)
        note["int8"] = {"worst_rad": made.held_out.worst_rad, "mean_rad": made.held_out.mean_rad}
    (out / "README.md").write_text(readme(out), encoding="utf-8")
    write_json(out / LOG, _log(recipe, name, len(rows)))


def _head(
    recipe: Recipe, name: str, out: Path, student: Student, rows: Rows, labels: Labels, note: dict[str, Any]
) -> None:
    statistics = recipe.statistics()
    batches = Batches(rows, statistics, labels, wrist=recipe.plan.wrist)
    kept = recipe.own / "features.npz"
    features = look(student.encoder, batches, rows, kept, seed=recipe.seed, progress=recipe.progress)
    family = HEADS[name](features, statistics)
    torch.manual_seed(recipe.seed)
    head, note["loss"] = train(
        family.head(),
        lambda network, rng: family.loss(network, features, rng),
        recipe.own / f"{name}.pt",
        steps=recipe.plan.head_steps,
        rate=_HEAD_RATE,
        seed=recipe.seed,
        progress=recipe.progress,
    )
    note["difference"] = export_family(out, name, family, student.encoder, head, statistics, recipe.plan.instructions)


def _log(recipe: Recipe, name: str, rows: int) -> dict[str, Any]:
    stages = {stage: read_json(recipe.work / f"{stage}.json") for stage in recipe.stages}
    stages[name] = read_json(recipe.own / f"{name}.json")
    return {"name": name, "seed": recipe.seed, "rows": rows, "plan": asdict(recipe.plan), "stages": stages}
