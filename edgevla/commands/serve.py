"""`edgevla serve`: run a robot for operators who connect to it, as its system service does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from edgevla.commands.options import Set, Variant, overrides


def serve(
    robot: Annotated[Path, typer.Argument(help="robot.yaml")],
    variant: Variant = "fp32",
    engine: Annotated[str, typer.Option(help="what runs it: cpu, cuda, tensorrt, triton:HOST:PORT/MODEL")] = "cpu",
    unverified: Annotated[
        bool, typer.Option("--unverified", help="run even what edgevla verify has not signed off")
    ] = False,
    set_: Set = None,
    report: Annotated[
        Path | None, typer.Option(help="folder for the tick log and flight logs [default: $LOGS_DIRECTORY, else none]")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="folder for recordings [default: what robot.yaml says, else none]")
    ] = None,
) -> None:
    """Run a robot, disarmed, for the operators who connect to its socket, until a signal ends it.

    The arm moves only while an operator holds it engaged: see `edgevla console`. SIGTERM stops it under control.
    """
    from edgevla.runtime.arguments import PolicyChoice
    from edgevla.runtime.serve import ServeOptions
    from edgevla.runtime.serve import serve as serve_robot

    logs = os.environ.get("LOGS_DIRECTORY")
    folder = report or (Path(logs) if logs else None)
    policy = PolicyChoice(variant, engine, verified=not unverified)
    options = ServeOptions(robot, overrides(set_), policy, folder, record)
    serve_robot(options, lambda line: print(line, flush=True))
