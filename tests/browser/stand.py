"""A simulated robot, `edgevla serve` on it and `edgevla console` in front of it: real processes on real sockets."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import threading
import time
from importlib import resources
from typing import TYPE_CHECKING

from edgevla.config.load import load_robot
from edgevla.messages import Mode, Status
from edgevla.runtime.demo import ROBOT, patience, simulated_devices
from edgevla.runtime.sockets import connect, operator_socket
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

if TYPE_CHECKING:
    from pathlib import Path

START_S = 60.0
END_S = 15.0
LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/login\?key=\S+")
SEED = 3


class Stand:
    """Runs until `close`. `simulator`: the robot; `watcher`: what its supervisor says; `link`, `port`: the console's.

    `settings` are robot.yaml's, on top of those that point it at the simulated robot.
    """

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, "EDGEVLA_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        self._ends = contextlib.ExitStack()
        try:
            self.simulator = self._ends.enter_context(spawn_simulator(SEED))
            scene = resources.files("edgevla.sim") / "assets" / "so101_tabletop.xml"
            overlay = f'{{model: "{scene}", site: tip, cameras: {{front: front}}}}'
            patient = patience(load_robot(shipped(ROBOT) / "robot.yaml"))
            self._settings = {**simulated_devices(self.simulator), **patient, "console.overlay": overlay, **settings}
            self._start("serve", "--unverified")
            self.watcher = self._ends.enter_context(Watcher(operator_socket(ROBOT, self._environment)))
            self.start_console()
        except BaseException:
            self.close()
            raise

    def start_console(self, port: int = 0) -> None:
        """Start the console, on a free port if none is named, and learn its one-time link."""
        self.console = self._start("console", "--address", f"127.0.0.1:{port}", stdout=subprocess.PIPE)
        text = ""
        while (found := LINK.search(text)) is None:
            assert select.select([self.console.stdout], [], [], START_S)[0], f"the console gives no link: {text}"
            line = self.console.stdout.readline().decode()
            assert line, f"the console ended with {self.console.wait()}: {text}"
            text += line
        self.link, self.port = found[0], int(found[1])

    def close(self) -> None:
        """End everything, the arm's processes before the arm."""
        self._ends.close()

    def _start(self, command: str, *arguments: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
        words = [word for key, value in self._settings.items() for word in ("--set", f"{key}={value}")]
        robot = str(shipped(ROBOT) / "robot.yaml")
        process = subprocess.Popen(
            [sys.executable, "-m", "edgevla", command, robot, *arguments, *words],
            env=self._environment,
            stdout=stdout,
            start_new_session=True,
        )
        self._ends.callback(_end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


class Watcher:
    """An operator who only listens: every change of mode, with the time that the control process gives it."""

    def __init__(self, path: Path) -> None:
        self.statuses: list[Status] = []  # the first of each mode
        self.newest: Status | None = None
        self._ends = threading.Event()
        deadline_s = time.monotonic() + START_S
        while not path.exists() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        self._link = connect(path)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        self.wait(lambda: self.newest is not None or self._link.closed, START_S)
        assert self.newest is not None, "the robot did not start; its own words are on stderr"
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._link.close()

    @property
    def mode(self) -> Mode:
        assert self.newest is not None
        return self.newest.mode

    def first(self, mode: Mode, after_s: float, timeout_s: float = 10.0) -> Status:
        """The first status in this mode that is younger than `after_s`, CLOCK_MONOTONIC; waits for it."""

        def found() -> Status | None:
            return next((each for each in self.statuses if each.t_s > after_s and each.mode is mode), None)

        self.wait(lambda: found() is not None, timeout_s)
        status = found()
        assert status is not None, f"not {mode.value} within {timeout_s:g} s, but {self.mode.value}"
        return status

    @staticmethod
    def wait(condition, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline_s:
            time.sleep(0.005)

    def _listen(self) -> None:
        while not self._ends.is_set() and not self._link.closed:
            select.select([self._link], [], [], 0.1)
            for message in self._link.drain():
                if isinstance(message, Status):
                    if self.newest is None or message.mode is not self.newest.mode:
                        self.statuses.append(message)
                    self.newest = message
