"""The simulated robot from outside: a serial port, two HTTP cameras, and a person who sets tasks."""

import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgevla.config.load import load_robot
from edgevla.motors.feetech_bus import FeetechBus
from edgevla.motors.port import SerialPort
from edgevla.sim.child import SimulatorError
from edgevla.sim.process import spawn_simulator
from edgevla.sim.tasks import INSTRUCTIONS

pytestmark = pytest.mark.realtime

ROBOT = load_robot(Path(__file__).parents[2] / "engines" / "so101-tabletop" / "robot.yaml", {})
IMAGE_SIZE = 96
PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def simulator():
    with spawn_simulator(seed=3, image_size=IMAGE_SIZE) as simulator:
        yield simulator


@pytest.fixture
def bus(simulator):
    bus = FeetechBus(ROBOT.joints, SerialPort(simulator.port, ROBOT.motors.baud, lambda frame: None), 0.5)
    yield bus
    bus.release()
    bus.close()


def wait_until(condition, timeout_s=PATIENCE_S):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def exclusive(port):
    """Whether the tty is marked exclusive. Root opens one all the same, anybody else is refused."""
    tiocgexcl = 0x80045440  # not in termios before Python 3.13
    try:
        fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        return fcntl.ioctl(fd, tiocgexcl, bytes(4)) != bytes(4)
    finally:
        os.close(fd)


def parts(stream, count):
    """The first parts of a multipart stream: headers and body."""
    found = []
    while len(found) < count:
        assert stream.readline().startswith(b"--")
        headers = http.client.parse_headers(stream)
        found.append((headers, stream.read(int(headers["Content-Length"]))))
        assert stream.readline() == b"\r\n"
    return found


