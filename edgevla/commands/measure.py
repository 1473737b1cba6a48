"""`edgevla eval`, `latency` and `faults`: how well, how soon, and what happens when something breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from edgevla.commands.matrix import MatrixOptions, evaluate_matrix
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
    suite: Annotated[str, typer.Option(help="which tasks: so101-tabletop or so101-tabletop-extended")] = (
        "so101-tabletop"
    ),
    episodes: Annotated[int | None, typer.Option(min=1, help="[default: 180; 90 a cell with --matrix]")] = None,
    seed: Annotated[int, typer.Option()] = 7,
    ablate: Annotated[str, typer.Option(help="none, wrong-colour, black-image or zero-action")] = "none",
    expert: Annotated[bool, typer.Option("--expert", help="the scripted expert instead of the policy")] = False,
    bundle: Annotated[Path | None, typer.Option(help="a bundle's folder [default: the shipped one]")] = None,
    variant: Variant = "fp32",
    matrix: Annotated[bool, typer.Option("--matrix", help="all of --bundles, --variants and --conditions")] = False,
    nominal: Annotated[
        int | None, typer.Option(min=1, help="episodes a nominal cell of the matrix [default: as --episodes]")
    ] = None,
    bundles: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="repeat [default: all that ship]")
    ] = None,
    variants: Annotated[str, typer.Option(help="with commas between them")] = "fp32,int8",
    conditions: Annotated[
        str, typer.Option(help="nominal, paraphrase, light, camera-shift, distractor [default: all of them]")
    ] = "",
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="put the matrix into this file, between its marks")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="draw the matrix, a PNG")] = None,
    workers: Annotated[int, typer.Option(min=1, help="processes")] = 2,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help="a Ray cluster instead, auto for this machine's, local for a new one")
    ] = "",
    json: Json = None,
) -> None:
    """Closed-loop success in the simulator, in lockstep; an interrupted run with --json goes on where it was."""
    from edgevla.evaluate.episodes import SUITES
    from edgevla.evaluate.planners import ABLATIONS

    one_of("--suite", suite, tuple(SUITES))
    one_of("--ablate", ablate, ABLATIONS)
    if expert and ablate != "none":
        raise UsageError("--expert has no senses to ablate", fix="use one of --expert and --ablate")
    if matrix and (expert or ablate != "none" or bundle is not None or variant != "fp32"):
        raise UsageError(
            "--matrix goes with none of --expert, --ablate, --bundle and --variant",
            fix="name what to compare with --bundles, --variants and --conditions",
        )
    if not matrix and (bundles or conditions or nominal or markdown is not None or plot is not None):
        raise UsageError(
            "--bundles, --conditions, --nominal, --markdown and --plot are for a matrix", fix="add --matrix"
        )
    if matrix:
        a_cell = 90 if episodes is None else episodes
        evaluate_matrix(
            MatrixOptions(
                bundles=tuple(bundles or ()),
                variants=variants,
                conditions=conditions,
                suite=suite,
                episodes=a_cell,
                nominal=nominal or a_cell,
                seed=seed,
                workers=workers,
                ray=ray,
                json=json,
                markdown=markdown,
                plot=plot,
            )
        )
    else:
        _evaluate_one(
            suite, 180 if episodes is None else episodes, seed, ablate, expert, bundle, variant, workers, ray, json
        )


def _evaluate_one(
    suite: str,
    episodes: int,
    seed: int,
    ablate: str,
    expert: bool,
    bundle: Path | None,
    variant: str,
    workers: int,
    ray: str,
    json: Path | None,
) -> None:
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from edgevla.config.load import load_robot
    from edgevla.evaluate.closed_loop import content_of, evaluate, summary
    from edgevla.evaluate.episodes import TABLETOP, Settings
    from edgevla.policy.loading import load_policy
    from edgevla.runtime.report import envelope, now, write_json
    from edgevla.runtime.wiring import arm_model
    from edgevla.shipped import shipped

    folder = shipped(TABLETOP) if bundle is None else bundle
    robot_path = shipped(TABLETOP) / "robot.yaml"
    settings = Settings(
        suite=suite,
        robot=str(robot_path),
        bundle=str(folder),
        variant=variant,
        planner="expert" if expert else "policy",
        ablation=ablate,
        episodes=episodes,
        seed=seed,
        content=content_of(folder / "policy.yaml", robot_path),
    )
    robot = load_robot(robot_path)
    load_policy(folder, variant, robot, model=arm_model(robot_path, robot))  # what is wrong with it is said once, here
    started = now()
    partial = json.with_name(json.name + ".partial") if json is not None else None
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("episodes", total=episodes)
        finished = evaluate(
            [settings], workers=workers, ray=ray, done=partial, progress=lambda _: progress.advance(bar)
        )
    results = summary(settings, finished[0])
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
