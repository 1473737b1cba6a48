"""`edgevla serve` as a process, on the simulated robot in real time: it comes up disarmed, nothing that is killed,
stopped or missing costs a tick, and every end is a controlled stop with a clear line.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgevla.messages import Confirm, Event, Instruct, Mode, Pictures, Planned, RecorderStatus, Refused, Status, Watch
from edgevla.runtime.ticklog import TICKS_FILE
from edgevla.sim.process import spawn_simulator
from tests.runtime.serving import ROOT, SENTENCE, Serving

pytestmark = pytest.mark.realtime

STAND_IN = ("--recorder", "tests.runtime.stand_in_recorder")


FEW = 3  # ticks that whatever else runs on this machine may cost


@pytest.fixture(scope="module")
def robot():
    with spawn_simulator(seed=3) as simulator:
        yield simulator


@pytest.fixture
def simulator(robot):
    robot.start_task(SENTENCE, seed=3)
    return robot


@pytest.fixture
def serve(robot, tmp_path):
    """Starts it; ends it after the test."""
    started = []

    def start(*words, **environment):
        started.append(Serving(robot, tmp_path, *map(str, words), **environment))
        return started[-1]

    yield start
    for each in started:
        each.close()


def joints(simulator):
    return np.array(list(simulator.state()["joints_rad"].values()))


def test_it_comes_up_disarmed_carries_out_a_sentence_and_ends_with_a_signal(serve, simulator, tmp_path):
    served = serve("--report", tmp_path / "report").operator()
    assert served.mode is Mode.DISARMED
    served.engaged()
    served.wait(lambda: simulator.state()["success"], holding=True)
    served.ask(Event.STOP)
    served.wait(lambda: served.mode is Mode.HOLDING)
    assert served.last[Status].reason == "stop"
    served.process.send_signal(signal.SIGTERM)
    code, printed = served.ended()
    assert code == 0, printed
    assert "SIGTERM: the robot is shut down" in printed
    served.listen()
    assert served.last[Refused].why == "the robot is shut down: SIGTERM"
    with np.load(tmp_path / "report" / TICKS_FILE) as log:
        assert len(log["t_s"]) > 50
    assert not list(tmp_path.glob("*.sock"))


def test_pictures_come_while_disarmed_and_without_a_sentence(serve):
    served = serve().operator()
    served.link.send(Watch(pictures_hz=10.0))
    found = {}

    def from_both():
        pictures = [picture for each in served.heard if isinstance(each, Pictures) for picture in each.pictures]
        found.update({picture.camera: picture.data for picture in pictures})
        return found.keys() == {"front", "wrist"}

    served.wait(from_both)
    assert all(data.startswith(b"\xff\xd8") for data in found.values())
    assert served.mode is Mode.DISARMED


def test_each_chunk_can_be_looked_at_and_confirmed(serve, simulator):
    served = serve().operator().armed()
    served.link.send(Watch(planned=True))
    served.link.send(Instruct(text=SENTENCE, once=True))
    served.wait(lambda: Planned in served.last and served.last[Status].confirmable_seq > 0)
    served.spend(1.0)
    assert len([each for each in served.heard if isinstance(each, Planned)]) == 1, "once is once"
    before = joints(simulator)
    served.link.send(Confirm(t_s=time.monotonic(), seq=served.last[Planned].chunk.seq))
    served.wait(lambda: served.mode is Mode.ENGAGED, holding=True)
    served.wait(lambda: served.mode is Mode.HOLDING, holding=True)
    assert served.last[Status].reason == "release: the confirmed chunk is over"
    assert np.abs(joints(simulator) - before).max() > 0.02


def operating(served, action):
    """Another process is the operator: engages, and is then killed or stopped."""
    script = (
        "import sys; from tests.runtime.serving import *;"
        "s = Serving.__new__(Serving); s.folder = sys.argv[1]; s.last = {}; s.heard = []; s.link = None;"
        "s.process = type('P', (), {'poll': lambda self: None})();"
        "s.operator().engaged(); print('engaged', flush=True); s.spend(60, holding=True)"
    )
    words = [sys.executable, "-c", script, str(served.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as console:
        assert console.stdout.readline() == "engaged\n"
        served.wait(lambda: served.mode is Mode.ENGAGED)
        served.spend(0.5)
        missed = served.last[Status].missed
        began_s = time.monotonic()
        console.send_signal(action)
        served.wait(lambda: served.mode not in {Mode.ENGAGED, Mode.STOPPING})
        assert served.last[Status].standing
        stood_s = next(
            each.t_s
            for each in served.heard
            if isinstance(each, Status) and each.t_s > began_s and each.mode is Mode.HOLDING
        )
        console.kill()
    return stood_s - began_s, served.last[Status].missed - missed


@pytest.mark.parametrize("action", [signal.SIGKILL, signal.SIGSTOP])
def test_a_console_that_dies_or_hangs_lets_go_of_the_arm_and_costs_no_tick(serve, action):
    served = serve().operator()
    stood_s, missed = operating(served, action)
    assert served.last[Status].reason.startswith("release: the operator's program")
    assert missed <= FEW
    assert stood_s < 1.0, "by the clock of the control process"


@pytest.mark.parametrize("action", [signal.SIGKILL, signal.SIGSTOP])
def test_a_recorder_that_dies_or_hangs_costs_no_tick_and_the_arm_goes_on(serve, tmp_path, action):
    served = serve("--record", tmp_path / "log", *STAND_IN).operator().engaged()
    served.wait(lambda: served.last[RecorderStatus].recording, holding=True)
    before = served.last[Status]
    recorder = served.children()["stand_in_recorder"]
    os.kill(recorder, action)
    served.spend(6.0, holding=True)  # its socket holds five seconds of ticks
    assert served.mode is Mode.ENGAGED
    assert served.last[Status].ticks - before.ticks > 5.0 * before.rate_hz
    if action is signal.SIGKILL:
        served.wait(lambda: served.children().get("stand_in_recorder", recorder) != recorder, holding=True)
        served.wait(lambda: served.last[RecorderStatus].recording, holding=True)
    else:
        os.kill(recorder, signal.SIGCONT)
        served.wait(lambda: served.last[RecorderStatus].dropped > 0, holding=True)
    assert served.mode is Mode.ENGAGED
    assert served.last[Status].missed - before.missed <= FEW


def test_recording_without_its_packages_is_one_line_before_anything_moves(serve, tmp_path):
    hide = "import sys; sys.modules.update(mcap=None)"
    (tmp_path / "sitecustomize.py").write_text(hide)  # as if it were not installed, in every process of the robot
    served = serve("--record", tmp_path / "log", PYTHONPATH=f"{tmp_path}:{ROOT}")
    code, printed = served.ended()
    assert (code, printed) == (2, "recording needs mcap, which is not installed - pip install 'edgevla[record]'\n")


def test_a_recorder_that_cannot_record_is_said_before_anything_moves(serve, tmp_path):
    code, printed = serve("--record", tmp_path / "log", *STAND_IN, STAND_IN_FAILS="1").ended()
    assert (code, printed) == (2, "recorder: it is made to fail\n")


def test_a_dead_policy_stops_the_arm_and_ends_with_3(serve, simulator):
    served = serve().operator().engaged()
    os.kill(served.children()["policy_process"], signal.SIGKILL)
    code, printed = served.ended()
    assert code == 3
    assert "the policy process is gone; the arm was stopped" in printed
    served.listen()
    assert "policy lost" in served.last[Status].reason
    assert served.last[Status].standing
    before = joints(simulator)
    time.sleep(0.3)
    assert joints(simulator) == pytest.approx(before, abs=0.01)


def test_a_dead_control_process_ends_with_3(serve):
    served = serve().operator().armed()
    os.kill(served.children()["control_process"], signal.SIGKILL)
    code, printed = served.ended()
    assert code == 3
    assert "the control process is gone" in printed


def test_a_second_one_is_told_so_and_touches_nothing(serve, tmp_path):
    first = serve().operator().armed()
    for words, environment in (
        ("so101-tabletop is already being served", {}),
        ("is in use", {"EDGEVLA_RUNTIME_DIR": str(tmp_path / "another")}),
    ):
        code, printed = serve(**environment).ended()
        assert code == 3
        assert words in printed
    first.spend(0.2)
    assert first.mode is Mode.HOLDING


@pytest.mark.parametrize("option", ["--report", "--record"])
def test_a_folder_that_cannot_be_written_is_a_clear_line(serve, tmp_path, option):
    (tmp_path / "file").write_text("")
    code, printed = serve(option, tmp_path / "file" / "folder").ended()
    assert code == 2
    assert str(tmp_path / "file" / "folder") in printed
    assert "Traceback" not in printed


def test_killed_outright_it_leaves_an_arm_that_stands_and_a_place_to_start_again(serve, simulator):
    first = serve().operator().engaged()
    control = first.children()["control_process"]
    first.process.kill()
    first.process.wait()
    ends_s = time.monotonic() + 5.0
    while Path(f"/proc/{control}").exists() and time.monotonic() < ends_s:
        time.sleep(0.05)
    assert not Path(f"/proc/{control}").exists(), "control stops the arm and ends by itself"
    again = serve().operator()
    assert again.mode is Mode.DISARMED
