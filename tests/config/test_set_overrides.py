from __future__ import annotations

import pytest

from edgevla.config.load import load_robot
from edgevla.config.problems import ConfigError


def test_set_replaces_values_by_path_and_items_by_name_or_index(robot_yaml):
    robot = load_robot(
        robot_yaml,
        {
            "motors.port": "/dev/pts/3",
            "cameras.front.source": "http://127.0.0.1:8080/front?q=a: b#c",
            "joints.elbow.velocity": "90 deg/s",
            "joints.0.position_soft": "[-50 deg, 50 deg]",
            "joints[0].position_soft[1]": "60 deg",
            "control.realtime.cpu": "3",
            "control.realtime.lock_memory": "false",
            "name": "'12'",
        },
    )
    assert robot.motors.port == "/dev/pts/3"
    assert robot.cameras[0].source == "http://127.0.0.1:8080/front?q=a: b#c"
    assert robot.joints[1].velocity.written() == "90 deg/s"
    assert [bound.written() for bound in robot.joints[0].position_soft] == ["-50 deg", "60 deg"]
    assert (robot.control.realtime.cpu, robot.control.realtime.lock_memory, robot.name) == (3, False, "12")


def test_set_may_fill_in_what_the_file_lacks(robot_yaml):
    text = robot_yaml.read_text().replace("  port: /dev/ttyACM0\n", "")
    robot_yaml.write_text(text)
    assert load_robot(robot_yaml, {"motors.port": "/dev/ttyUSB0"}).motors.port == "/dev/ttyUSB0"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("motors.baud", "fast", '--set motors.baud=fast: motors.baud: got "fast"; must be a whole number'),
        (
            "joints.elbow.velocity",
            "-3 deg/s",
            '--set joints.elbow.velocity=-3 deg/s: joints.elbow.velocity: got "-3 deg/s"; must be above 0 deg/s',
        ),
        (
            "joints.elbow.home",
            "170 deg",
            '--set joints.elbow.home=170 deg: joints.elbow.home: got "170 deg"; must lie inside position_soft',
        ),
        (
            "joints.elbow.position_soft",
            "[1 deg]",
            "--set joints.elbow.position_soft=[1 deg]: joints.elbow.position_soft: got [1 deg]; must be a list of 2",
        ),
        ("motors.prot", "/dev/x", '--set motors.prot=/dev/x: motors.prot: unknown key "prot"; did you mean "port"?'),
        (
            "motor.port",
            "/dev/x",
            '--set motor.port=/dev/x: the file has no "motor"; it has format, name, bundle, motors',
        ),
        ("joints.wrist.home", "0 deg", '--set joints.wrist.home=0 deg: joints has no "wrist"; it has shoulder, elbow'),
        ("joints.2.home", "0 deg", '--set joints.2.home=0 deg: joints has no "2"; it has shoulder, elbow'),
        ("name.x", "1", '--set name.x=1: name has no "x"; it has no parts, only the value "two joints"'),
        ("name", "[1", "--set name=[1: not valid YAML: a bracket with a missing comma, or never closed"),
        ("", "1", '--set =1: [""]: unknown key ""; allowed: format'),
        ("name", "\x1b[2J", '--set "name=\\x1b[2J": name: got "\\x1b[2J"; must be text'),
    ],
)
def test_a_mistake_in_set_is_told_as_it_was_typed(robot_yaml, path, value, message):
    with pytest.raises(ConfigError) as caught:
        load_robot(robot_yaml, {path: value})
    assert str(caught.value).startswith(message)


def test_the_file_is_left_alone(robot_yaml):
    before = robot_yaml.read_text()
    load_robot(robot_yaml, {"motors.port": "/dev/pts/3"})
    assert robot_yaml.read_text() == before
