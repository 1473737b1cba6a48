"""A policy's success in closed loop, on worlds that demonstrations have not drawn: the figure that decides a recipe.

The full runtime's figure is `edgevla eval`; this one needs neither processes nor bus and takes a second an episode.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

import cv2

from edgevla.config.load import load_robot
from edgevla.distill.demonstrations import CAMERA_PX, camera_picture
from edgevla.distill.driver import Driver
from edgevla.distill.playback import play
from edgevla.sim.tasks import EXTENDED, TASKS, Judge
from edgevla.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.progress import Progress

    from edgevla.distill.playback import Array

_SEED_STRIDE = 100_000  # between instructions, which share no worlds
_FIRST_SEED = 1_000_000_000  # demonstrations draw theirs from 2^31, so hardly ever one of these
_OBSERVE_S = 0.1


@dataclass(frozen=True)
class Result:
    """What came of one instruction's episodes."""

    episodes: int
    successes: int
    chunks: int
    invalid: int  # of the chunks


def check(
    folder: Path,
    *,
    robot: Path,
    instructions: Sequence[str],
    episodes: int,
    seed: int,
    variant: str = "fp32",
    workers: int = 2,
    progress: Progress,
) -> dict[str, Result]:
    """Let a bundle drive `episodes` worlds for each instruction."""
    bar = progress.add_task(f"check {folder.name} {variant}", total=len(instructions))
    results = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {name: pool.submit(_result, folder, variant, robot, name, episodes, seed) for name in instructions}
        for name, result in running.items():
            results[name] = result.result()
            progress.advance(bar)
    return results


def won(results: dict[str, Result], instructions: Sequence[str]) -> tuple[int, int]:
    """Successes and episodes over some of the instructions."""
    some = [results[name] for name in instructions]
    return sum(each.successes for each in some), sum(each.episodes for each in some)


def _result(folder: Path, variant: str, robot: Path, instruction: str, episodes: int, seed: int) -> Result:
    cv2.setNumThreads(1)
    arm, world, driver, task = load_robot(robot), World(CAMERA_PX), Driver(folder, variant), TASKS[instruction]
    chunks = 0

    def plan() -> Array:
        nonlocal chunks
        chunks += 1
        pictures = {camera: camera_picture(world, camera) for camera in driver.cameras}
        return driver.plan(pictures, world.position_rad, instruction, chunks * _OBSERVE_S)

    first = _FIRST_SEED + seed + _SEED_STRIDE * EXTENDED.index(instruction)
    successes = 0
    for episode in range(episodes):
        world.reset(first + episode)
        driver.reset()
        successes += play(arm, world, Judge(world, task), plan, limit_s=task.limit_s).success
    return Result(episodes, successes, chunks, driver.invalid)
