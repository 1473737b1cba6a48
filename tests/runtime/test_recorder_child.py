"""The recorder's process: started, heard, started again when it dies, never more than three times a minute."""

import select
import time
from pathlib import Path

import pytest

from edgevla.messages import Mode, RecorderStatus, Shutdown, TickRecord
from edgevla.runtime import recorder_child
from edgevla.runtime.arguments import REFERENCE
from edgevla.runtime.link import Link
from edgevla.runtime.recorder_child import RecorderChild, RecorderOptions
from edgevla.runtime.session import ProcessFailed
from tests.runtime.conftest import ROBOT_YAML

ROOT = Path(__file__).parents[2]


@pytest.fixture
def child(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_child, "MODULE", "tests.runtime.stand_in_recorder")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    child = RecorderChild(RecorderOptions(ROBOT_YAML, {"name": "arm"}, REFERENCE, tmp_path, 1_000_000))
    yield child
    child.close("the test is over")
    for end in child.ends:
        end.close()


def record(tick):
    return TickRecord(
        tick=tick,
        t_s=float(tick),
        mode=Mode.HOLDING,
        reason="",
        measured_rad=(0.0,),
        velocity_rad_s=(0.0,),
        setpoint_rad=(0.0,),
        chunk_seq=-1,
        plan_age_ms=-1.0,
        limited=False,
        blocked=False,
        held=False,
        lateness_us=0.0,
        skipped=0,
        work_us=0.0,
        wire_us=0.0,
    )


def heard_until(child, condition):
    """What it says until something of it meets the condition."""
    ends_s = time.monotonic() + 10.0
    heard = []
    while not any(map(condition, heard)):
        assert time.monotonic() < ends_s, heard
        if child.link is not None:
            select.select([child.link], [], [], 0.1)
        heard += child.tend(time.monotonic())
    return heard


def test_it_takes_what_control_sends(child):
    child.begin()
    assert child.status.recording
    control = Link(child.ends.control, Shutdown)
    for tick in range(1, 6):
        control.send(record(tick))
    heard_until(child, lambda word: word.detail == "5 ticks")


def test_it_is_told_what_it_records(child):
    child.begin()
    words = Path(f"/proc/{child.process.pid}/cmdline").read_text().split("\0")
    given = dict(zip(words[3::2], words[4::2], strict=False))
    assert given["--robot"] == str(ROBOT_YAML)
    assert given["--quota"] == "1000000"
    assert (given["--variant"], given["--engine"], given["--set"]) == ("fp32", "cpu", "name=arm")


def test_one_that_cannot_record_is_an_error_at_the_start_with_its_own_line_and_code(child, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILS", "1")
    with pytest.raises(ProcessFailed, match="it is made to fail") as failed:
        child.begin()
    assert failed.value.exit_code == 2


def test_one_that_says_nothing_is_an_error_at_the_start(child, monkeypatch):
    monkeypatch.setattr(recorder_child, "MODULE", "edgevla.no_such_module")
    with pytest.raises(ProcessFailed, match="does not start"):
        child.begin()


def test_a_killed_one_is_started_again_on_the_same_sockets(child):
    child.begin()
    first = child.process.pid
    control = Link(child.ends.control, Shutdown)
    child.process.kill()
    (lost,) = [word for word in heard_until(child, lambda word: not word.recording) if not word.recording]
    assert "ended with code -9" in lost.detail
    control.send(record(7))  # while nobody is there
    assert not control.closed
    heard_until(child, lambda word: word.detail == "1 ticks")
    assert child.process.pid != first


def test_it_is_started_three_times_a_minute_at_most(child, monkeypatch):
    starts = []
    monkeypatch.setattr(child, "_start", lambda now_s: starts.append(now_s) or died(child, now_s))
    for second in range(200):
        child.tend(float(second))
    assert len(starts) >= 6
    assert all(later - earlier >= 60.0 for earlier, later in zip(starts, starts[3:], strict=False))


def died(child, now_s):
    """It has ended at once."""
    child._starts.append(now_s)
    child.link = Link(socket_that_is_closed(), RecorderStatus)


def socket_that_is_closed():
    ours, theirs = recorder_child.socket_pair()
    theirs.close()
    return ours
