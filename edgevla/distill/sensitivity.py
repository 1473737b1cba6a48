"""Does the sentence decide? The same pictures and joints, two sentences: the motion has to change as the expert's does.

In a pair, the expert's plans for the two sentences take the tip to two places in the first second. The policy is right
about the pair if, for each sentence, its own plan takes the tip nearer to the expert's place for that sentence than to
the expert's place for the other one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgevla.distill.demonstrations import CAMERA_PX, camera_picture
from edgevla.distill.playback import play
from edgevla.sim.expert import RATE_HZ, Expert
from edgevla.sim.graphics import mujoco
from edgevla.sim.tasks import TASKS, Judge
from edgevla.sim.world import World, load_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress

    from edgevla.config.robot import Robot
    from edgevla.distill.driver import Driver
    from edgevla.distill.playback import Array

_SEED = 1_700_000_000  # apart from the worlds of checks; demonstrations draw theirs from 2^31, so hardly ever these
_APART_M = 0.02  # of the expert's two places; nearer than this there is nothing to tell apart
_LATEST_S = 3.0
_ROW = round(RATE_HZ)


@dataclass(frozen=True)
class Sensitivity:
    """Pairs that were judged, and those in which the motion changed as it should."""

    pairs: int
    right: int


class Tip:
    """Where a pose of the joints takes the tip."""

    def __init__(self) -> None:
        self._model = load_model()
        self._data = mujoco.MjData(self._model)

    def __call__(self, position_rad: Array) -> Array:
        """(6,) rad to (3,) m."""
        self._data.qpos[: len(position_rad)] = position_rad
        mujoco.mj_kinematics(self._model, self._data)
        return np.array(self._data.site("tip").xpos)


def sensitivity(
    driver: Driver, *, robot: Robot, instructions: Sequence[str], pairs: int, seed: int, progress: Progress
) -> Sensitivity:
    """Judge `pairs` pairs of sentences, each in a world of its own, some way into a third one's motion."""
    rng = np.random.default_rng(seed)
    world, expert, tip = World(CAMERA_PX), Expert(), Tip()
    bar = progress.add_task("sensitivity", total=pairs)
    judged = right = attempt = 0
    while judged < pairs:
        attempt += 1
        world.reset(_SEED + seed * 1_000_000 + attempt)
        first, second, before = rng.choice(len(instructions), 3, replace=False)
        _move(robot, world, expert, instructions[before], float(rng.uniform(0.1, _LATEST_S)))
        state_rad, blocks = world.position_rad, world.block_poses()
        pictures = {camera: camera_picture(world, camera) for camera in driver.cameras}
        wanted, found = [], []
        for sentence in (instructions[first], instructions[second]):
            driver.reset()
            plan_rad = driver.plan(pictures, state_rad, sentence, 0.0)
            row = min(_ROW, len(plan_rad) - 1)
            found.append(tip(plan_rad[row]))
            wanted.append(tip(expert.plan(state_rad, blocks, TASKS[sentence])[row]))
        if np.linalg.norm(wanted[0] - wanted[1]) < _APART_M:
            continue
        judged += 1
        right += follows(np.array(found), np.array(wanted))
        progress.advance(bar)
    return Sensitivity(judged, right)


def follows(found_m: Array, wanted_m: Array) -> bool:
    """Whether each of two places (2, 3) is nearer to its own wanted place (2, 3) than to the other's."""
    off_m = np.linalg.norm(found_m[:, None] - wanted_m[None], axis=-1)
    return bool(off_m[0, 0] < off_m[0, 1] and off_m[1, 1] < off_m[1, 0])


def _move(robot: Robot, world: World, expert: Expert, sentence: str, seconds: float) -> None:
    task = TASKS[sentence]

    def plan() -> Array:
        return expert.plan(world.position_rad, world.block_poses(), task)

    play(robot, world, Judge(world, task), plan, limit_s=seconds)
