"""How long `Policy.act` takes, of several policies in one process: in turns, so that a busy moment hits all alike."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from edgevla.config.load import load_robot
from edgevla.evaluate.episodes import SUITES, TABLETOP
from edgevla.evaluate.quantiles import quantiles
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.runtime.wiring import arm_model
from edgevla.shipped import shipped
from edgevla.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edgevla.evaluate.matrix import Row

ROUNDS = 120
WARM_UP = 20  # rounds that do not count
_SCENE = 10  # rounds before the blocks lie elsewhere and another sentence is said


def chunk_ms(
    rows: Sequence[Row], progress: Callable[[], None], *, rounds: int = ROUNDS, warm_up: int = WARM_UP
) -> list[dict[str, Any]]:
    """For each row the quantiles of a chunk in ms, and the number `n` of chunks that they are of.

    Each round, all policies are shown the same picture of the simulated robot, and another one begins. Observations
    follow one another as on the robot, so that a policy that remembers works with its memory full. An invalid chunk
    does not count.

    Args:
        progress: called after each round.

    Raises:
        EdgeVLAError: a policy cannot be loaded.
    """
    path = shipped(TABLETOP) / "robot.yaml"
    robot = load_robot(path)
    model = arm_model(path, robot)
    spent_ms: list[list[float]] = [[] for _ in rows]
    with ExitStack() as opened:
        policies = []
        for row in rows:
            policies.append(load_policy(row.folder, row.variant, robot, model=model))
            opened.callback(policies[-1].engine.close)
        cameras = tuple(camera.name for camera in robot.cameras)
        for number, observation in enumerate(_observations(cameras, 1.0 / float(robot.control.replan), rounds)):
            for place in range(len(rows)):
                turn = (number + place) % len(rows)
                began_s = time.perf_counter()
                chunk = policies[turn].act(observation, number)
                took_ms = 1e3 * (time.perf_counter() - began_s)
                if chunk.valid and number >= warm_up:
                    spent_ms[turn].append(took_ms)
            progress()
    return [quantiles(values) for values in spent_ms]


def _observations(cameras: tuple[str, ...], period_s: float, count: int) -> Iterator[Observation]:
    instructions = SUITES[TABLETOP]
    world = World()
    try:
        for number in range(count):
            scene, step = divmod(number, _SCENE)
            if step == 0:
                world.reset(scene)
                pictures = {camera: world.render(camera).copy() for camera in cameras}
            yield Observation(number * period_s, pictures, world.position_rad, instructions[scene % len(instructions)])
    finally:
        world.close()
