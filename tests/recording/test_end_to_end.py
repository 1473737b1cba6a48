"""The whole way: `edgevla serve` records the simulated robot at work, and `replay` does the same again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from mcap.reader import make_reader

from edgevla.messages import Chunk, Event, Heartbeat, Instruct, Mode, RecorderStatus, Request, Status, TickRecord
from edgevla.runtime.demo import simulated_devices
from edgevla.runtime.recording.log import find_logs, read
from edgevla.runtime.recording.wire import Observed
from edgevla.runtime.replay import ReplayOptions, replay
from edgevla.runtime.sockets import connect, operator_socket
from edgevla.sim.process import spawn_simulator
from tests.runtime.conftest import ROBOT_YAML

SENTENCE = "touch the red block"
SERVE = "import typer; from edgevla.commands.serve import serve; typer.run(serve)"

pytestmark = pytest.mark.realtime


class Operator:
    """Somebody at the other end of the operator socket who holds the engage key."""

    def __init__(self, link):
        self._link = link
        self.status = self.recorder = None

    def until(self, condition, timeout_s=60.0):
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline_s, f"{self.status}, {self.recorder}"
            assert not self._link.closed
            self._link.send(Heartbeat(t_s=time.monotonic()))
            for message in self._link.drain():
                if isinstance(message, Status):
                    self.status = message
                elif isinstance(message, RecorderStatus):
                    self.recorder = message
            time.sleep(0.05)

    def ask(self, event):
        self._link.send(Heartbeat(t_s=time.monotonic()))
        self._link.send(Request(t_s=time.monotonic(), event=event, why="a test"))

    def mode(self, mode):
        self.until(lambda: self.status is not None and self.status.mode is mode)

    def carry_out(self, seconds):
        self.until(lambda: self.status is not None)
        self.ask(Event.ARM)
        self.mode(Mode.HOLDING)
        self._link.send(Instruct(text=SENTENCE))
        self.until(lambda: self.status.instruction == SENTENCE)
        self.ask(Event.ENGAGE)
        self.mode(Mode.ENGAGED)
        ends_s = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > ends_s)
        self.ask(Event.RELEASE)
        self.mode(Mode.HOLDING)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    os.environ["EDGEVLA_RUNTIME_DIR"] = str(folder / "run")
    with spawn_simulator(7) as simulator:
        words = [str(ROBOT_YAML), "--unverified", "--record", str(folder / "log")]
        # The simulated servos have to share the processor with everybody else who is tested here.
        patient = {"control.rate": "20 Hz", "motors.reply_timeout": "45 ms", "control.plan_stop_after": "5 s"}
        for key, value in {**simulated_devices(simulator), **patient}.items():
            words += ["--set", f"{key}={value}"]
        process = subprocess.Popen([sys.executable, "-c", SERVE, *words])
        try:
            address = operator_socket("so101-tabletop")
            deadline_s = time.monotonic() + 60.0
            while not address.exists():
                assert process.poll() is None and time.monotonic() < deadline_s
                time.sleep(0.1)
            operator = Operator(connect(address))
            operator.carry_out(4.0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20.0) == 0
        finally:
            process.kill()
            process.wait()
            del os.environ["EDGEVLA_RUNTIME_DIR"]
    return operator, folder / "log"


def test_the_operator_hears_that_it_is_recorded(served):
    operator, folder = served
    assert operator.recorder.recording
    assert operator.recorder.file.startswith(str(folder))


def test_the_file_is_whole_and_every_channel_has_a_schema(served):
    _, folder = served
    (log,) = find_logs([folder])
    with log.path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        counts = summary.statistics.channel_message_counts
        topics = {channel.topic: counts[channel.id] for channel in summary.channels.values()}
        assert all(channel.schema_id in summary.schemas for channel in summary.channels.values())
        assert sum(1 for _ in reader.iter_messages()) == summary.statistics.message_count
    assert topics["/joint_states"] == topics["/commands"] == topics["/timing"] > 80
    assert topics["/camera/front"] == topics["/observations"] > 20
    assert {"/mode", "/chunks", "/instruction", "/events"} <= topics.keys()


def test_nothing_was_lost(served):
    operator, folder = served
    records = list(read(find_logs([folder])))
    ticks = [record.tick for record in records if isinstance(record, TickRecord)]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    planned = {record.seq for record in records if isinstance(record, Chunk)}
    assert planned == {record.seq for record in records if isinstance(record, Observed)}
    assert operator.recorder.dropped == 0


def test_replay_does_the_same_again(served):
    _, folder = served
    results = replay(ReplayOptions([folder], None, "", "", 1e-6), lambda done: None)["results"]
    assert results["compared"] == results["observations"] > 20
    assert results["worst_rad"] <= 1e-6
    assert results["passed"]
