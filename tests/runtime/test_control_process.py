"""The loop around the controller: whatever happens in a tick, the arm is stopped before the loop ends."""

import time

import pytest

from edgevla.messages import Chunk, Event, Heartbeat, Mode, Request, Shutdown, Status
from edgevla.runtime.control_process import ControlProcess
from edgevla.runtime.link import Link, socket_pair
from edgevla.runtime.wiring import Rig as Wired
from tests.runtime.conftest import Rig


@pytest.fixture
def process(tmp_path):
    rig = Rig(control__rate="500 Hz", control__replan="10 Hz", motors__reply_timeout="1 ms")
    ours, theirs = zip(socket_pair(), socket_pair(), strict=True)
    policy, operator = Link(theirs[0], Chunk), Link(theirs[1], Status)
    wired = Wired(rig.controller, rig.bus, rig.flight_log)
    loop = ControlProcess(
        rig.robot, wired, Link(ours[0], Chunk), Link(ours[1], Request | Heartbeat | Shutdown), tmp_path
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
