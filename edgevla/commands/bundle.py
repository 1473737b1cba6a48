"""`edgevla inspect` and `distill`: look at a bundle, make one anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgevla.commands.build import Path_, find_bundle
from edgevla.commands.options import Json, Set, overrides
from edgevla.tables import print_table


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
    out: Annotated[Path, typer.Option(help="the new bundle's folder")],
    work: Annotated[Path, typer.Option(help="demonstrations and checkpoints; an interrupted run goes on from here")],
    seed: Annotated[int, typer.Option(help="of everything that is drawn")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="processes that collect")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="threads that train")] = 2,
) -> None:
    """Train the tabletop policy anew, by imitation of the scripted expert. Needs PyTorch; under half an hour."""
    from edgevla.distill.recipe import distill as train

    train(out, seed=seed, work=work, workers=workers, threads=threads)
