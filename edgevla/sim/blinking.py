"""`python -m edgevla.sim.blinking`: the simulated robot with a shutter before its front camera and a watch on its bus.

It stands for the bench that times a real robot: it changes something visible, at moments that have nothing to do with
the camera or the control tick, and takes the time until the bus carries the first goal that answers. Both moments are
its own, on CLOCK_MONOTONIC. Orders come and blinks go over the socket that it has as stdin; it ends when that closes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgevla.errors import EdgeVLAError
from edgevla.sim.__main__ import SWITCH_INTERVAL_S
from edgevla.sim.blink import Blink, BlinkLog, Order
from edgevla.sim.bus_server import BITS_PER_BYTE
from edgevla.sim.faulty_servos import FaultyServos
from edgevla.sim.graphics import mujoco
from edgevla.sim.robot import SimulatedRobot
from edgevla.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.sim.servos import Answer, Body

CAMERA = "front"
SHUTTER = "red"  # the block that is drawn right before the lens; the physics do not know
_SHUTTER_M = 0.03  # from lens to block: the block fills the picture
# 0.3 s is a whole number of periods of tick, camera and policy, so a change falls on any phase of each. Before that
# the joint has time to come to rest.
_PAUSE_S = (0.45, 0.75)
_ANSWER_S = 2.0
_ORDER_BYTES = 4096
_BAUD = 1_000_000


class ShutteredWorld(World):
    """A world whose pictures can be covered, between one moment and the next."""

    def __init__(self, image_size: int) -> None:
        super().__init__(image_size)
        self.covered = False
        block = self._model.body_jntadr[self._model.body(SHUTTER).id]
        self._block_qpos = int(self._model.jnt_qposadr[block])
        camera = self._model.camera(CAMERA)
        turned = np.zeros(9)
        mujoco.mju_quat2Mat(turned, camera.quat)
        ahead = -turned.reshape(3, 3)[:, 2]
        self._before_lens: bytes = np.concatenate([camera.pos + _SHUTTER_M * ahead, camera.quat]).tobytes()

    def pose(self, t_s: float) -> bytes:
        """Return where everything is, with the block before the lens while covered."""
        pose = super().pose(t_s)
        if not self.covered:
            return pose
        at = len(pose) - self._data.qpos.nbytes + self._data.qpos.itemsize * self._block_qpos
        return pose[:at] + self._before_lens + pose[at + len(self._before_lens) :]


class WatchedServos(FaultyServos):
    """Servos that tell `heard` the last joint's goal, and when the last byte of what set it was on the wire."""

    def __init__(self, body: Body, heard: Callable[[float, int], None]) -> None:
        self._heard = heard
        super().__init__(body)

    def handle(self, data: bytes) -> Answer:
        """Take bytes from the line, see `FaultyServos.handle`."""
        # A pty hands a frame over in one piece; on a wire its last byte comes this much later.
        t_s = time.monotonic() + len(data) * BITS_PER_BYTE / _BAUD
        answer = super().handle(data)
        if not answer.data:
            self._heard(t_s, self.servos[-1].goal_counts)
        return answer


class BlinkingRobot(SimulatedRobot):
    """The simulated robot in real time, and its shutter."""

    def __init__(self, seed: int, image_size: int) -> None:
        self._shutter = ShutteredWorld(image_size)
        self._shutter.reset(seed)
        self._log = BlinkLog()
        self._answered = threading.Condition()
        servos = WatchedServos(self._shutter, self._hear)
        super().__init__(seed, image_size, realtime=True, world=self._shutter, servos=servos)

    def blink(self) -> Blink:
        """Cover or uncover the lens now, and wait for the answer."""
        covered = not self._shutter.covered
        with self._answered:
            self._log.change(covered)
        self._shutter.covered = covered
        t_s = time.monotonic()
        self._cameras.show(self._shutter.pose(t_s))
        with self._answered:
            self._answered.wait_for(lambda: self._log.answered_s is not None, _ANSWER_S)
            return Blink(t_s=t_s, covered=covered, answered_s=self._log.answered_s)

    def _hear(self, t_s: float, counts: int) -> None:
        with self._answered:
            if self._log.goal(t_s, counts):
                self._answered.notify_all()


def serve(robot: BlinkingRobot, orders: socket.socket) -> None:
    """Carry out orders until the other end closes."""
    while data := _received(orders):
        order = msgspec.json.decode(data, type=Order)
        draw = random.Random(order.seed)
        for _ in range(order.count):
            time.sleep(draw.uniform(*_PAUSE_S))
            try:
                orders.send(msgspec.json.encode(robot.blink()))
            except OSError:
                return


def _received(orders: socket.socket) -> bytes:
    try:
        return orders.recv(_ORDER_BYTES)
    except OSError:
        return b""


def main() -> int:
    """Serve one client. Returns the exit code."""
    seed, image_size = (int(word) for word in sys.argv[1:3])
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        robot = BlinkingRobot(seed, image_size)
        with robot, socket.socket(fileno=os.dup(sys.stdin.fileno())) as orders:
            print(json.dumps({"port": robot.port, "cameras": robot.cameras, "realtime": robot.realtime}), flush=True)
            serve(robot, orders)
    except EdgeVLAError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
