"""The commands. Thin: arguments in, one room's function, a table or JSON out, the right exit code."""

from __future__ import annotations

import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer
from rich.markup import escape

from edgevla import __version__
from edgevla.errors import EdgeVLAError
from edgevla.tables import console, fail, print_eval, print_faults, print_latency, print_run, print_table

if TYPE_CHECKING:
    from types import FrameType

    from edgevla.evaluate.faults.verdict import CellResult

INTERRUPTED = 130
TERMINATED = 143

app = typer.Typer(
    help="Runs vision-language-action policies on robot arms, inside the bounds you wrote down.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="replace a value of robot.yaml, motors.port=...")
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="write the report here too")]
Variant = Annotated[str, typer.Option(help="which graph of the bundle")]
Report = Annotated[Path | None, typer.Option(help="folder for the report [default: reports/<command>-<time>]")]


class UsageError(EdgeVLAError):
    """An argument that cannot be understood."""


class NotReached(EdgeVLAError):
    """The command ran to its end, and the result is not what it takes to succeed."""

    exit_code = 1


@app.command()
def demo(
    instruction: Annotated[
        list[str] | None, typer.Option(help="a sentence; repeat for several [default: all nine]")
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
    from edgevla.runtime.demo import DemoOptions, run_demo
    from edgevla.runtime.report import write_json
    from edgevla.sim.tasks import INSTRUCTIONS, Task

    sentences = [Task.parse(sentence).sentence for sentence in instruction or INSTRUCTIONS]
    folder = report or _report_folder("demo")
    results = run_demo(DemoOptions(sentences, seed, folder, variant), console)
    if json is not None:
        write_json(json, results)
    print_run(results["results"])
    done = sum(each["success"] for each in results["results"]["instructions"])
    console.print(f"{done} of {len(sentences)} instructions done; see {folder}/episode.mp4, latency.png, report.json")
    enough = needed if needed is not None else max(1, len(sentences) - 1)
    if done < enough:
        raise NotReached(f"only {done} of {len(sentences)} instructions were done; {enough} are needed")


@app.command()
def run(
    robot: Annotated[Path, typer.Argument(help="robot.yaml")],
    instruction: Annotated[str, typer.Option(help="what the arm shall do")],
    duration: Annotated[float | None, typer.Option(help="seconds; without it until you quit")] = None,
    engage: Annotated[bool, typer.Option("--engage", help="arm and engage at once, without a key press")] = False,
    set_: Set = None,
    report: Report = None,
    variant: Variant = "fp32",
    json: Json = None,
) -> None:
    """Run a robot. You are its operator: the arm stops when you press space, quit, or this program ends."""
    from edgevla.runtime.report import write_json
    from edgevla.runtime.run import RunOptions, run_robot

    folder = report or _report_folder("run")
    options = RunOptions(robot, _overrides(set_), instruction, duration, engage, folder, variant)
    results = run_robot(options, console)
    if json is not None:
        write_json(json, results)
    print_run(results["results"])


@app.command(name="eval")
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
    from edgevla.shipped import shipped

    _one_of("--suite", suite, tuple(SUITES))
    _one_of("--ablate", ablate, ABLATIONS)
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
    load_policy(folder, variant, load_robot(Path(settings.robot)))  # what is wrong with it is said once, here
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


@app.command()
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

    folder = report or _report_folder("latency")
    options = LatencyOptions(robot, _overrides(set_), blinks, seconds, reads, rounds, seed, folder, variant, baseline)
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


@app.command()
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
    folder = report or _report_folder("faults")
    partial = json.with_name(json.name + ".partial") if json is not None else None
    options = FaultOptions(plan or MATRIX, robot, _overrides(set_), tuple(only or ()), seed, folder, partial)
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


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="a robot.yaml, a bundle's folder, or the name of a shipped bundle")],
    set_: Set = None,
    json: Json = None,
) -> None:
    """Check a robot.yaml or a bundle, hashes included, and show what is in it. Opens no port."""
    from edgevla.bundle import check_fits, load_manifest
    from edgevla.config.load import load_robot
    from edgevla.describe import describe_bundle, describe_robot
    from edgevla.runtime.report import envelope, now, write_json
    from edgevla.runtime.wiring import bundle_folder
    from edgevla.shipped import shipped

    started = now()
    if path.suffix in {".yaml", ".yml"}:
        robot = load_robot(path, _overrides(set_))
        bundle = load_manifest(bundle_folder(path, robot))
        check_fits(bundle, robot)
        tables = {**describe_robot(robot), **describe_bundle(bundle)}
    else:
        folder = path if path.exists() else shipped(str(path))
        tables = describe_bundle(load_manifest(folder))
    for title, rows in tables.items():
        print_table(title, rows)
    if json is not None:
        write_json(json, envelope("inspect", started, tables))


@app.command()
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


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and leave", is_eager=True)] = False,
) -> None:
    if version:
        console.print(__version__)
        raise typer.Exit


def main() -> None:
    """Run a command. Every failure a user can act on is one line on stderr and an exit code."""

    def terminate(_number: int, _frame: FrameType | None) -> None:
        sys.exit(TERMINATED)  # unwinds through every context manager: the arm is stopped on the way

    signal.signal(signal.SIGTERM, terminate)
    try:
        code = app(standalone_mode=False)
    except EdgeVLAError as error:
        fail(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        fail(f"{error.filename or 'the operating system'}: {error.strerror or error}")
        sys.exit(2)
    except ModuleNotFoundError as error:
        extra = "distill" if error.name == "torch" else "sim"
        fail(f"this command needs {error.name}, which is not installed - pip install 'edgevla[{extra}]'")
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(code or 0)


def _report_folder(command: str) -> Path:
    return Path("reports") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"


def _overrides(pairs: list[str] | None) -> dict[str, str]:
    overrides = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"--set {pair}: is not KEY=VALUE", fix="for example --set motors.port=/dev/ttyUSB0")
        overrides[key] = value
    return overrides


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f'{option}: "{value}" is not known', fix=f"use one of: {', '.join(allowed)}")
