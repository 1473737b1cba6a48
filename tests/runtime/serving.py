"""`edgevla serve` in a process of its own, for tests that kill, stop or attack it.

python -m tests.runtime.serving '{"motors.port": "/dev/pts/3"}' --report FOLDER --record FOLDER
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from edgevla.config.load import load_robot
from edgevla.errors import EdgeVLAError
from edgevla.messages import Event, Heartbeat, Hello, Instruct, Mode, PolicyStatus, Request, Status
from edgevla.runtime import recorder_child
from edgevla.runtime.arguments import REFERENCE
from edgevla.runtime.demo import patience, simulated_devices
from edgevla.runtime.serve import ServeOptions, serve
from edgevla.runtime.sockets import NotServed, connect, operator_socket
from tests.runtime.conftest import ROBOT_YAML

ROOT = Path(__file__).parents[2]
SENTENCE = "touch the red block"
PATIENCE_S = 20.0


class Serving:
    """The process, and one operator of it."""

    def __init__(self, simulator, folder, *words, around=list, **environment):
        environment = {"EDGEVLA_RUNTIME_DIR": str(folder), "PYTHONPATH": str(ROOT), **environment}
        devices = json.dumps({**simulated_devices(simulator), **patience(load_robot(ROBOT_YAML))})
        self.folder = folder
        self.process = subprocess.Popen(
            around([sys.executable, "-m", "tests.runtime.serving", devices, *words]),
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self.last = {}
        self.heard = []
        self.link = None

    def operator(self):
        """Connect; the robot is up when this returns."""
        path = operator_socket("so101-tabletop", {"EDGEVLA_RUNTIME_DIR": str(self.folder)})
        ends_s = time.monotonic() + PATIENCE_S
        while self.link is None:
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < ends_s, "nobody listens"
            try:
                self.link = connect(path)
            except NotServed:
                time.sleep(0.05)
        self.wait(lambda: {Hello, Status, PolicyStatus} <= self.last.keys())
        return self

    def ask(self, event):
        self.link.send(Request(t_s=time.monotonic(), event=event))

    def listen(self):
        for message in self.link.drain():
            self.last[type(message)] = message
            self.heard.append(message)

    def wait(self, condition, *, holding=False):
        """Until the condition holds; `holding` the arm engaged meanwhile."""
        ends_s = time.monotonic() + PATIENCE_S
        while True:
            if holding:
                self.link.send(Heartbeat(t_s=time.monotonic()))
            self.listen()
            if condition():
                return
            assert time.monotonic() < ends_s, f"it did not come; {self.last.get(Status)}"
            time.sleep(0.01)

    def spend(self, seconds, *, holding=False):
        ends_s = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > ends_s, holding=holding)

    @property
    def mode(self):
        return self.last[Status].mode

    def armed(self):
        self.ask(Event.ARM)
        self.wait(lambda: self.mode is Mode.HOLDING)
        return self

    def engaged(self):
        """Engaged on a sentence; whoever does not hold it then has half a second."""
        self.armed()
        self.link.send(Instruct(text=SENTENCE))
        self.wait(lambda: self.last[Status].instruction == SENTENCE)
        self.ask(Event.ENGAGE)
        self.wait(lambda: self.mode is Mode.ENGAGED, holding=True)
        return self

    def children(self):
        """Process ids by module name."""
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            found[words[2].split(".")[-1]] = int(pid)
        return found

    def ended(self):
        """The exit code, and all that was printed."""
        printed, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, printed

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.stdout.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("overrides", type=json.loads)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--recorder", default=recorder_child.MODULE)
    given = parser.parse_args()
    recorder_child.MODULE = given.recorder
    try:
        options = ServeOptions(ROBOT_YAML, given.overrides, REFERENCE, given.report, given.record)
        serve(options, lambda line: print(line, flush=True))
    except EdgeVLAError as error:
        print(error, flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
