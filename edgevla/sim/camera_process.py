"""The simulated cameras: a process that draws the poses it is sent, and serves the pictures over HTTP.

Drawing keeps a core busy for a third of the time, and in one process with the servo bus it would now and then hold
the interpreter when a reply is due: measured under load, replies later than 5 ms became nine times rarer by the split.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time

import cv2

from edgevla.errors import EdgeVLAError
from edgevla.sim.child import Child
from edgevla.sim.feed import Feed
from edgevla.sim.mjpeg import CameraServer
from edgevla.sim.world import CAMERAS, World

RATE_HZ = 30.0
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]
_POSE_BYTES = 4096  # longer than any


class CameraProcess:
    """The running process, seen from the one that has the world.

    Args:
        image_size: edge of the pictures in pixels.

    Raises:
        SimulatorError: it did not start, or no picture can be rendered on this machine.
    """

    def __init__(self, image_size: int) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._child = Child("edgevla.sim.camera_process", [f"--image-size={image_size}"], theirs.fileno())
        self._socket.setblocking(False)
        self.cameras: dict[str, str] = self._child.found["cameras"]

    def show(self, pose: bytes) -> bool:
        """Send the newest pose. Never waits; False when the cameras are dead or too busy to take it."""
        try:
            self._socket.send(pose)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._child.close()


class Studio:
    """Draws poses from `poses` into `feeds`, at the cameras' rate and only what somebody watches."""

    def __init__(self, world: World, poses: socket.socket) -> None:
        self.feeds = {camera: Feed() for camera in CAMERAS}
        self._world = world
        self._poses = poses
        self._t_s = time.monotonic()

    def film(self) -> None:
        """Draw until the other end of `poses` is closed."""
        period_s = 1.0 / RATE_HZ
        next_s = time.monotonic()
        while self._follow():
            for camera, feed in self.feeds.items():
                if feed.wanted and self._follow():
                    feed.publish(self._t_s, self.draw(camera))
            # Late pictures are skipped, not caught up with.
            next_s += period_s * max(1, 1 + int((time.monotonic() - next_s) / period_s))
            time.sleep(max(0.0, next_s - time.monotonic()))

    def draw(self, camera: str) -> bytes:
        """Return what a camera sees as JPEG."""
        picture = cv2.cvtColor(self._world.render(camera), cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", picture, _QUALITY)[1].tobytes()

    def _follow(self) -> bool:
        """Take the newest pose. False when there will be none any more."""
        newest = b""
        while True:
            try:
                pose = self._poses.recv(_POSE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            if not pose:
                return False
            newest = pose
        if newest:
            self._t_s = self._world.show(newest)
        return True


def main() -> int:
    """Draw and serve until stdin, the socket with the poses, is closed. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m edgevla.sim.camera_process")
    parser.add_argument("--image-size", type=int, required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    world = World(arguments.image_size)
    try:
        with socket.socket(fileno=os.dup(sys.stdin.fileno())) as poses:
            studio = Studio(world, poses)
            for camera in CAMERAS:
                studio.draw(camera)  # says now whether this machine can
            server = CameraServer(studio.feeds)
            print(json.dumps({"cameras": {camera: f"{server.url}/{camera}" for camera in CAMERAS}}), flush=True)
            studio.film()
            server.close()
    except EdgeVLAError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return error.exit_code
    finally:
        world.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
