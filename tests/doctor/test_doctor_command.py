"""The whole examination: on folders that are Jetsons, and on this machine through the command."""

from __future__ import annotations

import json

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from edgevla.commands.doctor import doctor
from edgevla.commands.options import NotReached
from edgevla.doctor.examine import Subject, examine, results
from edgevla.doctor.finding import Level
from edgevla.doctor.machine import Answer, Denied
from edgevla.messages import Granted
from edgevla.shipped import shipped
from tests.doctor.trees import LIMITS, ORIN, PORT, THOR, WORKSTATION, Tree, plant, process

ROBOT = shipped("so101-tabletop") / "robot.yaml"
SHADOW = {"control.supervision": "shadow"}
# What a folder decides; the rest is of the Python that runs the test.
OF_THE_FOLDER = {
    "jetson",
    "OpenCV",
    "TensorRT",
    "CUDA",
    "power mode",
    "GPU clock",
    "CPU clock",
    "temperature",
    "throttling",
    "memory",
    "swap",
    "kernel",
    "real time",
    "real-time share",
}
GRANTED = Granted(scheduler="fifo 50", mlock=True, affinity=(0,), refused="")
REFUSED = Granted(scheduler="other", mlock=False, affinity=(0,), refused="not permitted: SCHED_FIFO; set rtprio")


def answering(granted, tensorrt="10.3.0"):
    def ask(words):
        code = words[2]
        if "import cv2" in code:
            return Answer(0, "4.8.0 YES /usr/lib/python3.10/dist-packages/cv2.so", "")
        if "import tensorrt" in code:
            return Answer(0, f"{tensorrt} /usr/lib/python3.10/dist-packages/tensorrt/__init__.py", "")
        return Answer(0, msgspec.json.encode(granted).decode(), "")

    return ask


def by_name(findings):
    assert len({finding.name for finding in findings}) == len(findings), "two lines of one name"
    return {finding.name: finding for finding in findings}


@pytest.mark.parametrize("tree", [ORIN, THOR])
def test_a_jetson_in_good_order_has_nothing_to_put_right(tmp_path, tree):
    found = by_name(examine(Subject(), plant(tmp_path, tree, ask=answering(GRANTED))))
    assert found.keys() >= OF_THE_FOLDER
    assert {name: found[name].level for name in OF_THE_FOLDER} == dict.fromkeys(OF_THE_FOLDER, Level.OK)


def test_a_neglected_jetson_has_a_fix_for_every_line(tmp_path):
    neglected = {
        **ORIN,
        "var/lib/nvpmodel/status": "pmode:0000",
        "sys/class/devfreq/17000000.gpu/min_freq": "306000000",
        "sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq": "115200",
        "sys/class/thermal/thermal_zone0/temp": "99500",
        "sys/class/hwmon/hwmon3/oc1_event_cnt": "3",
        "proc/meminfo": "MemTotal: 7802000 kB\nMemAvailable: 300000 kB\n",
        "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 3901000 3000000 5\n",
        "proc/self/limits": LIMITS.format(memlock=8388608, rtprio=0),
        "proc/sys/kernel/sched_rt_runtime_us": "0",
        "sys/class/tty/ttyUSB0/device/latency_timer": "16",
    }
    process(tmp_path, 600, "ModemManager")
    machine = plant(tmp_path, neglected, {"/dev/ttyUSB0": PORT}, ask=answering(REFUSED, tensorrt="8.6.2"))
    subject = Subject(ROBOT, {**SHADOW, "motors.port": "/dev/ttyUSB0"})
    found = by_name(examine(subject, machine))
    expected = {
        "TensorRT": Level.FAIL,
        "power mode": Level.WARN,
        "GPU clock": Level.WARN,
        "CPU clock": Level.WARN,
        "temperature": Level.FAIL,
        "throttling": Level.WARN,
        "memory": Level.FAIL,
        "swap": Level.WARN,
        "real time": Level.WARN,
        "real-time share": Level.FAIL,
        "port latency": Level.WARN,
        "port owners": Level.WARN,
        "camera front": Level.FAIL,
        "camera wrist": Level.FAIL,
        "bundle": Level.OK,
    }
    assert {name: found[name].level for name in expected} == expected
    for finding in found.values():
        assert finding.level in {Level.OK, Level.SKIP} or finding.fix, finding


