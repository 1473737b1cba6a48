"""Carries out plans in the simulated world as the runtime does, without its processes and its bus.

Control ticks at the robot's rate. Every 100 ms a plan is asked for; it arrives 80 ms later, which is what camera,
network and links take, and goes through the runtime's own `Timeline` and `Limits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgevla.control.limits import Limits
from edgevla.control.timeline import Timeline
from edgevla.messages import Chunk
from edgevla.sim.expert import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.config.robot import Robot
    from edgevla.sim.tasks import Judge
    from edgevla.sim.world import World

Array = NDArray[np.float64]

OBSERVE_S = 0.100
LATENCY_S = 0.080


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an instruction ended."""

    success: bool
    seconds: float


def play(
    robot: Robot,
    world: World,
    judge: Judge,
    plan: Callable[[], Array],
    *,
    limit_s: float,
    disturb: Callable[[float], Array] | None = None,
) -> Outcome:
    """Run until the judge has a verdict or the time is up.

    Args:
        robot: gives the tick, the envelope and how long a plan is good for.
        plan: looks at the world now and returns a chunk (horizon, joints) of absolute setpoints, rad.
        disturb: offset (joints,) added to the setpoint at a moment, rad: something that pushes the arm about.
    """
    tick_s = 1.0 / robot.control.rate
    steps = round(tick_s / world.timestep_s)
    limits, timeline = Limits(robot.joints, tick_s), Timeline(len(robot.joints), robot.control.plan_hold_after)
    limits.start(tuple(world.position_rad))
    world.torque_on[:] = True
    on_the_way: list[Chunk] = []
    for tick in range(round(limit_s / tick_s)):
        now_s = tick * tick_s
        if tick % round(OBSERVE_S / tick_s) == 0:
            on_the_way.append(_chunk(plan(), now_s))
        if now_s - on_the_way[0].t_obs_s > LATENCY_S - 0.5 * tick_s:
            timeline.offer(on_the_way.pop(0), now_s)
        wanted = timeline.wanted(now_s)
        if wanted is not None:
            setpoint = np.array(limits.follow(wanted, tuple(world.position_rad)).position_rad)
            world.goal_rad[:] = setpoint if disturb is None else setpoint + disturb(now_s)
        for _ in range(steps):
            world.step()
        judge.update()
        if judge.success or judge.failed:
            return Outcome(judge.success, now_s + tick_s)
    return Outcome(False, limit_s)


def _chunk(plan_rad: Array, t_obs_s: float) -> Chunk:
    rows = tuple(map(tuple, plan_rad.tolist()))
    return Chunk(seq=0, t_obs_s=t_obs_s, rate_hz=RATE_HZ, actions_rad=rows, valid=True)
