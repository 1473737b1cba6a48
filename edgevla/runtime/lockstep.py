"""The whole chain in one process under a simulated clock: the same controller, gate, codec and servos, no waiting.

What differs from real time is stated here: the port is a function call, a picture is rendered at the very moment it
stands for, and a chunk takes `latency_s` from picture to control, always.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgevla.messages import Bounds, Event, Mode, Observation
from edgevla.motors.feetech_bus import FeetechBus
from edgevla.runtime.wiring import assemble
from edgevla.sim.loopback import LoopbackTransport
from edgevla.sim.servos import SimulatedServos
from edgevla.sim.tasks import Judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.config.robot import Robot
    from edgevla.control.workspace import Workspace
    from edgevla.messages import Chunk
    from edgevla.motors.bus import Guard
    from edgevla.sim.tasks import Task
    from edgevla.sim.world import World

    Act = Callable[[Observation, int], Chunk]

LATENCY_S = 0.08  # from picture to chunk, about what the real-time runtime takes on two cores


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """How one episode ended."""

    success: bool
    duration_s: float
    bounds: Bounds
    ended: str  # "success", "failed", "time", or the reason of a stop


def run_episode(
    robot: Robot,
    world: World,
    act: Act,
    task: Task,
    *,
    limit_s: float,
    latency_s: float = LATENCY_S,
    see: bool = True,
    workspace: Workspace | None = None,
) -> EpisodeResult:
    """Drive one instruction from a world that has just been reset, until the judge decides or the time is up.

    Args:
        act: makes a chunk from an observation; its `t_obs_s` is simulated time.
        task: what the judge looks for. What the policy is told is up to `act`.
        limit_s: simulated seconds.
        latency_s: from the picture to the chunk's arrival at control.
        see: render the cameras; a planner that does not look need not wait for them.
        workspace: of the same robot.yaml.
    """

    def clock() -> float:
        return world.t_s

    def open_bus(guard: Guard) -> FeetechBus:
        return FeetechBus(robot.joints, LoopbackTransport(servos, guard), robot.motors.reply_timeout, clock)

    servos = SimulatedServos(world, [joint.id for joint in robot.joints])
    controller = assemble(robot, FeetechBus, clock, open_bus, workspace).controller
    judge = Judge(world, task)
    period_s = 1.0 / robot.control.rate
    steps = round(period_s / world.timestep_s)
    replan_ticks = max(1, round(robot.control.rate / robot.control.replan))
    under_way: deque[tuple[float, Chunk]] = deque()
    cameras = [camera.name for camera in robot.cameras]
    started_s = world.t_s
    for tick in range(round(limit_s * robot.control.rate)):
        now_s = world.t_s
        controller.heartbeat(now_s)
        while under_way and under_way[0][0] <= now_s:
            controller.offer(under_way.popleft()[1], now_s)
        if controller.mode is Mode.DISARMED:
            controller.operator(Event.ARM, "", now_s, now_s)
        elif controller.mode is Mode.HOLDING and controller.chunk is not None:
            controller.operator(Event.ENGAGE, "", now_s, now_s)
        controller.tick(now_s)
        if tick and controller.mode in {Mode.STOPPING, Mode.FAULT}:
            return EpisodeResult(False, now_s - started_s, controller.bounds, controller.reason)
        if tick % replan_ticks == 0 and controller.state is not None:
            images = {name: world.render(name) for name in cameras} if see else {}
            observation = Observation(now_s, images, np.array(controller.state.position_rad), task.sentence)
            under_way.append((now_s + latency_s, act(observation, tick)))
        for _ in range(steps):
            servos.apply()
            world.step()
        judge.update()
        if judge.success or judge.failed:
            ended = "success" if judge.success else "failed"
            return EpisodeResult(judge.success, world.t_s - started_s, controller.bounds, ended)
    return EpisodeResult(False, limit_s, controller.bounds, "time")