def post(simulator, path, body, kind="application/json"):
    request = urllib.request.Request(simulator.url + path, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        return json.load(response)


# The servo bus


def test_all_servos_answer_and_nothing_is_armed(simulator, bus):
    assert [info.joint for info in bus.check()] == list(ROBOT.joint_names)
    assert simulator.state()["torque_on"] == [False] * 6
    assert bus.read().position_rad == pytest.approx(list(simulator.state()["joints_rad"].values()), abs=0.01)


def test_a_goal_on_the_wire_moves_the_arm(simulator, bus):
    simulator.reset(3)
    start = bus.arm().position_rad
    bus.write((start[0] + 0.3, *start[1:]))
    assert wait_until(lambda: abs(simulator.state()["joints_rad"]["shoulder_pan"] - start[0] - 0.3) < 0.05)
    assert bus.read().position_rad[0] == pytest.approx(start[0] + 0.3, abs=0.05)


def test_an_answer_takes_the_time_its_bytes_take_on_a_1_mbaud_wire(bus):
    bus.read()
    started_s = time.monotonic()
    for _ in range(10):
        bus.read()
    request_and_replies_bytes = 14 + 6 * 10
    assert (time.monotonic() - started_s) / 10 >= request_and_replies_bytes * 10e-6


def test_a_program_that_was_killed_does_not_keep_the_port(simulator):
    code = "import sys; from edgevla.motors.port import SerialPort; SerialPort(sys.argv[1], 1000000, print).send(b'x')"
    command = [sys.executable, "-c", f"{code}; import os; os.kill(os.getpid(), 9)", simulator.port]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == -signal.SIGKILL

    assert wait_until(lambda: not exclusive(simulator.port))


def test_a_program_that_is_alive_keeps_the_port_to_itself_between_two_ticks(simulator, bus):
    bus.write(bus.read().position_rad)
    time.sleep(0.1)
    assert exclusive(simulator.port)


# The cameras


@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_a_camera_streams_jpegs_stamped_with_when_the_world_looked_like_this(simulator, camera):
    before_s = time.monotonic()
    with urllib.request.urlopen(simulator.cameras[camera], timeout=PATIENCE_S) as stream:
        assert stream.headers.get_content_type() == "multipart/x-mixed-replace"
        found = parts(stream, 5)
    stamps_s = [float(headers["X-Timestamp"]) for headers, _ in found]
    assert before_s - 0.5 < stamps_s[0] < stamps_s[-1] < time.monotonic()
    assert stamps_s == sorted(set(stamps_s))
    for headers, jpeg in found:
        assert headers.get_content_type() == "image/jpeg"
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
        assert picture.std() > 10


def test_a_single_picture_is_a_new_one(simulator):
    before_s = time.monotonic()
    with urllib.request.urlopen(simulator.cameras["front"] + ".jpg", timeout=PATIENCE_S) as response:
        assert before_s - 0.1 < float(response.headers["X-Timestamp"]) < time.monotonic()
        assert response.read().startswith(b"\xff\xd8")


def test_the_picture_shows_the_world_of_the_servo_bus(simulator):
    def picture():
        with urllib.request.urlopen(simulator.cameras["front"] + ".jpg", timeout=PATIENCE_S) as response:
            return cv2.imdecode(np.frombuffer(response.read(), np.uint8), cv2.IMREAD_COLOR).astype(int)

    simulator.reset(1)
    first = picture()
    simulator.reset(2)
    assert wait_until(lambda: np.abs(picture() - first).max() > 50)


def test_a_client_that_leaves_does_not_disturb_the_next(simulator):
    for _ in range(3):
        with urllib.request.urlopen(simulator.cameras["wrist"], timeout=PATIENCE_S) as stream:
            parts(stream, 1)


def test_there_is_no_other_camera(simulator):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(simulator.cameras["front"].replace("front", "back"), timeout=PATIENCE_S)


# Tasks


def test_a_task_places_the_blocks_and_leaves_the_arm(simulator, bus):
    bus.arm()
    before = simulator.state()
    simulator.start_task(INSTRUCTIONS[0], 7)
    after = simulator.state()
    assert after["instruction"] == INSTRUCTIONS[0]
    assert (after["success"], after["failed"]) == (False, False)
    assert after["blocks_m"] != before["blocks_m"]
    assert list(after["joints_rad"].values()) == pytest.approx(list(before["joints_rad"].values()), abs=0.05)
    assert after["torque_on"] == [True] * 6
    simulator.start_task(INSTRUCTIONS[0], 7)
    again = simulator.state()["blocks_m"]
    assert all(again[name] == pytest.approx(at, abs=0.005) for name, at in after["blocks_m"].items())


def test_reset_takes_the_torque_and_the_task(simulator, bus):
    bus.arm()
    simulator.start_task(INSTRUCTIONS[0], 7)
    simulator.reset(3)
    assert wait_until(lambda: simulator.state()["torque_on"] == [False] * 6)
    assert simulator.state()["instruction"] == ""


def test_time_passes_as_fast_as_outside(simulator):
    start, started_s = simulator.state()["t_s"], time.monotonic()
    time.sleep(0.5)
    passed_s = simulator.state()["t_s"] - start
    assert 0.4 < passed_s < time.monotonic() - started_s + 0.1


def test_an_unknown_task_is_refused_with_the_known_ones(simulator):
    with pytest.raises(SimulatorError, match=r"'dance' is not a task .*touch the red block"):
        simulator.start_task("dance", 1)


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/task", b'{"instruction": "touch the red block"}', "application/json", 400),
        ("/task", b'{"instruction": "touch the red block", "seed": "x"}', "application/json", 400),
        ("/reset", b"not json", "application/json", 400),
        ("/reset", b'{"seed": 1, "speed": 2}', "application/json", 400),
        ("/task", b'{"instruction": "touch the red block", "seed": 1}', "text/plain", 415),
        ("/task", b" " * 5000, "application/json", 413),
        ("/dance", b'{"seed": 1}', "application/json", 404),
    ],
)
def test_a_malformed_request_is_refused_and_changes_nothing(simulator, path, body, kind, status):
    simulator.reset(3)
    with pytest.raises(urllib.error.HTTPError, match=str(status)):
        post(simulator, path, body, kind)
    assert simulator.state()["instruction"] == ""


def test_whoever_answers_a_request_is_not_put_aside_by_other_programs(simulator):
    if not simulator.realtime:
        pytest.skip("SCHED_FIFO is not permitted here")
    open_request = http.client.HTTPConnection(simulator.url.removeprefix("http://"))
    open_request.request("GET", "/state")
    open_request.getresponse().read()
    threads = [int(task.name) for task in Path(f"/proc/{simulator.pid}/task").iterdir()]
    ranks = [os.sched_getparam(thread).sched_priority for thread in threads]
    open_request.close()
    assert {5, 60, 70} <= set(ranks)
    assert ranks.count(5) >= 2, "the server and the thread of this request"


# Beginning and end


def test_it_ends_with_its_handle_and_says_so_afterwards():
    with spawn_simulator(image_size=32) as simulator:
        assert not gone(simulator.pid)
    assert gone(simulator.pid)
    with pytest.raises(SimulatorError, match="does not answer"):
        simulator.state()


def test_it_does_not_outlive_a_parent_that_is_killed():
    code = (
        "import time; from edgevla.sim.process import spawn_simulator\n"
        "simulator = spawn_simulator(image_size=32); print(simulator.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
        assert wait_until(lambda: gone(pid))


def test_what_keeps_it_from_starting_is_said(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with pytest.raises(SimulatorError, match=r"graphics: .*apt-get install"):
        spawn_simulator(image_size=32)
