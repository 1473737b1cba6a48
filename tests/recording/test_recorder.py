"""The recorder's process: what it was given is in the file, whatever happens; what it could not take is counted."""

import os
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest
from mcap.reader import make_reader

from edgevla.messages import Chunk, Failure, Mode, Planned, RecorderStatus, Shutdown, TickRecord
from edgevla.runtime.link import Link, socket_pair
from edgevla.runtime.recording import recorder as recording
from edgevla.runtime.recording import recorder_process
from edgevla.runtime.recording.limits import Limits
from edgevla.runtime.recording.log import find_logs, read
from edgevla.runtime.recording.recorder import Recorder
from edgevla.runtime.recording.recorder_process import RecorderBroken, RecorderProcess
from edgevla.runtime.recording.schemas import Losses
from edgevla.runtime.recording.store import Store
from tests.runtime.conftest import ROBOT_YAML


def tick(number, **changed):
    fields = {
        "tick": number,
        "t_s": 100.0 + number / 50,
        "mode": Mode.HOLDING,
        "reason": "arm: a test" if number == 1 else "",
        "measured_rad": (0.1,) * 6,
        "velocity_rad_s": (0.0,) * 6,
        "setpoint_rad": (0.2,) * 6,
        "chunk_seq": -1,
        "plan_age_ms": -1.0,
        "limited": False,
        "blocked": False,
        "held": False,
        "lateness_us": 1.0,
        "skipped": 0,
        "work_us": 2.0,
        "wire_us": 3.0,
    }
    return TickRecord(**{**fields, **changed})


def ticks_in(folder):
    return [record.tick for record in read(find_logs([folder])) if isinstance(record, TickRecord)]


class Running:
    """A recorder process, and the ends that others hold."""

    def __init__(self, folder, *, quota=1_000_000_000, around=list):
        (self.control, control), (self.policy, policy), (operator, theirs) = (socket_pair() for _ in range(3))
        ends = {"control": control, "policy": policy, "operator": theirs}
        words = ["--robot", str(ROBOT_YAML), "--folder", str(folder), "--quota", str(quota)]
        words += ["--variant", "fp32", "--engine", "cpu"]
        for name, end in ends.items():
            words += [f"--{name}-fd", str(end.fileno())]
        self.process = subprocess.Popen(
            around([sys.executable, "-m", "edgevla.runtime.recording.recorder_process", *words]),
            pass_fds=[end.fileno() for end in ends.values()],
        )
        for end in ends.values():
            end.close()
        self.control, self.policy = Link(self.control, TickRecord), Link(self.policy, TickRecord)
        self.operator = Link(operator, RecorderStatus)
        self.status = None

    def until(self, condition, timeout_s=20.0):
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline_s, self.status
            self.status = ([self.status, *self.operator.drain()])[-1]
            time.sleep(0.01)

    def ready(self):
        self.until(lambda: self.status is not None)
        return self

    def close(self):
        self.process.kill()
        self.process.wait()
        for link in (self.control, self.policy, self.operator):
            link.close()

    def give(self, numbers):
        """Send ticks as control does, without ever waiting; how many went out."""
        return sum(self.control.send(tick(number)) for number in numbers)


