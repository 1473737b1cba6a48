"""The loop around the controller: whatever happens in a tick, the arm is stopped before the loop ends."""

import socket
import time

import pytest

from edgevla.messages import Chunk, Confirm, Event, Heartbeat, Mode, Request, Shutdown, Status, TickRecord
from edgevla.runtime.control_process import ControlProcess
from edgevla.runtime.link import Link, socket_pair
from edgevla.runtime.notify import Notifier
from edgevla.runtime.wiring import Rig as Wired
from tests.runtime.conftest import Rig


@pytest.fixture
def process(tmp_path):
    rig = Rig(control__rate="500 Hz", control__replan="10 Hz", motors__reply_timeout="1 ms")
    ours, theirs = zip(socket_pair(), socket_pair(), strict=True)
    policy, operator = Link(theirs[0], Chunk), Link(theirs[1], Status)
    wired = Wired(rig.controller, rig.bus, rig.flight_log)
    loop = ControlProcess(
        rig.robot, wired, Link(ours[0], Chunk), Link(ours[1], Request | Heartbeat | Confirm | Shutdown), tmp_path
    )
    return rig, loop, policy, operator


def test_it_ends_when_it_is_told_to_and_counts_its_ticks(process):
    rig, loop, _, operator = process
    operator.send(Shutdown(why="enough"))
    loop.run()
    last = operator.drain()[-1]
    assert last.ticks >= 1
    assert rig.controller.mode is Mode.DISARMED


def test_an_exception_in_a_tick_becomes_a_fault_with_a_flight_log_not_a_dead_process(process, tmp_path, monkeypatch):
    rig, loop, _, operator = process
    rig.armed()
    ticks = iter([None, ZeroDivisionError("division by zero")])
    tick = rig.controller.tick

    def sometimes(now_s):
        error = next(ticks, None)
        if error is not None:
            raise error
        return tick(now_s)

    monkeypatch.setattr(rig.controller, "tick", sometimes)
    loop.run()
    assert rig.controller.mode is Mode.FAULT
    assert "ZeroDivisionError" in operator.drain()[-1].reason
    assert list(tmp_path.glob("flight-*.jsonl"))


def test_a_tick_that_always_fails_ends_the_loop(process, monkeypatch):
    rig, loop, _, _ = process

    def never(now_s):
        raise RuntimeError("broken")

    monkeypatch.setattr(rig.controller, "tick", never)
    loop.run()
    assert rig.controller.mode is Mode.FAULT


def test_an_operator_who_is_gone_ends_it(process):
    _, loop, _, operator = process
    operator.close()
    loop.run()


def test_bytes_that_are_no_chunk_are_an_invalid_chunk(process):
    rig, loop, policy, operator = process
    policy._socket.send(b"\xff\xfe garbage")
    operator.send(Shutdown(why="enough"))
    loop.run()
    assert rig.controller.counts["invalid"] == 1


def test_a_heartbeat_counts_from_when_it_was_sent_not_from_when_it_is_read(process):
    rig, loop, _, operator = process
    operator.send(Heartbeat(t_s=time.monotonic() - 5.0))
    operator.send(Request(t_s=time.monotonic(), event=Event.STOP))
    operator.send(Shutdown(why="enough"))
    loop.run()
    assert rig.controller._lease_s < time.monotonic() - 4.0


@pytest.fixture
def recorded(process):
    """The same, with a recorder at the other end of a link, and the service manager's socket."""
    rig, loop, _, operator = process
    ours, theirs = socket_pair()
    loop._recorder = Link(ours, Shutdown)
    return rig, loop, operator, Link(theirs, TickRecord)


def test_every_tick_is_recorded_with_its_number_and_a_reason_only_when_it_is_new(recorded):
    rig, loop, operator, recorder = recorded
    rig.armed()
    operator.send(Request(t_s=time.monotonic(), event=Event.ENGAGE))
    operator.send(Shutdown(why="enough"))
    loop.run()
    records = recorder.drain()
    assert [record.tick for record in records] == list(range(1, len(records) + 1))
    first = records[0]
    assert first.mode is Mode.HOLDING
    assert first.reason == "engage refused: no fresh plan from the policy"
    assert first.measured_rad == pytest.approx(rig.controller.state.position_rad, abs=0.1)
    assert len(first.velocity_rad_s) == len(first.setpoint_rad) == 6
    assert (first.chunk_seq, first.plan_age_ms) == (-1, -1.0)
    assert first.work_us > 0.0
    assert all(record.reason == "" for record in records[1:])


def test_a_recorder_that_does_not_read_costs_records_and_nothing_else(recorded):
    rig, loop, operator, recorder = recorded
    while loop._recorder.send(Shutdown(why="full")):
        pass
    rig.armed()
    operator.send(Shutdown(why="enough"))
    loop.run()
    assert operator.drain()[-1].ticks >= 1
    assert all(not isinstance(each, TickRecord) for each in recorder.drain())


def test_a_reason_that_was_lost_is_told_by_the_next_record_that_arrives(recorded):
    rig, loop, _, _ = recorded
    sent = []
    loop._recorder.send = lambda record: sent.append(record) or len(sent) > 1
    ticks = iter(range(3))

    def leave_at_last(_now_s):
        if next(ticks) == 2:
            loop.leave("enough")

    loop._hear = leave_at_last
    rig.tick()
    loop.run()
    assert [bool(each.reason) for each in sent[:3]] == [True, True, False]


def test_whoever_asks_is_answered_in_the_same_tick(process):
    rig, loop, _, operator = process
    rig.armed()
    loop._status_every = 10**9
    loop._told = Mode.HOLDING
    operator.send(Confirm(t_s=time.monotonic(), seq=3))
    operator.send(Shutdown(why="enough"))
    loop.run()
    answer = operator.drain()[0]
    assert answer.ticks == 1
    assert answer.reason == "confirm refused: there is no chunk to confirm"


def test_a_status_says_what_can_be_confirmed_and_how_the_ticks_kept_their_time(process):
    rig, loop, policy, operator = process
    rig.armed()
    here = rig.controller.state.position_rad
    now_s = time.monotonic()
    policy.send(Chunk(seq=9, t_obs_s=now_s, rate_hz=10.0, actions_rad=(here,) * 3, valid=True))
    operator.send(Heartbeat(t_s=now_s))
    operator.send(Request(t_s=now_s, event=Event.ARM))
    operator.send(Shutdown(why="enough"))
    loop.run()
    told, *_, last = operator.drain()
    assert (told.chunk_seq, told.confirmable_seq, told.standing) == (9, 9, True)
    assert len(told.lateness_counts) == 11
    assert sum(last.lateness_counts) == last.ticks
    assert told.limited_joints == (0,) * 6
    assert told.reads_lost == 0


def test_the_watchdog_is_fed_after_a_good_tick(process, tmp_path):
    _, loop, _, operator = process
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(2.0)
    loop._notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"})
    operator.send(Shutdown(why="enough"))
    loop.run()
    assert manager.recv(100) == b"WATCHDOG=1"


def test_a_loop_whose_ticks_fail_starves_the_watchdog(process, tmp_path, monkeypatch):
    rig, loop, _, _ = process
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.setblocking(False)
    loop._notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"})

    def never(now_s):
        raise RuntimeError("broken")

    monkeypatch.setattr(rig.controller, "tick", never)
    loop.run()
    with pytest.raises(BlockingIOError):
        manager.recv(100)
