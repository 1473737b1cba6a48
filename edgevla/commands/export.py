"""`edgevla export`: recordings become a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgevla.commands.options import Json
from edgevla.commands.replay import Logs
from edgevla.tables import console


def export(
    logs: Logs,
    out: Annotated[Path, typer.Option(help="the dataset's folder; must not exist")],
    fps: Annotated[int | None, typer.Option(min=1, help="frames a second [default: as the policy looked]")] = None,
    json: Json = None,
) -> None:
    """Write the episodes of recordings as a LeRobot dataset, with the frames marked where the policy was overruled."""
    from edgevla.commands.quantize import counting
    from edgevla.runtime.recording.export import export as write
    from edgevla.runtime.report import envelope, now, write_json

    started = now()
    with counting() as progress:
        bar = progress.add_task("episodes", total=None)
        results = write(logs, out, fps, lambda episode: progress.advance(bar))
    if json is not None:
        write_json(json, envelope("export", started, results))
    console.print(
        f"{results['episodes']} episodes, {results['frames']} frames at {results['fps']} Hz, "
        f"{len(results['tasks'])} sentences: {out}",
        highlight=False,
    )
