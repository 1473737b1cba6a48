"""The whole recipe: demonstrations, a first student, rounds in which it drives and the expert corrects, the last one.

This is imitation of a scripted expert. Every stage is kept in `work` and is not computed again, so an interrupted
run continues where it was.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from edgevla.distill.batches import Statistics
from edgevla.distill.check import check
from edgevla.distill.demonstrations import collect, load
from edgevla.distill.export import export
from edgevla.distill.train import train
from edgevla.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    demonstrations: int = 1000
    rounds: int = 1
    episodes_per_round: int = 300
    first_steps: int = 1500
    round_steps: int = 1000
    last_steps: int = 4500
    check_episodes: int = 40  # an instruction


@dataclass(frozen=True)
class Log:
    """How a student came about."""

    seed: int
    plan: Plan
    samples: int
    loss: float
    difference: float  # torch against onnxruntime, normalised units
    successes: dict[str, int]
    minutes: float


def distill(
    out: Path,
    *,
    seed: int = 0,
    work: Path,
    robot: Path | None = None,
    plan: Plan | None = None,
    workers: int = 2,
    threads: int = 2,
) -> Log:
    """Train a student for the tabletop and write its bundle into `out`; the log is also left beside its shards.

    Args:
        out: the bundle's folder; a robot.yaml or README in it is left alone.
        seed: of everything that is drawn.
        work: shards, checkpoints and log.json, in a folder for each seed; reused when they are there.
        robot: the robot.yaml whose envelope shapes the motion; the shipped one by default.
        plan: how much of everything; the shipped weights took the default.
        workers: processes that collect.
        threads: threads that train; one is faster on a machine that is busy with other things.
    """
    plan = plan or Plan()
    robot = robot or shipped("so101-tabletop") / "robot.yaml"
    work = work / f"seed-{seed}"
    began_s = time.monotonic()
    torch.set_num_threads(threads)
    columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        gather = partial(collect, robot=robot, workers=workers, progress=progress)
        shards = gather(work / "demonstrations", plan.demonstrations, seed=seed)
        statistics = Statistics.of(load(shards))
        start: Path | None = None
        for number in range(plan.rounds):
            steps = plan.round_steps if start else plan.first_steps
            checkpoint = work / f"student-{number}.pt"
            student, _ = train(
                load(shards), statistics, checkpoint, steps=steps, seed=seed, start=start, progress=progress
            )
            driver = work / f"student-{number}"
            export(student, statistics, driver)
            shards += gather(
                work / f"corrections-{number}", plan.episodes_per_round, seed=seed + 1 + number, driver=driver
            )
            start = checkpoint
        samples = load(shards)
        student, loss = train(
            samples, statistics, work / "last.pt", steps=plan.last_steps, seed=seed, start=start, progress=progress
        )
        difference = export(student, statistics, out)
        successes = check(out, robot=robot, episodes=plan.check_episodes, seed=seed, workers=workers, progress=progress)
    minutes = (time.monotonic() - began_s) / 60.0
    log = Log(seed, plan, len(samples), loss, difference, successes, minutes)
    (work / "log.json").write_text(json.dumps(asdict(log), indent=2) + "\n", encoding="utf-8")
    return log
