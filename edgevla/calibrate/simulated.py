"""Observations from the simulated robot in lockstep: what its cameras and joints show while something drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.runtime.lockstep import run_episode
from edgevla.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edgevla.calibrate.collector import Collector
    from edgevla.config.robot import Robot
    from edgevla.messages import Chunk, Observation
    from edgevla.sim.tasks import Task

    Act = Callable[[Observation, int], Chunk]


def record(
    robot: Robot,
    tasks: Sequence[Task],
    episodes: int,
    seed: int,
    driver: Callable[[World, Task], Act],
    collector: Collector,
) -> Iterator[int]:
    """Play episodes, the tasks in turn, and offer every observation that the driver is given.

    Args:
        driver: who drives, for one world and one task.

    Yields:
        how many episodes are done.
    """
    world = World()
    try:
        for episode in range(episodes):
            task = tasks[episode % len(tasks)]
            world.reset(seed + episode)
            collector.begin_episode()
            act = driver(world, task)

            def watched(observation: Observation, seq: int, act: Act = act) -> Chunk:
                collector.offer(observation)
                return act(observation, seq)

            run_episode(robot, world, watched, task, limit_s=task.limit_s)
            yield episode + 1
    finally:
        world.close()
