"""The simulated robot: what the runtime meets is a serial port with six servos and two HTTP cameras.

It runs in real time. The bus thread stands for servo firmware and the physics thread for nature, neither of which
waits for the computer: where permitted both run under SCHED_FIFO, and so do the threads that answer requests, because
whoever holds the interpreter or the world's lock and is put aside by another program holds up all. The cameras are a
process of their own.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from edgevla.memory import lock_memory
from edgevla.sim.bus_server import BusServer
from edgevla.sim.camera_process import CameraProcess
from edgevla.sim.faulty_servos import FaultyServos
from edgevla.sim.physics import Physics
from edgevla.sim.stage import StageServer
from edgevla.sim.tasks import Judge, Task
from edgevla.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from edgevla.sim.capture import Capture
    from edgevla.sim.faults import Fault

BUS_PRIORITY = 70
PHYSICS_PRIORITY = 60
STAGE_PRIORITY = 5
_POSE_EVERY = 2  # physics steps
_JUDGE_EVERY = 5


class SimulatedRobot:
    """A context manager around the running robot. Torque is off and no task is set at first.

    Args:
        seed: draws the arm's pose and the blocks'.
        image_size: edge of the pictures in pixels.
        realtime: ask for SCHED_FIFO; `realtime` then tells whether it was granted.
        world: instead of the ordinary one, with pictures of `image_size`.
        servos: instead of the ordinary ones; they act on `world`.
        capture: takes down everything that passes on the bus.

    Raises:
        SimulatorError: no picture can be rendered on this machine.
    """

    def __init__(
        self,
        seed: int = 0,
        image_size: int = 288,
        realtime: bool = False,
        *,
        world: World | None = None,
        servos: FaultyServos | None = None,
        capture: Capture | None = None,
    ) -> None:
        self._world = world or World(image_size)
        self._world.reset(seed)
        self._judge: Judge | None = None
        self._steps = 0
        self._unplugged = False
        self.servos = servos or FaultyServos(self._world)
        self._capture = capture
        with contextlib.ExitStack() as started:
            self._cameras = CameraProcess(image_size)
            started.callback(self._cameras.close)
            self._physics = Physics(self._world, self.servos.apply, self._watch)
            started.callback(self._physics.close)
            self._bus = BusServer(self.servos, capture=capture)
            started.callback(self._hang_up)
            self._server = StageServer(self)
            started.callback(self._server.close)
            self._started = started.pop_all()
        if realtime:
            lock_memory()  # where that is not permitted, as where SCHED_FIFO is not, it is late under load
        self.realtime = realtime and _outrank(
            {
                self._bus.thread_id: BUS_PRIORITY,
                self._physics.thread_id: PHYSICS_PRIORITY,
                self._server.thread_id: STAGE_PRIORITY,  # inherited by the thread of each request
            }
        )
        self.url = self._server.url
        self.cameras = self._cameras.cameras

    @property
    def port(self) -> str:
        """The path of the servo bus; another one after the adapter was unplugged and plugged in again."""
        return self._bus.port

    def __enter__(self) -> SimulatedRobot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up the port, end the streams, stop time."""
        self._started.close()

    def state(self) -> dict[str, Any]:
        """Return joints, blocks and the judge's verdict, ready for JSON."""
        world, judge = self._world, self._judge
        return {
            "port": self.port,
            "t_s": world.t_s,
            "real_time_factor": self._physics.real_time_factor,
            "joints_rad": dict(zip(world.joint_names, world.position_rad.tolist(), strict=True)),
            "torque_on": world.torque_on.tolist(),
            "blocks_m": {name: at.tolist() for name, at in world.block_positions().items()},
            "instruction": "" if judge is None else judge.task.sentence,
            "success": judge is not None and judge.success,
            "failed": judge is not None and judge.failed,
        }

    def start_task(self, instruction: str, seed: int) -> None:
        """Place the blocks anew, from `seed`, and judge `instruction` from now on. The arm stays as it is.

        Raises:
            TaskError: no such task.
        """
        task = Task.parse(instruction)
        self._judge = None
        self._world.place_blocks(seed)
        self._judge = Judge(self._world, task)

    def reset(self, seed: int) -> None:
        """Put arm and blocks back as after power-up: torque off, no task."""
        self._judge = None
        self._world.reset(seed)
        self.servos.power_up()

    def break_(self, faults: Sequence[Fault]) -> None:
        """Have these faults from now on, and no others; those of cameras are the camera process' own."""
        self.servos.break_(faults)
        unplugged = any(fault.part == "port" for fault in faults)
        if unplugged:
            self._hang_up()
        elif self._unplugged:
            self._unplugged = False
            self._bus = BusServer(self.servos, capture=self._capture)
            if self.realtime:
                _outrank({self._bus.thread_id: BUS_PRIORITY})

    def _hang_up(self) -> None:
        if not self._unplugged:
            self._unplugged = True
            self._bus.close()

    def _watch(self) -> None:
        judge = self._judge
        self._steps += 1
        if self._steps % _POSE_EVERY == 0:
            self._cameras.show(self._world.pose(time.monotonic()))
        if judge is not None and self._steps % _JUDGE_EVERY == 0:
            judge.update()


def _outrank(priorities: Mapping[int, int]) -> bool:
    """Put threads under SCHED_FIFO; False when that is not permitted."""
    try:
        for thread_id, priority in priorities.items():
            os.sched_setscheduler(thread_id, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        return False
    return True
