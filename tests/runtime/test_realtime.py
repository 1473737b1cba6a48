"""The whole runtime in real time: two processes, the servo protocol over a pty, cameras over HTTP."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from edgevla.messages import Event, Instruct, Mode
from edgevla.runtime.arguments import REFERENCE
from edgevla.runtime.demo import simulated_devices
from edgevla.runtime.report import run_results
from edgevla.runtime.session import NotGranted, ProcessFailed, Session
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

pytestmark = pytest.mark.realtime

SENTENCE = "touch the red block"
ROBOT_YAML = shipped("so101-tabletop") / "robot.yaml"


@pytest.fixture
def simulator():
    with spawn_simulator(seed=3) as simulator:
        simulator.start_task(SENTENCE, seed=3)
        yield simulator


@pytest.fixture
def session(simulator, tmp_path):
    with Session(ROBOT_YAML, simulated_devices(simulator), tmp_path, REFERENCE) as session:
        session.arm()
        yield session


def joints(simulator):
    return list(simulator.state()["joints_rad"].values())


def engage(session):
    session.instruct(Instruct(text=SENTENCE))
    session.engage(SENTENCE)


def poll_for(session, seconds):
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        session.poll()
        time.sleep(0.01)


def test_a_sentence_moves_the_arm_and_letting_go_stops_it(session, simulator, tmp_path):
    before = joints(simulator)
    engage(session)
    with contextlib.suppress(NotGranted):
        session.wait_until(lambda: simulator.state()["success"], 10.0, "touch")
    session.release("seen enough")
    assert session.mode is Mode.HOLDING
    assert max(abs(a - b) for a, b in zip(joints(simulator), before, strict=True)) > 0.1
    session.close("the test is over")
    results = run_results(session, tmp_path, [{"text": SENTENCE, "success": None}])
    assert results["ticks"]["count"] > 20
    assert results["policy_ms"]["total"]["p50"] > 0.0
    assert results["bounds"]["blocked"] == 0
    json.dumps(results)


def test_a_killed_policy_brings_the_arm_to_a_hold_and_nothing_engages_again(session):
    engage(session)
    poll_for(session, 0.5)
    os.kill(session.policy_process.pid, signal.SIGKILL)
    session.wait_until(lambda: session.mode is Mode.HOLDING, 2.0, "hold")
    assert "policy process is gone" in session.status.reason
    ticks = session.status.ticks
    poll_for(session, 1.0)
    assert session.status.ticks > ticks + 30, "the control process keeps ticking"
    assert session.mode is Mode.HOLDING
    session.request(Event.ENGAGE)
    poll_for(session, 0.3)
    assert session.mode is Mode.HOLDING
    assert "no fresh plan" in session.status.reason


def test_a_policy_that_hangs_is_noticed_by_the_age_of_its_plan(session):
    engage(session)
    poll_for(session, 0.5)
    os.kill(session.policy_process.pid, signal.SIGSTOP)
    session.wait_until(lambda: session.mode is Mode.HOLDING, 3.0, "hold")
    assert "plan stale" in session.status.reason
    os.kill(session.policy_process.pid, signal.SIGCONT)
    poll_for(session, 0.7)
    assert session.mode is Mode.HOLDING, "a policy that comes back does not engage by itself"


def test_an_operator_who_says_nothing_any_more_lets_go_of_the_arm(session):
    engage(session)
    poll_for(session, 0.3)
    time.sleep(1.6)  # longer than the lease, without a heartbeat
    session._hear_the_last(session._control)
    assert session.mode is Mode.HOLDING
    assert "lease" in session.status.reason


def test_an_operator_s_process_that_dies_leaves_an_arm_that_stands_with_torque_on(session, simulator):
    engage(session)
    poll_for(session, 0.5)
    session._control.close()
    assert session.control_process.wait(timeout=5.0) == 0
    before = joints(simulator)
    time.sleep(0.3)
    assert joints(simulator) == pytest.approx(before, abs=0.01)


def test_a_dead_control_process_is_an_error_with_its_exit_code(session):
    session.control_process.kill()
    session.control_process.wait()
    with pytest.raises(ProcessFailed, match="control process is gone"):
        poll_for(session, 1.0)


def test_a_sentence_the_policy_cannot_read_is_refused_and_cannot_be_engaged(session):
    session.instruct(Instruct(text="make me a coffee"))
    session.wait_until(lambda: "refused" in session.policy_status.detail, 3.0, "refusal")
    session.request(Event.ENGAGE)
    poll_for(session, 0.3)
    assert session.mode is Mode.HOLDING


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"motors.port": "/dev/does-not-exist"}, "/dev/does-not-exist"),
        ({"cameras.front.source": "http://127.0.0.1:9/front"}, "camera front"),
        ({"joints.gripper.id": "77"}, "77 (gripper)"),
    ],
)
def test_a_device_that_is_not_there_is_named_before_anything_moves(simulator, tmp_path, override, words):
    overrides = {**simulated_devices(simulator), **override}
    session = Session(ROBOT_YAML, overrides, tmp_path, REFERENCE)
    with pytest.raises(ProcessFailed) as failed, session:
        pass
    assert words in str(failed.value)
    assert failed.value.exit_code == 2
    assert session.policy_process.poll() is not None


def test_a_port_that_another_robot_holds_is_busy(session, simulator, tmp_path):
    second = Session(ROBOT_YAML, simulated_devices(simulator), tmp_path, REFERENCE)
    with pytest.raises(ProcessFailed, match="in use"), second:
        pass
    session.poll()
    assert session.mode is Mode.HOLDING


def test_a_damaged_bundle_is_refused_before_the_port_is_opened(tmp_path):
    for file in ROBOT_YAML.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    graph = Path(tmp_path / "policy.onnx")
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    session = Session(tmp_path / "robot.yaml", {}, tmp_path, REFERENCE)
    with pytest.raises(ProcessFailed, match=r"policy\.onnx"), session:
        pass
    assert session.control_process is None