@pytest.fixture
def running(tmp_path):
    started = []

    def start(folder=tmp_path / "log", **options):
        started.append(Running(folder, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_it_finishes_the_file_when_it_is_told_to(running, tmp_path):
    one = running().ready()
    one.give(range(1, 51))
    one.operator.send(Shutdown(why="enough"))
    assert one.process.wait(10) == 0
    assert ticks_in(tmp_path / "log") == list(range(1, 51))
    (log,) = find_logs([tmp_path / "log"])
    with log.path.open("rb") as file:
        assert make_reader(file).get_summary().statistics.message_count > 150
    assert log.facts["robot.yaml"] == ROBOT_YAML.read_text()
    assert (log.facts["variant"], log.facts["engine"]) == ("fp32", "cpu")


@pytest.mark.parametrize("end", ["the parent is gone", "SIGTERM"])
def test_it_finishes_the_file_at_any_orderly_end(running, tmp_path, end):
    one = running().ready()
    one.give(range(1, 51))
    time.sleep(0.1)
    if end == "SIGTERM":
        one.process.send_signal(signal.SIGTERM)
    else:
        one.operator.close()
    assert one.process.wait(10) == 0
    assert ticks_in(tmp_path / "log") == list(range(1, 51))


def test_ctrl_c_is_not_for_it(running, tmp_path):
    one = running().ready()
    one.process.send_signal(signal.SIGINT)
    one.give([1])
    one.operator.send(Shutdown(why="enough"))
    assert one.process.wait(10) == 0
    assert ticks_in(tmp_path / "log") == [1]


def test_a_recorder_that_is_killed_leaves_what_it_had_a_second_ago(running, tmp_path):
    one = running().ready()
    one.give(range(1, 2))
    one.until(lambda: one.status.written_mb > 0.0)  # what every file begins with
    begun_mb = one.status.written_mb
    one.give(range(2, 51))
    one.until(lambda: one.status.written_mb > begun_mb)
    one.give(range(51, 61))
    one.process.kill()
    one.process.wait()
    ticks = ticks_in(tmp_path / "log")
    assert ticks[:50] == list(range(1, 51))


def test_one_that_stands_still_costs_ticks_and_says_how_many(running, tmp_path):
    one = running().ready()
    one.give(range(1, 11))
    time.sleep(0.3)
    one.process.send_signal(signal.SIGSTOP)
    sent = one.give(range(11, 3001))
    assert sent < 2990, "the socket was full"
    one.process.send_signal(signal.SIGCONT)
    one.until(lambda: one.control.send(tick(3001)))
    one.until(lambda: one.status.dropped)
    one.operator.send(Shutdown(why="enough"))
    assert one.process.wait(10) == 0
    losses = [record for record in read(find_logs([tmp_path / "log"])) if isinstance(record, Losses)]
    assert losses[-1].ticks == 2990 - sent == 3001 - len(ticks_in(tmp_path / "log"))


def test_a_folder_that_cannot_be_written_is_said_and_it_goes_on(running, tmp_path):
    (tmp_path / "log").write_text("a file")
    one = running().ready()
    one.give([1])
    one.until(lambda: not one.status.recording)
    assert one.status.detail == f"recording paused: {tmp_path}/log: File exists"
    assert one.process.poll() is None
    one.operator.send(Shutdown(why="enough"))
    assert one.process.wait(10) == 0


def test_without_the_packages_it_says_what_to_install(tmp_path, monkeypatch):
    from edgevla.runtime.recording import needs

    monkeypatch.setattr(needs, "_MODULES", ("mcap", "no_such_package.at_all"))
    with pytest.raises(
        needs.RecorderMissing, match=r"needs no_such_package\.at_all, .* - pip install 'edgevla\[record\]'"
    ):
        needs.check_installed()


def test_garbage_from_a_peer_is_left_out(running, tmp_path):
    one = running().ready()
    one.policy._socket.send(b"\xc1 not msgpack")
    one.control._socket.send(msgspec.msgpack.encode({"type": "TickRecord", "tick": "one"}))
    one.give([1])
    one.operator.send(Shutdown(why="enough"))
    assert one.process.wait(10) == 0
    assert ticks_in(tmp_path / "log") == [1]


@pytest.fixture
def recorder(tmp_path):
    def build(**limits):
        wanted = Limits(**{"quota_bytes": 10**12, **limits})
        facts = {"robot": "arm", "started": "", "monotonic_to_unix_ns": "0"}
        return Recorder(tmp_path, "arm", ("a", "b"), wanted, 0, facts, time.monotonic)

    return build


def test_a_disk_that_thinks_fills_the_queue_and_no_more(recorder, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "QUEUE_BYTES", 100_000)
    thinking = threading.Event()
    write = Store.write
    monkeypatch.setattr(Store, "write", lambda self, line, now_s: thinking.wait() and write(self, line, now_s))
    one = recorder()
    for number in range(1, 501):
        one.tick(tick(number))
    assert one.status.dropped == 400
    thinking.set()
    one.close()
    assert ticks_in(tmp_path) == list(range(1, 101))
    (losses,) = [record for record in read(find_logs([tmp_path])) if isinstance(record, Losses)]
    assert losses.records == 400


def test_the_next_file_begins_with_the_mode_and_the_sentence_that_hold(recorder, tmp_path):
    one = recorder(file_bytes=1, flush_s=0.0)
    one.fed(Planned(chunk=Chunk(seq=1, t_obs_s=1.0, rate_hz=1.0, actions_rad=(), valid=False, instruction="go left")))
    for number in range(1, 4):
        one.tick(tick(number))
        time.sleep(0.6)
    one.close()
    logs = find_logs([tmp_path])
    assert len(logs) > 1
    for log in logs[1:]:
        with log.path.open("rb") as file:
            said = {channel.topic: message.data for _, channel, message in make_reader(file).iter_messages()}
        assert b'"arm: a test"' in said["/mode"]
        assert b'"go left"' in said["/instruction"]


def test_files_of_the_same_second_are_read_in_the_order_in_which_they_were_made(recorder, tmp_path):
    one = recorder(file_bytes=1, flush_s=0.0)
    for number in (1, 2):
        one.tick(tick(number))
        time.sleep(0.6)
    one.close()
    for log, name in zip(find_logs([tmp_path]), ("", "-1"), strict=True):
        log.path.rename(tmp_path / f"arm-20260101-000000{name}.mcap")
    assert ticks_in(tmp_path) == [1, 2]


def test_what_was_lost_before_is_said_in_every_file(recorder, tmp_path):
    one = recorder(file_bytes=1, flush_s=0.0)
    for number in (1, 5, 6):
        one.tick(tick(number))
        time.sleep(0.6)
    one.close()
    losses = [record.ticks for log in find_logs([tmp_path])[1:] for record in read([log]) if isinstance(record, Losses)]
    assert losses and set(losses) == {3}


def test_the_policy_process_imports_no_mcap():
    words = "import sys, edgevla.runtime.recording.feed; sys.exit(bool({'mcap', 'google.protobuf'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", words], check=False, env=os.environ).returncode == 0


