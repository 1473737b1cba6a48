"""Stands in for the recorder process: takes everything, counts it, writes nothing.

Its parent's tests end, stop and restart it; what is written is tested with the real one.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import sys
import time
from pathlib import Path

from edgevla.messages import Failure, RecorderStatus, Shutdown, TickRecord
from edgevla.runtime.link import inherited


def main():
    parser = argparse.ArgumentParser()
    for name in ("control", "policy", "operator"):
        parser.add_argument(f"--{name}-fd", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given, _ = parser.parse_known_args()
    operator = inherited(given.operator_fd, Shutdown)
    if "STAND_IN_FAILS" in os.environ:
        operator.send(Failure(message="recorder: it is made to fail", exit_code=2))
        sys.exit(2)
    control, policy = inherited(given.control_fd, TickRecord), socket.socket(fileno=given.policy_fd)
    policy.setblocking(False)
    ticks, told_s = [], 0.0
    while not (operator.closed or operator.drain()):
        select.select([control, policy, operator], [], [], 0.1)
        ticks += [record.tick for record in control.drain()]
        try:
            while policy.recv(65536):
                pass
        except BlockingIOError:
            pass
        if time.monotonic() > told_s + 0.2:
            told_s = time.monotonic()
            missing = ticks[-1] - ticks[0] + 1 - len(ticks) if ticks else 0
            operator.send(RecorderStatus(recording=True, detail=f"{len(ticks)} ticks", dropped=missing))


if __name__ == "__main__":
    main()
