"""`edgevla inspect` and `distill`: look at a bundle, make one anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgevla.commands.build import Path_, find_bundle
from edgevla.commands.options import Json, Set, one_of, overrides
from edgevla.tables import print_table

_STAGES = ("demonstrations", "teacher", "student", "all")


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
    out: Annotated[Path, typer.Option(help="where the families' bundles go, a folder for each")],
    stage: Annotated[str, typer.Option(help=f"how far: {', '.join(_STAGES)}; each first does those before it")] = "all",
    family: Annotated[list[str] | None, typer.Option(help="only this family; repeat for several")] = None,
    qat: Annotated[bool, typer.Option("--qat", help="end the student's training with INT8's rounding in it")] = False,
    seed: Annotated[int, typer.Option(help="of everything that is drawn")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="processes that collect")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="threads that train")] = 2,
    ray: Annotated[str, typer.Option(help="address of a Ray cluster that collects instead")] = "",
) -> None:
    """Train the tabletop policies: expert, teacher, student, a head for each family. Needs PyTorch; hours on a CPU."""
    one_of("--stage", stage, _STAGES)
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from edgevla.distill.recipe import FAMILIES, Plan, Recipe
    from edgevla.shipped import shipped

    for name in family or ():
        one_of("--family", name, FAMILIES)
    robot = shipped("so101-tabletop") / "robot.yaml"
    columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        recipe = Recipe(
            work, Plan(), seed=seed, robot=robot, workers=workers, threads=threads, ray=ray, qat=qat, progress=progress
        )
        if stage != "all":
            getattr(recipe, stage)()
            return
        for name in family or FAMILIES:
            recipe.bundle(name, out / name)
