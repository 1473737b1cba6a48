"""`edgevla replay`: does this engine still do what was recorded?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgevla.commands.build import find_bundle
from edgevla.commands.options import Json, NotReached
from edgevla.tables import console

Logs = Annotated[list[Path], typer.Argument(metavar="LOG...", help="recordings, or folders of them")]
EXACT_RAD = 1e-6


def replay(
    logs: Logs,
    bundle: Annotated[
        Path | None, typer.Option(help="a robot.yaml, a bundle's folder or name [default: as recorded]")
    ] = None,
    variant: Annotated[str, typer.Option(help="which graph of the bundle [default: as recorded]")] = "",
    engine: Annotated[str, typer.Option(help="what runs it: cpu, cuda, tensorrt ... [default: as recorded]")] = "",
    tolerance: Annotated[float, typer.Option(min=0.0, help="largest difference in any joint, rad")] = EXACT_RAD,
    json: Json = None,
) -> None:
    """Run recorded observations through a policy again and compare its actions with those recorded; no robot moves."""
    from edgevla.commands.quantize import counting
    from edgevla.runtime.replay import ReplayOptions
    from edgevla.runtime.replay import replay as run
    from edgevla.runtime.report import write_json

    folder = None if bundle is None else find_bundle(bundle, {}).folder
    options = ReplayOptions(logs, folder, variant, engine, tolerance)
    with counting() as progress:
        bar = progress.add_task("observations", total=None)
        report = run(options, lambda done: progress.update(bar, completed=done))
    results = report["results"]
    if json is not None:
        write_json(json, report)
    _show(results)
    if not results["passed"]:
        disagreements = results["disagreements"]
        raise NotReached(
            f"{len(disagreements)} of {results['compared']} chunks are of another kind, the first: {disagreements[0]}"
            if disagreements
            else f"up to {results['worst_rad']:.3g} rad from what was recorded; {tolerance:g} are allowed"
        )


def _show(results: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("joint", "mean, rad", "p99", "worst", box=None, padding=(0, 2))
    for joint in results["joints"]:
        table.add_row(joint["name"], *(f"{joint[key]:.2e}" for key in ("mean", "p99", "worst")))
    console.print(table)
    recorded = results["recorded"]
    console.print(
        f"{results['compared']} of {results['observations']} observations compared: {results['variant']} on "
        f"{results['engine']}, recorded with {recorded['variant']} on {recorded['engine']}"
        f"{'' if results['same_bundle'] else '; another bundle than the one recorded'}",
        highlight=False,
    )
    notes = {
        "adrift": "were not compared: what the policy remembered there is not in the recording",
        "without_observation": "chunks have no pictures in the recording: they were dropped to keep the policy on time",
        "without_chunk": "observations have no chunk in the recording",
        "jpeg": "observations were recorded as JPEG, which does not keep every pixel",
    }
    for key, note in notes.items():
        if results[key]:
            console.print(f"{results[key]} {note}", highlight=False)
