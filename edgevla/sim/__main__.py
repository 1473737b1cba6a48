"""`python -m edgevla.sim`: the simulated robot as a process of its own.

Prints one JSON line with where to find it, or with what is wrong, and runs until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from edgevla.errors import EdgeVLAError
from edgevla.sim.capture import Capture
from edgevla.sim.robot import SimulatedRobot

# The bus thread shares the interpreter with the physics: let a waiting thread have it after 0.1 ms, not 5.
SWITCH_INTERVAL_S = 1e-4


def main() -> int:
    """Run until a signal, or until stdin closes with --until-eof. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m edgevla.sim", description="The simulated SO-101.")
    parser.add_argument("--seed", type=int, default=0, help="draws the first poses")
    parser.add_argument("--image-size", type=int, default=288, help="edge of the camera pictures in pixels")
    parser.add_argument("--capture", type=Path, help="take down everything on the bus in this file")
    parser.add_argument(
        "--until-eof", action="store_true", help="end when stdin closes, as it does when the parent dies"
    )
    arguments = parser.parse_args()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        capture = Capture(arguments.capture) if arguments.capture is not None else None
        robot = SimulatedRobot(arguments.seed, arguments.image_size, realtime=True, capture=capture)
    except EdgeVLAError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return error.exit_code
    with robot:
        found = {"port": robot.port, "cameras": robot.cameras, "url": robot.url, "realtime": robot.realtime}
        print(json.dumps(found), flush=True)
        if arguments.until_eof:
            threading.Thread(target=_wait_for_eof, args=(ended,), daemon=True).start()
        ended.wait()
    return 0


def _wait_for_eof(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