def test_a_recorder_that_fails_itself_does_not_look_like_one_that_writes(recorder, monkeypatch):
    def fail(*_):
        raise ValueError("out of step")

    monkeypatch.setattr(Store, "write", fail)
    one = recorder()
    one.tick(tick(1))
    deadline_s = time.monotonic() + 5.0
    while one.broken is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    ends = [socket_pair() for _ in range(3)]
    links = [Link(end, TickRecord) for end, _ in ends]
    with pytest.raises(RecorderBroken, match="ValueError: out of step") as broken:
        RecorderProcess(one, *links).run()
    assert broken.value.exit_code == 3, "a new process can go on"
    for end in (end for pair in ends for end in pair):
        end.close()


def test_a_robot_yaml_that_it_cannot_read_is_a_failure_that_its_parent_hears(tmp_path):
    ours, theirs = socket_pair()
    words = ["--robot", str(tmp_path / "none.yaml"), "--folder", str(tmp_path), "--quota", "1", "--variant", "fp32"]
    words += ["--engine", "cpu", "--control-fd", "0", "--policy-fd", "0", "--operator-fd", str(theirs.detach())]
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            recorder_process.main(words)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 2
    (failure,) = Link(ours, Failure).drain()
    assert "none.yaml" in failure.message
    assert failure.exit_code == 2
    ours.close()
