"""A student's success in closed loop, on worlds that no demonstration has seen: the figure that decides a recipe.

The full runtime's figure is `edgevla eval`; this one needs neither processes nor bus and takes a minute.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import cv2

from edgevla.config.load import load_robot
from edgevla.distill.demonstrations import CAMERA_PX, camera_picture
from edgevla.distill.playback import play
from edgevla.distill.runner import Student
from edgevla.sim.tasks import INSTRUCTIONS, TASKS, Judge
from edgevla.sim.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress

    from edgevla.distill.playback import Array

_SEED_STRIDE = 100_000  # between instructions; worlds of the check start far from those of the demonstrations
_FIRST_SEED = 1_000_000_000


def check(
    folder: Path, *, robot: Path, episodes: int, seed: int, workers: int = 2, progress: Progress
) -> dict[str, int]:
    """How many of `episodes` worlds each instruction succeeded in."""
    bar = progress.add_task(f"check {folder.name}", total=len(INSTRUCTIONS))
    successes = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {name: pool.submit(_successes, folder, robot, name, episodes, seed) for name in INSTRUCTIONS}
        for name, result in running.items():
            successes[name] = result.result()
            progress.advance(bar)
    return successes


def _successes(folder: Path, robot: Path, instruction: str, episodes: int, seed: int) -> int:
    cv2.setNumThreads(1)
    arm, world, student, task = load_robot(robot), World(CAMERA_PX), Student(folder), TASKS[instruction]

    def plan() -> Array:
        return student.plan(camera_picture(world, "front"), world.position_rad, instruction)

    first = _FIRST_SEED + seed + _SEED_STRIDE * INSTRUCTIONS.index(instruction)
    won = 0
    for episode in range(episodes):
        world.reset(first + episode)
        won += play(arm, world, Judge(world, task), plan).success
    return won
