"""Demonstrations: what the world looked like, where the arm was, and the expert's plan for it.

The arm is driven by the expert, or by a student while the expert says what it should have done (DAgger). Episodes
are pushed about, start in odd places and follow on one another, so that the plans cover more than one clean path.
Shards are seeded, written whole, and never computed twice.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgevla.config.load import load_robot
from edgevla.distill.playback import LIMIT_S, play
from edgevla.distill.runner import Student
from edgevla.sim.expert import Expert
from edgevla.sim.tasks import INSTRUCTIONS, TASKS, Judge
from edgevla.sim.world import HOME_RAD, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from edgevla.config.robot import Robot
    from edgevla.distill.playback import Array

IMAGE_PX = 96
CAMERA_PX = 288
EPISODES_PER_SHARD = 25

_JPEG_QUALITY = 90
_FOLLOW_ON = 3  # instructions carried out one after another before the arm starts afresh
_STRAY_SHARE = 0.3  # of fresh starts that are not near the home pose
_STRAY_RAD = np.array([0.7, 0.35, 0.35, 0.35, 0.7, 0.05])
_STRAY_Z_M = 0.03  # the tip stays clear of the table
_NEW_BLOCKS_SHARE = 0.7  # of follow-on instructions that get new block poses
_PUSHED_SHARE = 0.7  # of episodes that are disturbed
_PUSH_RAD = 0.06
_DAGGER_LIMIT_S = 7.0


@dataclass(frozen=True)
class Samples:
    """Observations and their labels, one a row."""

    front: NDArray[np.uint8]  # (n, 96, 96, 3) RGB
    state_rad: NDArray[np.float32]  # (n, 6)
    task: NDArray[np.int64]  # (n,) index into INSTRUCTIONS
    plan_rad: NDArray[np.float32]  # (n, 12, 6)
    block_m: NDArray[np.float32]  # (n, 2) where the named block is

    def __len__(self) -> int:
        return len(self.task)


def camera_picture(world: World, camera: str) -> NDArray[np.uint8]:
    """What arrives from a camera that sends MJPEG: (288, 288, 3) RGB."""
    bgr = world.render(camera)[:, :, ::-1]
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]


def shrink(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """To the network's size, (96, 96, 3)."""
    small: NDArray[np.uint8] = cv2.resize(picture, (IMAGE_PX, IMAGE_PX), interpolation=cv2.INTER_AREA)
    return small


def collect(
    folder: Path,
    episodes: int,
    *,
    robot: Path,
    seed: int,
    driver: Path | None = None,
    workers: int = 2,
    progress: Progress,
) -> tuple[Path, ...]:
    """Write `episodes` episodes as shards into `folder`; shards that are there already are kept.

    Args:
        robot: the robot.yaml whose envelope shapes the motion.
        driver: a student's bundle folder that drives the arm while the expert labels; None lets the expert drive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = [folder / f"shard-{i:04d}.npz" for i in range(-(-episodes // EPISODES_PER_SHARD))]
    missing = [i for i, shard in enumerate(shards) if not shard.exists()]
    bar = progress.add_task(folder.name, total=len(shards), completed=len(shards) - len(missing))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_write_shard, shards[i], (seed, i), robot, driver) for i in missing]
        for done in as_completed(running):
            done.result()
            progress.advance(bar)
    return tuple(shards)


def load(shards: tuple[Path, ...]) -> Samples:
    """All samples of some shards, in order."""
    parts = [np.load(shard) for shard in shards]
    return Samples(**{field.name: np.concatenate([part[field.name] for part in parts]) for field in fields(Samples)})


class _Recorder:
    """One world, watched: every plan that is asked for leaves a labelled row."""

    def __init__(self, rng: np.random.Generator, robot: Robot, driver: Path | None) -> None:
        self.rows: dict[str, list[NDArray[np.generic]]] = {field.name: [] for field in fields(Samples)}
        self._rng, self._robot = rng, robot
        self._world, self._expert = World(CAMERA_PX), Expert()
        self._student = None if driver is None else Student(driver)
        self._limit_s = LIMIT_S if driver is None else _DAGGER_LIMIT_S

    def record(self, episodes: int) -> None:
        """Play instructions drawn at random; a new start after `_FOLLOW_ON` of them or after a failure."""
        follow_on = 0
        for _ in range(episodes):
            if follow_on == 0:
                _start(self._world, self._rng)
                follow_on = _FOLLOW_ON
            elif self._rng.random() < _NEW_BLOCKS_SHARE:
                self._world.place_blocks(_seed(self._rng))
            index = int(self._rng.integers(len(INSTRUCTIONS)))
            judge = Judge(self._world, TASKS[INSTRUCTIONS[index]])
            disturb = _disturbance(self._rng)
            plan = partial(self._plan, index)
            outcome = play(self._robot, self._world, judge, plan, limit_s=self._limit_s, disturb=disturb)
            follow_on = follow_on - 1 if outcome.success else 0

    def _plan(self, index: int) -> Array:
        task = TASKS[INSTRUCTIONS[index]]
        state_rad, blocks = self._world.position_rad, self._world.block_positions()
        picture = camera_picture(self._world, "front")
        plan_rad = self._expert.plan(state_rad, blocks, task)
        row: dict[str, NDArray[np.generic]] = {
            "front": shrink(picture),
            "state_rad": state_rad.astype(np.float32),
            "task": np.array(index),
            "plan_rad": plan_rad.astype(np.float32),
            "block_m": blocks[task.colour][:2].astype(np.float32),
        }
        for name, value in row.items():
            self.rows[name].append(value)
        return plan_rad if self._student is None else self._student.plan(picture, state_rad, task.sentence)


def _write_shard(path: Path, seed: tuple[int, int], robot: Path, driver: Path | None) -> None:
    cv2.setNumThreads(1)
    recorder = _Recorder(np.random.default_rng(seed), load_robot(robot), driver)
    recorder.record(EPISODES_PER_SHARD)
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.stack(values) for name, values in recorder.rows.items()})
    draft.rename(path)


def _start(world: World, rng: np.random.Generator) -> None:
    world.reset(_seed(rng))
    if rng.random() > _STRAY_SHARE:
        return
    low = True
    while low:
        world.place_arm(HOME_RAD + rng.uniform(-1.0, 1.0, len(HOME_RAD)) * _STRAY_RAD)
        low = world.tip_position()[2] < _STRAY_Z_M
    world.place_blocks(_seed(rng))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _disturbance(rng: np.random.Generator) -> Callable[[float], Array] | None:
    """A few slow bumps, each on all joints, or none."""
    if rng.random() > _PUSHED_SHARE:
        return None
    count = int(rng.integers(1, 4))
    at_s, width_s = rng.uniform(0.2, 3.5, count), rng.uniform(0.1, 0.4, count)
    size_rad = rng.uniform(-_PUSH_RAD, _PUSH_RAD, (count, 6))
    size_rad[:, 5] = 0.0

    def disturb(t_s: float) -> Array:
        bump: Array = np.exp(-0.5 * ((t_s - at_s) / width_s) ** 2)
        return np.asarray(bump @ size_rad)

    return disturb
