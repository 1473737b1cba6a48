"""`edgevla demo` and `edgevla run`: the runtime, on the simulated robot or on yours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgevla.commands.options import Json, NotReached, Report, Set, Variant, overrides, report_folder
from edgevla.tables import console, print_run


def demo(
    instruction: Annotated[
        list[str] | None, typer.Option(help="a sentence; repeat for several [default: twelve, of every kind]")
    ] = None,
    seed: Annotated[int, typer.Option(help="draws where the blocks lie")] = 7,
    needed: Annotated[
        int | None, typer.Option(help="how many must succeed for exit code 0 [default: all but one]")
    ] = None,
    report: Report = None,
    variant: Variant = "fp32",
    json: Json = None,
) -> None:
    """Start the simulated SO-101 and let the shipped policy carry out instructions in real time."""
    from edgevla.runtime.demo import SENTENCES, DemoOptions, run_demo
    from edgevla.runtime.report import write_json
    from edgevla.sim.tasks import Task

    sentences = [Task.parse(sentence).sentence for sentence in instruction or SENTENCES]
    folder = report or report_folder("demo")
    results = run_demo(DemoOptions(sentences, seed, folder, variant), console)
    if json is not None:
        write_json(json, results)
    print_run(results["results"])
    done = sum(each["success"] for each in results["results"]["instructions"])
    console.print(f"{done} of {len(sentences)} instructions done; see {folder}/episode.mp4, latency.png, report.json")
    enough = needed if needed is not None else max(1, len(sentences) - 1)
    if done < enough:
        raise NotReached(f"only {done} of {len(sentences)} instructions were done; {enough} are needed")


def run(
    robot: Annotated[Path, typer.Argument(help="robot.yaml")],
    instruction: Annotated[str, typer.Option(help="what the arm shall do")],
    duration: Annotated[float | None, typer.Option(help="seconds; without it until you quit")] = None,
    engage: Annotated[bool, typer.Option("--engage", help="arm and engage at once, without a key press")] = False,
    engine: Annotated[str, typer.Option(help="what runs it: cpu, cuda, tensorrt, triton:HOST:PORT/MODEL")] = "cpu",
    unverified: Annotated[
        bool, typer.Option("--unverified", help="run even what edgevla verify has not signed off")
    ] = False,
    set_: Set = None,
    report: Report = None,
    variant: Variant = "fp32",
    json: Json = None,
) -> None:
    """Run a robot. You are its operator: the arm stops when you press space, quit, or this program ends."""
    from edgevla.runtime.arguments import PolicyChoice
    from edgevla.runtime.report import write_json
    from edgevla.runtime.run import RunOptions, run_robot

    folder = report or report_folder("run")
    policy = PolicyChoice(variant, engine, verified=not unverified)
    options = RunOptions(robot, overrides(set_), instruction, duration, engage, folder, policy)
    results = run_robot(options, console)
    if json is not None:
        write_json(json, results)
    print_run(results["results"])
