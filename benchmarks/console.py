"""`python -m benchmarks.console`: does the operator's page, or somebody who attacks it, delay a tick?

One `edgevla serve` on the simulated robot, armed and planning all the while. In turns: no console; a console with two
pages open; a console with the pages and under attack (see `benchmarks.console_load`). The control process keeps its own
log of every tick, which is cut up by the time of each turn afterwards. Everything shares this machine, the attackers
too, at the lowest priority. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Looks
from edgevla.evaluate.quantiles import quantiles
from edgevla.messages import Event, Granted, Instruct, Mode, Request, Status
from edgevla.runtime.demo import ROBOT, simulated_devices
from edgevla.runtime.report import envelope, now, write_json
from edgevla.runtime.sockets import NotServed, connect, operator_socket
from edgevla.runtime.ticklog import TICKS_FILE
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgevla.runtime.link import Link
    from edgevla.runtime.sockets import ToClient

SENTENCE = "touch the red block"
KINDS = ("none", "pages", "attack")
_SETTLE_S = 4.0  # a process that starts takes time from everybody; what is measured is one that runs
_START_S = 60.0
_END_S = 15.0
_LOOK_S = 0.25


class Bench:
    """A served robot, and consoles on it one after the other."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._environment = {**os.environ, "EDGEVLA_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder)}
        self.spans: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
        self.scheduler = ""
        self.rss_mb = dict.fromkeys(KINDS, 0.0)
        self.files = dict.fromkeys(KINDS, 0)

    def run(self, turns: int) -> None:
        """All turns, in an order that changes from turn to turn."""
        with spawn_simulator(7) as simulator, contextlib.ExitStack() as stack:
            settings = simulated_devices(simulator)
            stack.enter_context(
                self._running("serve", settings, "--report", str(self._folder / "report"), until="served")
            )
            link = self._prepare()
            for turn in range(turns):
                for kind in KINDS[turn % 3 :] + KINDS[: turn % 3]:
                    with contextlib.ExitStack() as around:
                        console = self._let_loose(around, kind, settings)
                        self._wait(link, _SETTLE_S)
                        began_s = time.monotonic()
                        self._watch(link, kind, console)
                        self.spans[kind].append((began_s, time.monotonic()))

    def _prepare(self) -> Link[ToClient]:
        """Arm, and let the policy plan."""
        path, until_s = operator_socket(ROBOT, self._environment), time.monotonic() + _START_S
        while True:
            with contextlib.suppress(NotServed):
                link = connect(path)
                break
            assert time.monotonic() < until_s, "edgevla serve did not start"
            time.sleep(0.1)
        link.send(Request(t_s=time.monotonic(), event=Event.ARM, why="benchmark"))
        link.send(Instruct(text=SENTENCE))
        while True:
            heard = link.drain()
            self.scheduler = next((each.scheduler for each in heard if isinstance(each, Granted)), self.scheduler)
            status = [message for message in heard if isinstance(message, Status)]
            if status and status[-1].mode is Mode.HOLDING and status[-1].chunk_age_ms >= 0.0:
                return link
            assert time.monotonic() < until_s, f"not ready: {status[-1].reason if status else 'nothing heard'}"
            time.sleep(0.1)

    def _let_loose(
        self, around: contextlib.ExitStack, kind: str, settings: Mapping[str, str]
    ) -> subprocess.Popen[bytes] | None:
        if kind == "none":
            return None
        console = around.enter_context(self._running("console", settings, "--address", "127.0.0.1:0", until="key="))
        for load in ("pages", "attack")[: KINDS.index(kind)]:
            link = subprocess.run(
                [sys.executable, "-m", "edgevla", "console", "link", ROBOT, "--name", load],
                env=self._environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
            attack = [sys.executable, "-m", "benchmarks.console_load", link, load]
            process = subprocess.Popen(attack, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            around.callback(_end, process)
            assert process.stdout is not None
            process.stdout.readline()
        return console

    def _watch(self, link: Link[ToClient], kind: str, console: subprocess.Popen[bytes] | None) -> None:
        looks = Looks(console.pid, 10_000) if console is not None else None
        until_s = time.monotonic() + self._seconds
        while time.monotonic() < until_s:
            self._wait(link, _LOOK_S)
            if looks is not None:
                looks.look(time.monotonic())
        if looks is not None:
            self.rss_mb[kind] = max(self.rss_mb[kind], float(looks.rows[:, 1].max()))
            self.files[kind] = max(self.files[kind], int(looks.rows[:, 2].max()))

    @staticmethod
    def _wait(link: Link[ToClient], seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0.0:
            select.select([link], [], [], left_s)
            link.drain()
            assert not link.closed, "edgevla serve has ended"

    @contextlib.contextmanager
    def _running(
        self, command: str, settings: Mapping[str, str], *arguments: str, until: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The command, from the moment when it has printed `until`."""
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        robot = str(shipped(ROBOT) / "robot.yaml")
        process = subprocess.Popen(
            [sys.executable, "-m", "edgevla", command, robot, *arguments, *words],
            env=self._environment,
            stdout=subprocess.PIPE,
        )
        text = ""
        try:
            assert process.stdout is not None
            while until not in text:
                line = process.stdout.readline().decode()
                assert line, f"edgevla {command} has ended with {process.wait()}"
                text += line
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def compare(turns: int, seconds: float, folder: Path) -> dict[str, Any]:
    bench = Bench(folder, seconds)
    bench.run(turns)
    log = np.load(folder / "report" / TICKS_FILE)
    results: dict[str, Any] = {"turns": turns, "seconds_a_turn": seconds, "scheduler": bench.scheduler}
    for kind in KINDS:
        spans = [(log["t_s"] >= began_s) & (log["t_s"] < ended_s) for began_s, ended_s in bench.spans[kind]]
        inside = np.logical_or.reduce(spans)
        results[kind] = {
            "lateness_us": quantiles(log["lateness_us"][inside]),
            "work_us": quantiles(log["work_us"][inside]),
            "missed": int(log["skipped"][inside].sum()),
            "p99_us_of_turns": [quantiles(log["lateness_us"][span])["p99"] for span in spans],
            "missed_of_turns": [int(log["skipped"][span].sum()) for span in spans],
            "console_mb": round(bench.rss_mb[kind], 1),
            "console_files": bench.files[kind],
        }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="of each kind")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a turn")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    started = now()
    with tempfile.TemporaryDirectory() as folder:
        results = compare(given.turns, given.seconds, Path(folder))
    write_json(given.json, envelope("bench-console", started, results))
    table = Table("console", "ticks", "lateness p50, us", "p99", "max", "missed", "MB", "open files", box=None)
    for kind in KINDS:
        found = results[kind]
        late = found["lateness_us"]
        figures = (f"{late[share]:.0f}" for share in ("p50", "p99", "max"))
        table.add_row(
            kind, str(late["n"]), *figures, str(found["missed"]), f"{found['console_mb']}", f"{found['console_files']}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
