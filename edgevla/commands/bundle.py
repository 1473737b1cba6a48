"""`edgevla inspect` and `distill`: look at a bundle, make one anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgevla.commands.build import Path_, find_bundle
from edgevla.commands.options import Json, Set, UsageError, one_of, overrides
from edgevla.tables import console, print_table

_STAGES = ("demonstrations", "teacher", "student", "all", "payoff", "sensitivity")


def inspect(
    path: Path_,
    set_: Set = None,
    json: Json = None,
) -> None:
    """Check a robot.yaml or a bundle, hashes included, and show what is in it. Opens no port."""
    from edgevla.config.load import load_robot
    from edgevla.describe import describe_bundle, describe_robot
    from edgevla.runtime.report import envelope, now, write_json

    started, changes = now(), overrides(set_)
    tables = describe_bundle(find_bundle(path, changes))
    if path.suffix in {".yaml", ".yml"}:
        tables = {**describe_robot(load_robot(path, changes)), **tables}
    for title, rows in tables.items():
        print_table(title, rows)
    if json is not None:
        write_json(json, envelope("inspect", started, tables))


def distill(
    work: Annotated[Path, typer.Option(help="everything on the way; an interrupted run goes on from here")],
    out: Annotated[Path | None, typer.Option(help="for `all`: where the bundles go, a folder for each family")] = None,
    stage: Annotated[
        str,
        typer.Option(
            help=f"how far: {', '.join(_STAGES[:4])}; each first does those before it. Or what to measure: payoff "
            "(students of the expert beside students of the teacher, in closed loop), sensitivity (of the motion to "
            "the sentence)"
        ),
    ] = "all",
    suite: Annotated[str, typer.Option(help="which tasks: so101-tabletop or so101-tabletop-extended")] = (
        "so101-tabletop"
    ),
    family: Annotated[list[str] | None, typer.Option(help="only this family; repeat for several")] = None,
    qat: Annotated[bool, typer.Option("--qat", help="end the student's training with INT8's rounding in it")] = False,
    seed: Annotated[int, typer.Option(min=0, help="of everything that is drawn")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="processes that collect and check")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="threads that train")] = 2,
    ray: Annotated[str, typer.Option(help="address of a Ray cluster that collects instead")] = "",
) -> None:
    """Train the tabletop policies: expert, teacher, student, a head for each family. Needs PyTorch; hours on a CPU."""
    one_of("--stage", stage, _STAGES)
    if stage == "all" and out is None:
        raise UsageError("--stage all: needs --out", fix="name the folder that the families' bundles go into")
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from edgevla.distill.measure import Effort, measure_payoff, measure_sensitivity
    from edgevla.distill.plan import PLANS
    from edgevla.distill.recipe import Recipe
    from edgevla.distill.release import FAMILIES, release
    from edgevla.distill.work import ready, ship
    from edgevla.shipped import shipped

    one_of("--suite", suite, tuple(PLANS))
    for name in family or ():
        one_of("--family", name, FAMILIES)
    names = family or FAMILIES
    robot = shipped("so101-tabletop") / "robot.yaml"
    table = []
    columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        recipe = Recipe(
            work,
            PLANS[suite],
            seed=seed,
            robot=robot,
            workers=workers,
            threads=threads,
            ray=ray,
            qat=qat,
            progress=progress,
        )
        if stage == "payoff":
            table = measure_payoff(recipe, Effort())
        elif stage == "sensitivity":
            table = measure_sensitivity(recipe, names, Effort())
        elif out is not None and stage == "all":
            for name in names:
                ready(out / name)
            for name, bundle in release(recipe, names):
                ship(bundle, out / name)
                table.append({"family": name, "bundle": out / name})
        else:
            getattr(recipe, stage)()
    print_table(stage, table)
    console.print(f"kept in {recipe.work}", highlight=False)
