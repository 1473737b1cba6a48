"""`edgevla eval`, `latency` and `faults`: how well, how soon, and what happens when something breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from edgevla.commands.options import (
    Json,
    NotReached,
    Report,
    Set,
    UsageError,
    Variant,
    one_of,
    overrides,
    report_folder,
)
from edgevla.tables import console, print_eval, print_faults, print_latency

if TYPE_CHECKING:
    from edgevla.evaluate.faults.verdict import CellResult


def evaluate_(
    suite: Annotated[str, typer.Option(help="which tasks")] = "so101-tabletop",
    episodes: Annotated[int, typer.Option(min=1)] = 180,
    seed: Annotated[int, typer.Option()] = 7,
    ablate: Annotated[str, typer.Option(help="none, wrong-colour, black-image or zero-action")] = "none",
    expert: Annotated[bool, typer.Option("--expert", help="the scripted expert instead of the policy")] = False,
    bundle: Annotated[Path | None, typer.Option(help="a bundle's folder [default: the shipped one]")] = None,
    variant: Variant = "fp32",
    workers: Annotated[int, typer.Option(min=1, help="processes")] = 2,
    json: Json = None,
) -> None:
    """Closed-loop success in the simulator, in lockstep; an interrupted run with --json goes on where it was."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from edgevla.config.load import load_robot
    from edgevla.evaluate.closed_loop import SUITES, Settings, content_of, evaluate, summary
    from edgevla.evaluate.planners import ABLATIONS
    from edgevla.policy.loading import load_policy
    from edgevla.runtime.report import envelope, now, write_json
    from edgevla.runtime.wiring import arm_model
    from edgevla.shipped import shipped

    one_of("--suite", suite, tuple(SUITES))
    one_of("--ablate", ablate, ABLATIONS)
    if expert and ablate != "none":
        raise UsageError("--expert has no senses to ablate", fix="use one of --expert and --ablate")
    folder = shipped(suite) if bundle is None else bundle
    settings = Settings(
        suite=suite,
        robot=str(shipped(suite) / "robot.yaml"),
        bundle=str(folder),
        variant=variant,
        planner="expert" if expert else "policy",
        ablation=ablate,
        episodes=episodes,
        seed=seed,
        content=content_of(folder / "policy.yaml", shipped(suite) / "robot.yaml"),
    )
    robot_path = Path(settings.robot)
    robot = load_robot(robot_path)
    load_policy(folder, variant, robot, model=arm_model(robot_path, robot))  # what is wrong with it is said once, here
    started = now()
    partial = json.with_name(json.name + ".partial") if json is not None else None
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("episodes", total=episodes)
        finished = evaluate(settings, workers, partial, lambda _: progress.advance(bar))
    results = summary(settings, finished)
    print_eval(results)
    if json is not None and partial is not None:
        write_json(json, envelope("eval", started, results))
        partial.unlink()


def latency(
    robot: Annotated[
        Path | None, typer.Option(help="robot.yaml of a real robot, in shadow: nothing moves [default: simulated]")
    ] = None,
    blinks: Annotated[int, typer.Option(min=1, help="visible changes to time, simulated robot only")] = 300,
    seconds: Annotated[float, typer.Option(min=1.0, help="how long to watch a real robot")] = 60.0,
    reads: Annotated[int, typer.Option(min=1, help="serial round trips to time")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, help="starts of the runtime that share them")] = 10,
    seed: Annotated[int, typer.Option(help="draws the moments of the changes")] = 7,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="an earlier report; exit code 1 when something is slower")
    ] = None,
    set_: Set = None,
    report: Report = None,
    variant: Variant = "fp32",
    json: Json = None,
) -> None:
    """Time the way from something visible to the command on the wire that answers it, and its parts."""
    from rich.progress import Progress

    from edgevla.evaluate.latency import LatencyOptions, run_latency
    from edgevla.runtime.report import write_json

    folder = report or report_folder("latency")
    options = LatencyOptions(robot, overrides(set_), blinks, seconds, reads, rounds, seed, folder, variant, baseline)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("measuring", total=1.0)
        measured = run_latency(options, lambda share: progress.advance(bar, share))
    if json is not None:
        write_json(json, measured)
    print_latency(measured["results"])
    console.print(f"see {folder}/latency.png, latency.json")
    slower = measured["results"].get("regressions", [])
    if slower:
        raise NotReached(f"slower than {baseline}: " + "; ".join(each["message"] for each in slower))


def faults(
    plan: Annotated[Path | None, typer.Argument(help="a plan of faults, YAML [default: the one that ships]")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="WORDS", help="only cells with these words in their name; repeat")
    ] = None,
    seed: Annotated[int, typer.Option(help="draws the moments of the faults")] = 7,
    robot: Annotated[Path | None, typer.Option(help="robot.yaml of a real robot [default: simulated]")] = None,
    on_real_hardware: Annotated[
        bool, typer.Option("--on-real-hardware", help="yes, move that arm, and break its processes while it moves")
    ] = False,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="put the table into this file too")] = None,
    set_: Set = None,
    report: Report = None,
    json: Json = None,
) -> None:
    """Break one thing after the other while the arm moves, and compare what it does with what the plan expects."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from edgevla.evaluate.faults.load import MATRIX
    from edgevla.evaluate.faults.markdown import write_matrix
    from edgevla.evaluate.faults.runner import FaultOptions, run_faults
    from edgevla.runtime.report import write_json

    if (robot is not None) != on_real_hardware:
        raise UsageError(
            "--robot and --on-real-hardware are given together or not at all",
            fix="clear the arm's surroundings, then give both; without either the robot is simulated",
        )
    folder = report or report_folder("faults")
    partial = json.with_name(json.name + ".partial") if json is not None else None
    options = FaultOptions(plan or MATRIX, robot, overrides(set_), tuple(only or ()), seed, folder, partial)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("faults")

        def show(row: CellResult | None, total: int) -> None:
            progress.update(bar, total=total, advance=0 if row is None else 1)
            if row is not None:
                for problem in row.problems:
                    progress.console.print(f"[red]{escape(row.fault)}[/]: {escape(problem)}", highlight=False)

        measured = run_faults(options, show)
    print_faults(measured["results"])
    if markdown is not None:
        write_matrix(markdown, measured)
    if json is not None and partial is not None:
        write_json(json, measured)
        partial.unlink(missing_ok=True)
    failed = measured["results"]["failed"]
    if failed:
        raise NotReached(f"{failed} of {len(measured['results']['cells'])} faults did not end as the plan expects")
