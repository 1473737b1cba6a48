"""`edgevla calibrate capture` and `joints` as they are typed: on recordings, the simulator, and a port with servos."""

import json
import os
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from edgevla.bundle import load_manifest
from edgevla.calibrate.recorded import Episode
from edgevla.calibration_set import check_set_fits, load_set
from edgevla.commands.calibrate import app
from edgevla.config.load import load_robot
from edgevla.motors import feetech
from edgevla.runtime.demo import simulated_devices
from edgevla.shipped import shipped
from edgevla.sim.bus_server import BusServer
from edgevla.sim.process import spawn_simulator
from tests.calibrate.arm import LimpArm
from tests.calibrate.conftest import observation, picture

SHIPPED = shipped("so101-tabletop")
ROBOT_YAML = SHIPPED / "robot.yaml"


def run(*words, typed=None):
    return CliRunner().invoke(app, list(map(str, words)), input=typed)


def record(path, seeds, **spoilt):
    episode = [observation(seed, t_s=0.5 * seed) for seed in seeds]
    arrays = {
        "t_s": np.array([each.t_obs_s for each in episode]),
        "state_rad": np.array([each.state_rad for each in episode]),
        "camera:front": np.array([each.images["front"] for each in episode]),
        "camera:wrist": np.array([picture(5000 + seed) for seed in seeds]),
        "instruction": np.array("touch the red block"),
        **spoilt,
    }
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_recorded_episodes_become_a_set_and_a_report(tmp_path):
    files = [record(tmp_path / f"{n}.npz", range(40 * n, 40 * n + 40)) for n in (0, 1)]
    report, out = tmp_path / "report.json", tmp_path / "set"
    recorded = [word for file in files for word in ("--recorded", file)]
    result = run("capture", ROBOT_YAML, "--out", out, "--keep", 50, *recorded, "--json", report)
    assert result.exit_code == 0, result.output
    assert "50 of 80 observations kept" in result.output
    found = load_set(out)
    check_set_fits(found, load_manifest(SHIPPED))
    assert (len(found), found.manifest.source) == (50, "recorded")
    results = json.loads(report.read_text())["results"]
    assert (results["kept"], results["seen"], results["refused"]) == (50, 80, {})


def test_an_interrupted_capture_keeps_what_there_is_and_says_how_to_go_on(tmp_path, monkeypatch):
    file, out = record(tmp_path / "a.npz", range(40)), tmp_path / "set"
    whole = Episode.__iter__

    def interrupted(episode):
        for number, each in enumerate(whole(episode)):
            if number == 5:
                raise KeyboardInterrupt
            yield each

    words = ("capture", ROBOT_YAML, "--out", out, "--recorded", file)
    monkeypatch.setattr(Episode, "__iter__", interrupted)
    result = run(*words)
    assert result.exit_code == 130
    assert "5 observations kept; the same command goes on from here" in result.output
    assert (len(load_set(out)), load_set(out).manifest.seen) == (5, 5)
    monkeypatch.undo()
    assert run(*words).exit_code == 0
    assert len(load_set(out)) == 40


def test_too_few_is_not_a_success_but_what_there_is_stays(tmp_path):
    pictures = np.zeros((40, 48, 48, 3), np.uint8)
    file = record(tmp_path / "dark.npz", range(40), **{"camera:front": pictures})
    result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", "--recorded", file)
    assert result.exception.exit_code == 1
    assert "0 observations are too few" in str(result.exception)
    assert load_set(tmp_path / "set").manifest.refused == {
        "front: black": 1,
        "front: frozen, the same picture as before bit for bit": 39,
    }


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"t_s": None}, "lacks t_s"),
        ({"state_rad": np.zeros((3, 6))}, r"state_rad has shape \(3, 6\); t_s says 40 rows"),
        ({"camera:front": np.zeros((40, 48, 48), np.uint8)}, r"must be \(n, height, width, 3\)"),
        ({"camera:front": None}, "looks through camera front; there are: wrist"),
    ],
)
def test_a_recording_that_does_not_hang_together_is_named(tmp_path, spoilt, words):
    file = record(tmp_path / "odd.npz", range(40), **spoilt)
    result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", "--recorded", file)
    assert result.exception.exit_code == 2
    with pytest.raises(type(result.exception), match=words):
        raise result.exception


