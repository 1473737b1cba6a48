"""Demonstrations: what the world looked like, where the arm was, and the expert's plan for it.

The arm is driven by the expert, or by a policy while the expert says what it should have done (DAgger). Episodes are
pushed about, start in odd places, follow on one another and look different, so that the plans cover more than one clean
path. Shards are seeded, written whole, and never computed twice.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgevla.config.load import load_robot
from edgevla.distill.disturbance import disturbance
from edgevla.distill.driver import Driver
from edgevla.distill.playback import play
from edgevla.distill.store import Rows
from edgevla.files import write_whole
from edgevla.sim.expert import Expert
from edgevla.sim.look import Look, drawn_look
from edgevla.sim.tasks import EXTENDED, TASKS, Judge
from edgevla.sim.world import CAMERAS, COLOURS, HOME_RAD, World
from edgevla.spread import spread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from edgevla.config.robot import Robot
    from edgevla.distill.playback import Array
    from edgevla.sim.tasks import Task

IMAGE_PX = 96
CAMERA_PX = 288
EPISODES_PER_SHARD = 25

_JPEG_QUALITY = 90
_FOLLOW_ON = 3  # instructions carried out one after another before the arm starts afresh
_STRAY_SHARE = 0.3  # of fresh starts that are not near the home pose
_STRAY_RAD = np.array([0.7, 0.35, 0.35, 0.35, 0.7, 0.05])
_STRAY_ROLL_RAD = (-0.7, 2.2)  # where a hand that is to carry may start ...
_STRAY_OPENING_RAD = (0.0, 0.9)  # ... and how far open
_STRAY_Z_M = 0.03  # the tip stays clear of the table
_NEW_BLOCKS_SHARE = 0.7  # of follow-on instructions that get new block poses
_DRIVEN_SHARE = 0.7  # of the time limit that a policy gets: what it does wrong for longer teaches nothing new


@dataclass(frozen=True)
class Settings:
    """All that decides what is in a shard.

    Args:
        instructions: drawn from with equal chances; of EXTENDED, one may be listed more than once.
        looks: share of fresh starts that look different from the scene's file.
        driver: a bundle that drives the arm while the expert labels; None lets the expert drive.
    """

    robot: Robot
    instructions: tuple[str, ...]
    looks: float
    driver: Path | None
    episodes: int  # in one shard


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
    instructions: Sequence[str] = EXTENDED,
    robot: Path,
    seed: int,
    looks: float = 0.5,
    driver: Path | None = None,
    workers: int = 2,
    ray: str = "",
    progress: Progress,
) -> tuple[Path, ...]:
    """Write `episodes` episodes, or up to 24 more, as shards of 25 into `folder`; those that are there are kept.

    A shard is a .npz with the fields of `Rows`. Wherever it is made, it depends only on the settings, the seed and its
    number.

    Args:
        instructions: see `Settings`, as is `looks`.
        robot: the robot.yaml whose envelope shapes the motion.
        driver: a bundle's folder, of any family; on a cluster it must be there on every machine.
        ray: address of a Ray cluster, see `spread`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(load_robot(robot), tuple(instructions), looks, driver, EPISODES_PER_SHARD)
    shards = [folder / f"shard-{i:04d}.npz" for i in range(-(-episodes // EPISODES_PER_SHARD))]
    jobs = [(settings, seed, i) for i, shard in enumerate(shards) if not shard.exists()]
    bar = progress.add_task(folder.name, total=len(shards), completed=len(shards) - len(jobs))
    for (_, _, number), content in spread(make_shard, jobs, workers=workers, ray=ray):
        write_whole(shards[number], content)
        progress.advance(bar)
    return tuple(shards)


def make_shard(job: tuple[Settings, int, int]) -> bytes:
    """Return the .npz of one shard: what `collect` spreads.

    Args:
        job: settings, seed, and the number of the shard.
    """
    settings, seed, number = job
    cv2.setNumThreads(1)
    recorder = _Recorder(np.random.default_rng((seed, number)), settings)
    recorder.record(number * settings.episodes, settings.episodes)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{name: np.stack(values) for name, values in recorder.rows.items()})
    return file.getvalue()


class _Recorder:
    """One world, watched: every plan that is asked for leaves a labelled row."""

    def __init__(self, rng: np.random.Generator, settings: Settings) -> None:
        self.rows: dict[str, list[NDArray[np.generic]]] = {field.name: [] for field in fields(Rows)}
        self._rng, self._settings = rng, settings
        self._world, self._expert = World(CAMERA_PX), Expert()
        self._driver = None if settings.driver is None else Driver(settings.driver)

    def record(self, first: int, count: int) -> None:
        """Play instructions drawn at random; a new start after `_FOLLOW_ON` of them or after a failure."""
        follow_on, before = 0, None
        for episode in range(first, first + count):
            task = TASKS[str(self._rng.choice(self._settings.instructions))]
            if follow_on == 0:
                self._start(task)
                follow_on = _FOLLOW_ON
            # What was carried is where it belongs, so it must not be asked for again.
            elif self._rng.random() < _NEW_BLOCKS_SHARE or task.verb == "put" or (before and before.carries):
                self._world.place_blocks(_seed(self._rng))
            follow_on = follow_on - 1 if self._play(episode, task) else 0
            before = task

    def _play(self, episode: int, task: Task) -> bool:
        limit_s = task.limit_s * (1.0 if self._driver is None else _DRIVEN_SHARE)
        began_s = self._world.t_s
        if self._driver is not None:
            self._driver.reset()

        def plan() -> Array:
            return self._plan(episode, task, self._world.t_s - began_s)

        disturb = disturbance(self._rng, task)
        judge = Judge(self._world, task)
        return play(self._settings.robot, self._world, judge, plan, limit_s=limit_s, disturb=disturb).success

    def _plan(self, episode: int, task: Task, t_s: float) -> Array:
        state_rad, blocks = self._world.position_rad, self._world.block_poses()
        pictures = {camera: camera_picture(self._world, camera) for camera in CAMERAS}
        plan_rad = self._expert.plan(state_rad, blocks, task)
        row: dict[str, NDArray[np.generic]] = {
            **{camera: shrink(picture) for camera, picture in pictures.items()},
            "state_rad": state_rad.astype(np.float32),
            "task": np.array(EXTENDED.index(task.sentence)),
            "plan_rad": plan_rad.astype(np.float32),
            "block_m": np.stack([blocks[colour][:3] for colour in COLOURS]).astype(np.float32),
            "episode": np.array(episode),
            "t": np.array(t_s, np.float32),
        }
        for name, value in row.items():
            self.rows[name].append(value)
        return plan_rad if self._driver is None else self._driver.plan(pictures, state_rad, task.sentence, t_s)

    def _start(self, task: Task) -> None:
        world, rng = self._world, self._rng
        world.reset(_seed(rng))
        look, plain = drawn_look(_seed(rng)), rng.random() >= self._settings.looks
        world.apply(Look() if plain else look)
        if rng.random() > _STRAY_SHARE:
            return
        low = True
        while low:
            pose = HOME_RAD + rng.uniform(-1.0, 1.0, len(HOME_RAD)) * _STRAY_RAD
            if task.carries:
                pose[4:] = rng.uniform(*_STRAY_ROLL_RAD), rng.uniform(*_STRAY_OPENING_RAD)
            world.place_arm(pose)
            low = world.tip_position()[2] < _STRAY_Z_M
        world.place_blocks(_seed(rng))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
