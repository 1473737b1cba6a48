"""`edgevla calibrate capture`: observations for INT8, from the robot, the simulator or recordings."""

from __future__ import annotations

import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgevla.commands.options import Json, NotReached, Set, UsageError, overrides
from edgevla.tables import console, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgevla.bundle import Bundle
    from edgevla.calibrate.collector import Collector, Source
    from edgevla.calibration_set import Resolution
    from edgevla.config.robot import Robot
    from edgevla.messages import Chunk, Observation
    from edgevla.sim.tasks import Task
    from edgevla.sim.world import World

    Act = Callable[[Observation, int], Chunk]

_KEEP, _KEEP_IN_ORDER = 256, 1024  # the latter are some 30 episodes
_LOOKS_HZ = 5.0


def capture(
    robot: Annotated[Path, typer.Argument(help="robot.yaml")],
    out: Annotated[Path, typer.Option(help="the set's folder; a set that is there goes on growing")],
    keep: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="observations in the set: those that differ most [default: 256], or, for a policy "
            "that remembers, all of the first episodes [default: 1024]",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="how long to watch the robot")] = 180.0,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, max=30.0, help="looks a second [default: 5; the policy's own rate if it remembers]"),
    ] = None,
    instruction: Annotated[
        list[str] | None,
        typer.Option(help="a sentence to show, or for the simulated robot to do; repeat [default: the bundle's]"),
    ] = None,
    simulate: Annotated[int, typer.Option(min=0, help="episodes of the simulated robot instead of the real one")] = 0,
    expert: Annotated[bool, typer.Option("--expert", help="the scripted expert drives it, not the policy")] = False,
    seed: Annotated[int, typer.Option(help="draws the simulated worlds")] = 1000,
    recorded: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="recorded episodes, .npz, instead; repeat")
    ] = None,
    set_: Set = None,
    json: Json = None,
) -> None:
    """Take observations for INT8 calibration: from the robot, moved by hand, the simulated one, or recordings.

    Nothing is written to the servos. Ctrl-C keeps what there is; the same command goes on from there.
    """
    from edgevla.bundle import check_fits, load_manifest
    from edgevla.config.load import load_robot
    from edgevla.quantize.dataset import FEWEST, gaps, load_dataset, remembering
    from edgevla.runtime.report import envelope, now, write_json
    from edgevla.runtime.wiring import arm_model, bundle_folder

    if bool(simulate) + bool(recorded) > 1:
        raise UsageError("--simulate and --recorded are two sources", fix="a set has one: give one of them")
    if not (math.isfinite(seconds) and (rate is None or math.isfinite(rate))):
        raise UsageError(f"--seconds {seconds} --rate {rate}: must be numbers", fix="--seconds 180 --rate 5")
    if expert and not simulate:
        raise UsageError("--expert drives the simulated robot only", fix="add --simulate 30")
    started = now()
    config = load_robot(robot, overrides(set_))
    bundle = load_manifest(bundle_folder(robot, config))
    if not recorded:
        check_fits(bundle, config)
    sentences = tuple(instruction or bundle.manifest.language.instructions)
    remembers = bundle.manifest.recurrent is not None
    if keep is None:
        keep = _KEEP_IN_ORDER if remembers else _KEEP
    if simulate:
        model = arm_model(robot, config)
        tasks = _tasks(sentences)
        collector = _from_simulator(config, model, bundle, out, keep, started, tasks, simulate, seed, expert)
    elif recorded:
        collector = _from_files(bundle, out, keep, started, recorded)
    else:
        rate = rate or (bundle.manifest.action.rate_hz if remembers else _LOOKS_HZ)
        collector = _from_robot(config, bundle, out, keep, started, seconds, rate, sentences)
    print_table("refused", [{"why": why, "observations": count} for why, count in sorted(collector.refused.items())])
    console.print(f"{out}: {collector.kept} of {collector.seen} observations kept", highlight=False)
    if json is not None:
        results = {"folder": str(out), "kept": collector.kept, "seen": collector.seen, "refused": collector.refused}
        write_json(json, envelope("calibrate capture", started, results))
    if collector.kept < min(keep, FEWEST):
        raise NotReached(f"{out}: {collector.kept} observations are too few, {FEWEST} are needed to quantise")
    part = load_dataset(out, bundle, fewest=1)
    if remembers and remembering(part, bundle.manifest) < FEWEST:
        raise NotReached(f"{gaps(part, bundle.manifest)}; {FEWEST} such observations are needed to quantise")


def _from_robot(
    robot: Robot,
    bundle: Bundle,
    out: Path,
    keep: int,
    started: str,
    seconds: float,
    rate: float,
    sentences: tuple[str, ...],
) -> Collector:
    from edgevla.calibrate.watch import Watch

    with Watch(robot, tuple(_cameras(robot))) as watch:  # first: what cannot be watched leaves no set behind
        collector = _collector(out, bundle, _cameras(robot), "robot", keep, started)
        console.print("Nothing is written to the servos. Move the arm by hand, as if it did what the line below says.")
        with _bar(collector, round(seconds * rate)) as advance:
            for look in watch.looks(seconds, rate, sentences):
                if isinstance(look, str):
                    advance(look)
                    continue
                offered = collector.offer(look)
                advance(offered.refused or look.instruction)
    return collector


def _tasks(sentences: tuple[str, ...]) -> tuple[Task, ...]:
    from edgevla.sim.tasks import Task

    return tuple(Task.parse(sentence) for sentence in sentences)


def _from_simulator(
    robot: Robot,
    model: Path | None,
    bundle: Bundle,
    out: Path,
    keep: int,
    started: str,
    tasks: tuple[Task, ...],
    episodes: int,
    seed: int,
    expert: bool,
) -> Collector:
    from edgevla.calibrate.simulated import record
    from edgevla.evaluate import planners
    from edgevla.policy.loading import load_policy

    driver = planners.expert
    if not expert:
        policy = load_policy(bundle.folder, robot=robot, model=model)

        def driver(world: World, task: Task) -> Act:
            policy.reset()
            return policy.act

    collector = _collector(out, bundle, _cameras(robot), "simulated", keep, started)
    with _bar(collector, episodes) as advance:
        for _ in record(robot, tasks, episodes, seed, driver, collector):
            advance("")
    return collector


def _from_files(bundle: Bundle, out: Path, keep: int, started: str, files: list[Path]) -> Collector:
    from edgevla.calibrate.recorded import Episode

    collector = _collector(out, bundle, Episode(files[0]).cameras, "recorded", keep, started)
    with _bar(collector, len(files)) as advance:
        for file in files:
            collector.begin_episode()
            for observation in Episode(file):
                collector.offer(observation)
            advance(str(file))
    return collector


def _collector(
    out: Path, bundle: Bundle, cameras: dict[str, Resolution], source: Source, keep: int, started: str
) -> Collector:
    from edgevla.calibrate.collector import Collector

    return Collector(out, bundle, cameras, source, keep, started)


def _cameras(robot: Robot) -> dict[str, Resolution]:
    from edgevla.calibration_set import Resolution

    return {camera.name: Resolution(height=camera.height, width=camera.width) for camera in robot.cameras}


@contextmanager
def _bar(collector: Collector, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar that says how many are kept; the set is whole on disk however this ends."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[kept]} kept"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=total, kept=collector.kept)
        try:
            yield lambda words: progress.update(bar, advance=1, description=words, kept=collector.kept)
        except KeyboardInterrupt:
            progress.console.print(f"{collector.kept} observations kept; the same command goes on from here")
            raise
        finally:
            collector.save()