@pytest.mark.parametrize(
    "words", [("--simulate", "1", "--recorded", "x.npz"), ("--expert",), ("--recorded", "/nowhere.npz")]
)
def test_what_cannot_be_meant_is_refused(tmp_path, words):
    result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", *words)
    assert result.exception.exit_code == 2


def test_the_simulated_robot_is_driven_and_watched(tmp_path):
    out = tmp_path / "set"
    result = run("capture", ROBOT_YAML, "--out", out, "--simulate", 1, "--expert", "--keep", 12)
    assert result.exit_code == 0, result.output
    found = load_set(out)
    check_set_fits(found, load_manifest(SHIPPED))
    assert (found.manifest.source, len(found)) == ("simulated", 12)
    assert {each.instruction for each in found} == {"touch the red block"}
    assert found.observation(0).images["front"].shape == (288, 288, 3)


def test_the_simulated_robot_does_the_sentence_it_is_given(tmp_path):
    out = tmp_path / "set"
    told = ("--instruction", "push the green block left")
    run("capture", ROBOT_YAML, "--out", out, "--simulate", 1, "--expert", "--keep", 12, *told)
    assert {each.instruction for each in load_set(out)} == {told[1]}


def test_the_simulated_robot_has_no_other_tasks_than_its_own(tmp_path):
    result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", "--simulate", 1, "--instruction", "sing a song")
    assert (result.exception.exit_code, "'sing a song'" in str(result.exception)) == (2, True)


@pytest.mark.realtime
def test_the_robot_is_watched_through_its_own_port_and_cameras_and_not_touched(tmp_path):
    capture = tmp_path / "bus.jsonl"
    with spawn_simulator(capture=capture) as simulator:
        settings = [f"{key}={value}" for key, value in simulated_devices(simulator).items()]
        words = [word for setting in settings for word in ("--set", setting)]
        result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", "--seconds", 3, "--keep", 2, *words)
        assert result.exit_code == 0, result.output
    found = load_set(tmp_path / "set")
    assert found.manifest.source == "robot"
    assert len(found) == 2
    assert np.isfinite(found.observation(0).state_rad).all()
    heard = [json.loads(line) for line in capture.read_text().splitlines()]
    asked = [bytes.fromhex(each["hex"]) for each in heard if each["from"] == "host"]
    assert len(asked) > 50
    assert all(feetech.writes_in(frame) == () for frame in asked)


@pytest.fixture
def arm_on_a_port(tmp_path):
    """A limp arm whose LeRobot calibration is known, behind a real pty; and its robot.yaml."""
    arm = LimpArm()
    server = BusServer(arm.servos)
    robot = tmp_path / "robot.yaml"
    text = ROBOT_YAML.read_text().replace("/dev/ttyACM0", server.port).replace("bundle: .", f"bundle: {SHIPPED}")
    robot.write_text(text)
    lerobot = tmp_path / "arm.json"
    ranges = [(796, 3300), (910, 3186), (947, 3149), (967, 3129), (0, 4095), (1400, 2652)]
    names = load_robot(robot).joint_names
    lerobot.write_text(
        json.dumps(
            {
                name: {"id": index + 1, "drive_mode": 0, "homing_offset": 0, "range_min": low, "range_max": high}
                for index, (name, (low, high)) in enumerate(zip(names, ranges, strict=True))
            }
        )
    )
    yield arm, robot, lerobot
    server.close()


def saved(arm):
    time.sleep(0.05)  # the last frame of a sync write is not answered
    return [servo.saved for servo in arm.servos.servos]


def test_a_lerobot_calibration_goes_into_robot_yaml_and_the_servos_stay_as_they_are(arm_on_a_port, tmp_path):
    arm, robot, lerobot = arm_on_a_port
    again = tmp_path / "again.json"
    result = run("joints", robot, "--from-lerobot", lerobot, "--lerobot", again, typed="y\n")
    assert result.exit_code == 0, result.output
    assert "-    zero_counts: 2048\n+    zero_counts: 1514" in result.output
    joints = {joint.name: joint for joint in load_robot(robot).joints}
    assert joints["gripper"].zero_counts == round(2026 - 45 * 4096 / 360)
    assert joints["shoulder_pan"].zero_counts == 2048
    assert saved(arm) == [(0, 0, 4095)] * 6
    assert json.loads(again.read_text()) == json.loads(lerobot.read_text())