def test_what_is_no_jetson_hears_of_it_once(tmp_path):
    found = by_name(examine(Subject(), plant(tmp_path, WORKSTATION, ask=answering(GRANTED))))
    assert {"power mode", "GPU clock"} & found.keys() == set()
    assert [finding.name for finding in found.values() if "a Jetson" in finding.found] == ["jetson"]


def test_a_robot_yaml_that_cannot_be_used_is_one_line_among_the_others(tmp_path):
    found = by_name(examine(Subject(tmp_path / "none.yaml"), plant(tmp_path, ORIN, ask=answering(GRANTED))))
    assert found["robot.yaml"].level is Level.FAIL
    assert "none.yaml" in found["robot.yaml"].found
    assert found["power mode"].level is Level.OK
    assert "bundle" not in found


def test_what_this_user_may_not_read_is_unknown(tmp_path):
    class Closed(Tree):
        def text(self, name):
            if name.startswith("/sys/class/devfreq") or name == "/proc/meminfo":
                raise Denied(name)
            return super().text(name)

    plant(tmp_path, ORIN)
    found = by_name(examine(Subject(), Closed(tmp_path, answering(GRANTED))))
    for name in ("GPU clock", "memory"):
        assert found[name].level is Level.SKIP
        assert "may not read" in found[name].found
        assert found[name].fix.startswith("sudo ")
    assert found["power mode"].level is Level.OK


def test_recordings_are_looked_at_where_robot_yaml_puts_them(tmp_path):
    overrides = {**SHADOW, "recording": f"{{folder: {tmp_path}, quota: 200 MB}}"}
    found = by_name(examine(Subject(ROBOT, overrides), plant(tmp_path, ORIN, ask=answering(GRANTED))))
    assert str(tmp_path) in found["disk, recordings"].found


def test_results_have_every_finding_and_count_them(tmp_path):
    findings = examine(Subject(), plant(tmp_path, ORIN, ask=answering(GRANTED)))
    report = results(findings)
    assert sum(report["counts"].values()) == len(findings)
    assert report["counts"].keys() == {"ok", "skip", "warn", "fail"}
    assert report["findings"][0].keys() == {"name", "level", "found", "fix"}


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEVLA_CACHE", str(tmp_path / "cache"))
    app = typer.Typer()
    app.command()(doctor)
    return lambda *words: CliRunner().invoke(app, words)


def test_this_machine_without_a_robot_is_ready_when_nothing_fails(command, tmp_path):
    done = command("--json", str(tmp_path / "doctor.json"))
    assert "python" in done.output
    report = json.loads((tmp_path / "doctor.json").read_text())
    assert report.keys() == {"command", "version", "git", "device", "started", "results"}
    assert report["command"] == "doctor"
    assert (done.exit_code == 0) == (report["results"]["counts"]["fail"] == 0)


def test_a_robot_without_its_arm_is_not_ready(command, tmp_path):
    done = command(str(ROBOT), "--set", "motors.port=/dev/not-there", "--json", str(tmp_path / "doctor.json"))
    assert isinstance(done.exception, NotReached)
    assert done.exception.exit_code == 1
    levels = {
        each["name"]: each["level"]
        for each in json.loads((tmp_path / "doctor.json").read_text())["results"]["findings"]
    }
    assert (levels["port /dev/not-there"], levels["bundle"]) == ("fail", "ok")


def test_a_fix_is_one_line_that_can_be_copied(command):
    done = command(str(ROBOT), "--variant", "int8-cpu")
    (line,) = [line for line in done.output.splitlines() if "edgevla verify" in line]
    assert line.strip().startswith("fix: edgevla verify")
    assert line.strip().endswith("HELD_OUT_SET")
