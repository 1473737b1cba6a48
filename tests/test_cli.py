"""The commands as a user types them: one clear line, the right exit code, nothing left half done."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from edgevla.runtime.demo import simulated_devices
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

ROBOT_YAML = shipped("so101-tabletop") / "robot.yaml"
SENTENCE = "touch the red block"


def edgevla(*words, **changes):
    return subprocess.run(
        [sys.executable, "-m", "edgevla", *map(str, words)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=90,
        check=False,
        **changes,
    )


def refused(result, exit_code, *words):
    assert result.returncode == exit_code, result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def variant_of(tmp_path, old, new):
    for file in ROBOT_YAML.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    robot = tmp_path / "robot.yaml"
    text = ROBOT_YAML.read_text()
    assert old in text
    robot.write_text(text.replace(old, new, 1))
    return robot


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    velocity: 120 deg/s\n", "    velocity: -3 deg/s\n", ["robot.yaml:23", "-3 deg/s"]),
        ("    velocity: 120 deg/s\n", "    velocity: 2 m/s\n", ["robot.yaml:23", "2 m/s", "deg/s"]),
        ("    velocity: 120 deg/s\n", "    velocty: 120 deg/s\n", ["robot.yaml:23", "velocty", "velocity"]),
        ("    position_hard: [-110 deg, 110 deg]\n", "", ["shoulder_pan", "position_hard"]),
    ],
)
def test_a_mistake_in_robot_yaml_is_named_by_file_line_and_value(tmp_path, old, new, words):
    robot = variant_of(tmp_path, old, new)
    refused_lines = edgevla("run", robot, "--instruction", SENTENCE, "--engage", cwd=tmp_path)
    assert refused_lines.returncode == 2
    assert "Traceback" not in refused_lines.stderr
    for word in words:
        assert word in refused_lines.stderr


def test_a_missing_robot_yaml_is_one_line(tmp_path):
    refused(edgevla("run", tmp_path / "none.yaml", "--instruction", SENTENCE), 2, "none.yaml")


def test_a_policy_for_another_robot_is_refused_before_a_port_is_opened(tmp_path):
    robot = variant_of(tmp_path, "name: gripper", "name: claw")
    refused(edgevla("run", robot, "--instruction", SENTENCE, "--engage", cwd=tmp_path), 2, "claw", "gripper")


def test_a_missing_port_is_named_with_the_fix(tmp_path):
    with spawn_simulator() as simulator:
        words = []
        for key, value in {**simulated_devices(simulator), "motors.port": "/dev/ttyNONE"}.items():
            words += ["--set", f"{key}={value}"]
        result = edgevla("run", ROBOT_YAML, "--instruction", SENTENCE, "--engage", *words, cwd=tmp_path)
    refused(result, 2, "/dev/ttyNONE", "does not exist")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run", ROBOT_YAML, "--instruction", SENTENCE, "--set", "nonsense"), "KEY=VALUE"),
        (("eval", "--suite", "moon"), "so101-tabletop"),
        (("eval", "--ablate", "hope"), "black-image"),
        (("eval", "--expert", "--ablate", "black-image"), "--expert"),
        (("demo", "--instruction", "dance"), "dance"),
        (("inspect", "no-such-bundle"), "so101-tabletop"),
        (("inspect", "/dev/null/x.yaml"), "/dev/null/x.yaml"),
    ],
)
def test_an_argument_that_makes_no_sense_is_one_line_with_what_is_allowed(words, expected, tmp_path):
    refused(edgevla(*words, cwd=tmp_path), 2, expected)


def test_inspect_shows_the_envelope_and_every_file(tmp_path):
    result = edgevla("inspect", ROBOT_YAML, "--json", tmp_path / "out.json")
    assert result.returncode == 0
    assert "shoulder_pan" in result.stdout
    assert "policy.onnx" in result.stdout
    report = json.loads((tmp_path / "out.json").read_text())
    assert set(report) == {"command", "version", "git", "device", "started", "results"}


def test_an_eval_is_counted_with_an_interval_and_can_be_resumed(tmp_path):
    out = tmp_path / "out.json"
    first = edgevla("eval", "--expert", "--episodes", "9", "--workers", "1", "--json", out)
    assert first.returncode == 0, first.stderr
    results = json.loads(out.read_text())["results"]
    assert results["episodes"] == 9
    assert len(results["per_instruction"]) == 9
    assert results["ci95"][0] < results["success_rate"] <= results["ci95"][1] + 1e-9
    assert not out.with_name("out.json.partial").exists()


def start_run(simulator, folder):
    words = [sys.executable, "-m", "edgevla", "run", str(ROBOT_YAML), "--instruction", SENTENCE, "--engage"]
    words += ["--report", str(folder / "report")]
    for key, value in simulated_devices(simulator).items():
        words += ["--set", f"{key}={value}"]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    while "engage" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.5)
    return process


@pytest.mark.realtime
def test_run_writes_its_report_and_ctrl_c_stops_the_arm_with_exit_code_130(tmp_path):
    with spawn_simulator(seed=3) as simulator:
        process = start_run(simulator, tmp_path)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "Traceback" not in errors
        before = simulator.state()["joints_rad"]
        time.sleep(0.3)
        after = simulator.state()
        assert after["joints_rad"] == pytest.approx(before, abs=0.01)
        assert all(after["torque_on"]), "robot.yaml says hold"
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["command"] == "run"
    assert report["results"]["ticks"]["count"] > 10
    assert (tmp_path / "report" / "latency.png").exists()


@pytest.mark.realtime
def test_a_robot_that_is_unplugged_while_it_runs_ends_in_one_line_and_leaves_a_flight_log(tmp_path):
    with spawn_simulator(seed=3) as simulator:
        process = start_run(simulator, tmp_path)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "Traceback" not in errors
    assert "serial lost" in errors
    (flight,) = (tmp_path / "report").glob("flight-*.jsonl")
    assert json.loads(flight.read_text().splitlines()[-1])["mode"] == "fault"


def test_version_is_the_package_s():
    result = edgevla("--version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", result.stdout.strip())