def test_asked_by_name_the_servos_are_told_what_the_file_says(arm_on_a_port):
    arm, robot, lerobot = arm_on_a_port
    text = lerobot.read_text().replace('"homing_offset": 0, "range_min": 796', '"homing_offset": -40, "range_min": 836')
    lerobot.write_text(text.replace('"range_max": 3300', '"range_max": 3340'))
    result = run("joints", robot, "--from-lerobot", lerobot, "--write-servos", "--yes")
    assert result.exit_code == 0, result.output
    assert saved(arm)[0] == (-40, 836, 3340)
    assert saved(arm)[4] == (0, 0, 4095)
    assert load_robot(robot).joints[0].zero_counts == 2088


def test_no_is_no(arm_on_a_port):
    arm, robot, lerobot = arm_on_a_port
    before = robot.read_bytes()
    result = run("joints", robot, "--from-lerobot", lerobot, "--write-servos", typed="n\n")
    assert result.exit_code != 0
    assert robot.read_bytes() == before
    assert saved(arm) == [(0, 0, 4095)] * 6
    assert not robot.with_name("robot.yaml.before-calibration").exists()


def test_other_servos_are_left_alone(tmp_path):
    robot = tmp_path / "robot.yaml"
    robot.write_text(ROBOT_YAML.read_text().replace("bus: feetech", "bus: dynamixel\n  deadman: 100 ms"))
    result = run("joints", robot, "--yes")
    assert result.exception.exit_code == 2
    assert "only Feetech servos" in str(result.exception)


def test_every_frame_of_a_calibration_without_leave_only_reads(arm_on_a_port, monkeypatch):
    arm, robot, lerobot = arm_on_a_port
    heard = []
    handle = arm.servos.handle
    monkeypatch.setattr(arm.servos, "handle", lambda data: heard.append(bytes(data)) or handle(data))
    run("joints", robot, "--from-lerobot", lerobot, "--yes")
    assert heard
    assert all(feetech.writes_in(frame) == () for frame in heard)


def test_the_servos_are_told_nothing_when_robot_yaml_cannot_be_written(arm_on_a_port):
    """Told first, they would report other positions than robot.yaml says."""
    arm, robot, lerobot = arm_on_a_port
    lerobot.write_text(lerobot.read_text().replace('"homing_offset": 0', '"homing_offset": -40'))
    robot.with_name(f".robot.yaml.{os.getpid()}").mkdir()  # where the draft would go
    result = run("joints", robot, "--from-lerobot", lerobot, "--write-servos", "--yes")
    assert isinstance(result.exception, OSError)
    assert saved(arm) == [(0, 0, 4095)] * 6


@pytest.mark.parametrize("words", [("--seconds", "nan"), ("--seconds", "inf"), ("--rate", "nan")])
def test_what_is_no_number_is_refused(tmp_path, words):
    result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", *words)
    assert result.exception.exit_code == 2
    assert "must be numbers" in str(result.exception)


def test_a_robot_that_is_not_there_leaves_no_set_behind(tmp_path):
    result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", "--set", f"motors.port={tmp_path}/nothing")
    assert result.exception.exit_code == 2
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("content", [b"", b"not an archive", "array"])
def test_a_file_that_is_no_recording_is_one_line(tmp_path, content):
    file = tmp_path / "odd.npz"
    if content == "array":
        with file.open("wb") as stream:
            np.save(stream, np.zeros(3))
    else:
        file.write_bytes(content)
    result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", "--recorded", file)
    assert result.exception.exit_code == 2
    assert f"{file}: is not a recorded episode" in str(result.exception)


@pytest.mark.parametrize("spoilt", [{"t_s": np.array(["soon"] * 40)}, {"instruction": np.array(7)}])
def test_a_recording_of_other_things_is_one_line(tmp_path, spoilt):
    file = record(tmp_path / "odd.npz", range(40), **spoilt)
    result = run("capture", ROBOT_YAML, "--out", tmp_path / "set", "--recorded", file)
    assert result.exception.exit_code == 2
