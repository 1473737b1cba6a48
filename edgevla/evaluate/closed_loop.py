"""Closed-loop evaluation in lockstep: seeded episodes, spread over processes, resumable, counted with intervals."""

from __future__ import annotations

import contextlib
import hashlib
import math
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgevla.config.load import load_robot
from edgevla.evaluate.planners import ablated, expert
from edgevla.policy.loading import load_policy
from edgevla.runtime.lockstep import LATENCY_S, run_episode
from edgevla.runtime.wiring import arm_model, open_workspace
from edgevla.sim.tasks import INSTRUCTIONS, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edgevla.config.robot import Robot
    from edgevla.policy.policy import Policy
    from edgevla.sim.world import World

SUITES = {"so101-tabletop": INSTRUCTIONS}
LIMIT_S = 12.0  # simulated seconds for one episode


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides the outcome of an evaluation."""

    suite: str
    robot: str  # robot.yaml
    bundle: str
    variant: str
    planner: str  # "policy" or "expert"
    ablation: str
    episodes: int
    seed: int
    content: str = ""  # of the policy and the robot: what an interrupted evaluation may go on with


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """One episode's outcome."""

    index: int
    instruction: str
    success: bool
    ended: str
    duration_s: float
    limited: int
    blocked: int
    held: int


def content_of(*paths: Path) -> str:
    """A hash over files; policy.yaml has the hashes of all that belongs to a bundle."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def evaluate(settings: Settings, workers: int, done: Path | None, progress: Callable[[Episode], None]) -> list[Episode]:
    """Run all episodes, two workers' worth at a time.

    Args:
        done: finished episodes are appended here and not run again by the next call with the same settings.
        progress: called after every episode, old ones first.
    """
    episodes = _finished(settings, done)
    for episode in episodes:
        progress(episode)
    missing = [index for index in range(settings.episodes) if index not in {episode.index for episode in episodes}]
    for episode in _run(settings, missing, workers):
        episodes.append(episode)
        _append(done, episode)
        progress(episode)
    return sorted(episodes, key=lambda episode: episode.index)


def summary(settings: Settings, episodes: list[Episode]) -> dict[str, Any]:
    """The `results` of an eval report."""
    per_instruction = {
        sentence: _rate([episode for episode in episodes if episode.instruction == sentence])
        for sentence in SUITES[settings.suite]
    }
    return {
        **_rate(episodes),
        "settings": msgspec.to_builtins(settings),
        "per_instruction": per_instruction,
        "bounds": {
            name: sum(getattr(episode, name) for episode in episodes) for name in ("limited", "blocked", "held")
        },
        "ended": _count(episode.ended for episode in episodes),
    }


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a proportion; (0, 1) without trials. Wilson (1927), JASA 22, 209-212."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    scale = 1.0 + z * z / trials
    centre = (share + z * z / (2.0 * trials)) / scale
    half = z / scale * math.sqrt(share * (1.0 - share) / trials + z * z / (4.0 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def _rate(episodes: list[Episode]) -> dict[str, Any]:
    successes = sum(episode.success for episode in episodes)
    trials = len(episodes)
    return {
        "success_rate": successes / trials if trials else None,
        "successes": successes,
        "episodes": trials,
        "ci95": [round(bound, 4) for bound in wilson(successes, trials)],
    }


def _count(words: Iterable[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for word in words:
        counted[word] = counted.get(word, 0) + 1
    return counted


class _Worker:
    """What a worker process keeps between episodes: loading takes longer than an episode."""

    def __init__(self, settings: Settings) -> None:
        from edgevla.sim.world import World

        self.settings = settings
        self.robot: Robot = load_robot(Path(settings.robot))
        self.world: World = World()
        self.workspace = open_workspace(Path(settings.robot), self.robot)
        self.policy: Policy | None = None
        if settings.planner == "policy":
            self.policy = load_policy(
                Path(settings.bundle),
                settings.variant,
                self.robot,
                model=arm_model(Path(settings.robot), self.robot),
                clock=lambda: self.world.t_s + LATENCY_S,  # chunks take as long here as `run_episode` lets them
            )

    def run(self, index: int) -> Episode:
        instructions = SUITES[self.settings.suite]
        task = Task.parse(instructions[index % len(instructions)])
        self.world.reset(self.settings.seed * 1_000_003 + index)
        act = expert(self.world, task) if self.policy is None else ablated(self.policy, self.settings.ablation)
        result = run_episode(
            self.robot, self.world, act, task, limit_s=LIMIT_S, see=self.policy is not None, workspace=self.workspace
        )
        return Episode(
            index=index,
            instruction=task.sentence,
            success=result.success,
            ended=result.ended,
            duration_s=result.duration_s,
            limited=result.bounds.limited,
            blocked=result.bounds.blocked,
            held=result.bounds.held,
        )


_worker: _Worker | None = None


def _start_worker(settings: Settings) -> None:
    global _worker  # noqa: PLW0603 - a pool's initialiser has no other place to leave something
    _worker = _Worker(settings)


def _run_in_worker(index: int) -> Episode:
    if _worker is None:
        raise RuntimeError("the pool's initialiser has not run")
    return _worker.run(index)


def _run(settings: Settings, indices: list[int], workers: int) -> Iterator[Episode]:
    if not indices:
        return
    # One BLAS and OpenGL thread each: two workers on two cores must not share them among four threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(settings,)
    ) as pool:
        yield from pool.map(_run_in_worker, indices)


def _finished(settings: Settings, done: Path | None) -> list[Episode]:
    """What an interrupted run left behind; what belongs to other settings, or was cut off, is dropped."""
    if done is None:
        return []
    head = msgspec.json.encode(settings)
    lines = done.read_bytes().splitlines() if done.exists() else []
    episodes: list[Episode] = []
    with contextlib.suppress(msgspec.DecodeError):
        for line in lines[1:] if lines[:1] == [head] else []:
            episodes.append(msgspec.json.decode(line, type=Episode))
    done.parent.mkdir(parents=True, exist_ok=True)
    done.write_bytes(b"\n".join([head, *map(msgspec.json.encode, episodes)]) + b"\n")
    return episodes


def _append(done: Path | None, episode: Episode) -> None:
    if done is not None:
        with done.open("ab") as file:
            file.write(msgspec.json.encode(episode) + b"\n")
