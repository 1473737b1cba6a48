"""What a person can get wrong in robot.yaml, and the line that tells them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from edgevla.config.load import load_robot
from edgevla.config.problems import ConfigError

SHIPPED = Path(__file__).parents[2] / "engines/so101-tabletop/robot.yaml"

ANGLE = 'a number, a space and a unit (deg or rad), such as "1.5 deg"'
SPEED = 'a number, a space and a unit (deg/s or rad/s), such as "1.5 deg/s"'


def test_the_shipped_robot_loads():
    assert load_robot(SHIPPED).joint_names[0] == "shoulder_pan"


def test_a_robot_is_read_in_si_units(robot_yaml):
    robot = load_robot(robot_yaml)
    elbow = robot.joints[1]
    assert robot.joint_names == ("shoulder", "elbow")
    assert elbow.position_soft == pytest.approx((-1.5, math.radians(80)))
    assert elbow.velocity == 2.0
    assert elbow.jerk == pytest.approx(math.radians(18000))
    assert (robot.motors.reply_timeout, robot.control.lease, robot.control.rate) == (0.005, 1.0, 50.0)
    assert robot.control.realtime.cpu is None
    assert robot.control.realtime.lock_memory is True


# (line, what stands there instead, where the message says it stands, what the message says is allowed)
UNITS_AND_NUMBERS = [
    (28, "    velocity: 2 m/s", "joints.elbow.velocity", 'in deg/s or rad/s, not in "m/s"'),
    (28, "    velocity: 120", "joints.elbow.velocity", SPEED),
    (28, "    velocity: 120deg/s", "joints.elbow.velocity", SPEED),
    (28, "    velocity: .inf", "joints.elbow.velocity", SPEED),
    (28, "    velocity: nan deg/s", "joints.elbow.velocity", "finite"),
    (28, "    velocity: inf deg/s", "joints.elbow.velocity", "finite"),
    (28, "    velocity: -3 deg/s", "joints.elbow.velocity", "above 0 deg/s and at most 720 deg/s"),
    (28, "    velocity: 0 deg/s", "joints.elbow.velocity", "above 0 deg/s and at most 720 deg/s"),
    (28, "    velocity: 10000 deg/s", "joints.elbow.velocity", "above 0 deg/s and at most 720 deg/s"),
    (28, "    velocity: 115 rad/s", "joints.elbow.velocity", "above 0 deg/s and at most 720 deg/s"),
    (29, "    acceleration: -1 deg/s^2", "joints.elbow.acceleration", "above 0 deg/s^2 and at most 20000 deg/s^2"),
    (29, "    acceleration: 900 deg/s", "joints.elbow.acceleration", 'in deg/s^2 or rad/s^2, not in "deg/s"'),
    (30, "    jerk: 0 deg/s^3", "joints.elbow.jerk", "above 0 deg/s^3 and at most 2000000 deg/s^3"),
    (31, "    tracking: 0 deg", "joints.elbow.tracking", "above 0 deg and at most 90 deg"),
    (42, "  rate: 5 Hz", "control.rate", "at least 10 Hz and at most 500 Hz"),
    (42, "  rate: 1000 Hz", "control.rate", "at least 10 Hz and at most 500 Hz"),
    (46, "  lease: 0 s", "control.lease", "above 0 ms and at most 10000 ms"),
    (12, "    id: 253", "joints.shoulder.id", "at least 0 and at most 252"),
    (12, "    id: 1.0", "joints.shoulder.id", "a whole number, at least 0 and at most 252"),
    (12, "    id: true", "joints.shoulder.id", "a whole number"),
    (12, "    id: 010", "joints.shoulder.id", "a whole number"),
    (14, "    sign: 0", "joints.shoulder.sign", "-1 or 1"),
    (14, "    sign: true", "joints.shoulder.sign", "-1 or 1"),
    (37, "    width: 0", "cameras.front.width", "at least 1 and at most 8192"),
    (50, "    priority: 100", "control.realtime.priority", "at least 1 and at most 99"),
    (51, "    cpu: -1", "control.realtime.cpu", "at least 0 and at most 1023"),
    (51, "    cpu: any", "control.realtime.cpu", "a whole number or null, at least 0 and at most 1023"),
    (52, "    lock_memory: yes", "control.realtime.lock_memory", "true or false"),
]
SHAPES_AND_WORDS = [
    (15, "    position_hard: 110 deg", "joints.shoulder.position_hard", f"a list of 2, each {ANGLE}"),
    (15, "    position_hard: [110 deg]", "joints.shoulder.position_hard", f"a list of 2, each {ANGLE}"),
    (1, "format: edgevla-robot/2", "format", '"edgevla-robot/1"'),
    (9, "  on_exit: relase", "motors.on_exit", '"hold" or "release"'),
    (6, "  port: ", "motors.port", "text on one line, not empty"),
    (34, "  - name: front cam", "cameras[0].name", "a word of letters, digits, _ and -, beginning with a letter"),
    (34, "  - name: front.left", "cameras[0].name", "a word of letters, digits, _ and -, beginning with a letter"),
]
BETWEEN_THE_VALUES = [
    (15, "    position_hard: [110 deg, -110 deg]", "joints.shoulder.position_hard", "[lower, upper] with lower below"),
    (16, "    position_soft: [1 deg, 1 deg]", "joints.shoulder.position_soft", "[lower, upper] with lower below upper"),
    (
        16,
        "    position_soft: [-120 deg, 100 deg]",
        "joints.shoulder.position_soft",
        "lie inside position_hard, [-110 deg",
    ),
    (
        16,
        "    position_soft: [-110 deg, 109.95 deg]",
        "joints.shoulder.position_soft",
        "lie inside position_hard, [-110 deg, 110 deg] by at least 0.0878906 deg, one count of the servo",
    ),
    (21, "    home: 105 deg", "joints.shoulder.home", "lie inside position_soft, [-100 deg, 100 deg]"),
    (
        26,
        "    position_hard: [-90 deg, 100 deg]",
        "joints.elbow.position_hard",
        "lie inside [-269.912 deg, 90 deg], what counts 0 to 4095 mean with zero_counts 1024 and sign -1",
    ),
    (
        31,
        "    tracking: 2 deg",
        "joints.elbow.tracking",
        "above 2.29183 deg, one tick of motion (114.592 deg/s at 50 Hz)",
    ),
    (22, "  - name: shoulder", "joints.shoulder.name", "differ from the name of every other; joints[0] has it too"),
    (23, "    id: 1", "joints.elbow.id", "differ from the id of every other; joints[0] has it too"),
    (7, "  baud: 9600", "motors.baud", "one of 1000000, 500000, 250000, 128000, 115200, 76800, 57600, 38400"),
    (8, "  reply_timeout: 20 ms", "motors.reply_timeout", "below 20 ms, one tick at 50 Hz"),
    (40, "    max_age: 30 ms", "cameras.front.max_age", "above 33.3333 ms, the time between two frames at 30 Hz"),
    (43, "  replan: 60 Hz", "control.replan", "at most the control rate, 50 Hz"),
    (44, "  plan_hold_after: 80 ms", "control.plan_hold_after", "above 100 ms, the time between two plans at 10 Hz"),
    (45, "  plan_stop_after: 300 ms", "control.plan_stop_after", "above plan_hold_after, 300 ms"),
]


@pytest.mark.parametrize(
    ("line", "replacement", "path", "allowed"), [*UNITS_AND_NUMBERS, *SHAPES_AND_WORDS, *BETWEEN_THE_VALUES]
)
def test_a_mistake_is_named_with_its_line_value_and_what_is_allowed(mistake, line, replacement, path, allowed):
    (message,) = mistake({line: replacement})
    place, _, must = message.partition("; must ")
    value = replacement.partition(": ")[2]
    assert place.replace('"', "") == f"robot.yaml:{line}: {path}: got {value or 'nothing'}"
    assert must.removeprefix("be ").startswith(allowed)


def test_values_at_the_very_edge_of_what_is_allowed_pass(robot_yaml):
    edges = {
        "control.replan": "50 Hz",
        "control.plan_hold_after": "101 ms",
        "motors.reply_timeout": "19.9 ms",
        "joints.shoulder.home": "-100 deg",
        "joints.shoulder.velocity": "720 deg/s",
        "joints.shoulder.id": "252",
        "joints.shoulder.position_hard": "[-180 deg, 179.912109375 deg]",
        "joints.elbow.position_soft": "[-89.912 deg, 89.912 deg]",
        "joints.elbow.home": "89.912 deg",
        "cameras.front.max_age": "34 ms",
    }
    assert load_robot(robot_yaml, edges).joints[0].id == 252


def test_a_frame_must_be_allowed_to_grow_older_than_the_time_between_two(mistake):
    (message,) = mistake({39: "    rate: 25 Hz", 40: "    max_age: 40 ms"})
    assert message.startswith('robot.yaml:40: cameras.front.max_age: got "40 ms"; must be above 40 ms')


def test_two_cameras_of_one_name_are_refused(robot_yaml):
    text = robot_yaml.read_text()
    camera = text[text.index("  - name: front") : text.index("control:")]
    robot_yaml.write_text(text.replace(camera, camera + camera))
    with pytest.raises(
        ConfigError, match=r'^robot\.yaml:41: cameras\.front\.name: got "front"; must differ from the name'
    ):
        load_robot(robot_yaml)


def test_a_mapping_where_a_quantity_is_expected(mistake):
    assert mistake({28: "    velocity: {deg/s: 120}"}) == [
        f"robot.yaml:28: joints.elbow.velocity: got a mapping; must be {SPEED}"
    ]


def test_a_word_where_the_joints_should_be(robot_yaml):
    text = robot_yaml.read_text().splitlines()
    robot_yaml.write_text("\n".join([*text[:9], "joints: six", *text[32:]]))
    with pytest.raises(ConfigError, match=r'^robot\.yaml:10: joints: got "six"; must be a list$'):
        load_robot(robot_yaml)


def test_one_bad_bound_of_a_pair_is_named_by_its_place(mistake):
    (message,) = mistake({15: "    position_hard: [-110 deg, 110]"})
    assert message == f"robot.yaml:15: joints.shoulder.position_hard[1]: got 110; must be {ANGLE}"


def test_an_envelope_beyond_the_servo_names_the_zero_that_puts_it_there(mistake):
    (message,) = mistake({13: "    zero_counts: 1000"})
    assert message == (
        "robot.yaml:15: joints.shoulder.position_hard: got [-110 deg, 110 deg]; must lie inside [-87.8906 deg, "
        "272.021 deg], what counts 0 to 4095 mean with zero_counts 1000 and sign 1"
    )


def test_a_missing_key_is_told_at_its_parent_with_what_it_takes(mistake):
    assert mistake({28: None}) == [
        f'robot.yaml:22: joints.elbow: "velocity" is missing; must be {SPEED}, above 0 deg/s and at most 720 deg/s'
    ]
    assert mistake({47: None}) == [
        'robot.yaml:41: control: "supervision" is missing; must be "autonomous" or "shadow" or "supervised"'
    ]


def test_an_unknown_key_lists_the_allowed_ones(mistake):
    (message,) = mistake({3: "bundle: .\nsecret: 1"})
    assert message == (
        'robot.yaml:4: secret: unknown key "secret"; '
        "allowed: format, name, bundle, motors, joints, cameras, control, workspace, console, "
        "recording"
    )


def test_a_key_that_stands_twice_names_both_lines(mistake):
    assert mistake({26: "    velocity: 1 deg/s"}) == [
        'robot.yaml:28: the key "velocity" stands twice; first at robot.yaml:26'
    ]


def test_a_joint_without_bounds_is_named(mistake):
    lines = mistake({26: None, 27: None})
    assert lines == [
        f'robot.yaml:22: joints.elbow: "position_hard" is missing; must be a list of 2, each {ANGLE}',
        f'robot.yaml:22: joints.elbow: "position_soft" is missing; must be a list of 2, each {ANGLE}',
    ]


def test_a_misspelt_key_is_both_unknown_and_missing(mistake):
    lines = mistake({17: "    velocty: 120 deg/s"})
    assert lines[0].startswith(
        'robot.yaml:17: joints.shoulder.velocty: unknown key "velocty"; did you mean "velocity"? allowed: name, id,'
    )
    assert lines[1].startswith('robot.yaml:11: joints.shoulder: "velocity" is missing')


def test_a_word_where_a_mapping_is_expected(mistake):
    lines = mistake({48: "  realtime: fifo", 49: None, 50: None, 51: None, 52: None})
    keys = "scheduler, priority, cpu, lock_memory"
    assert lines == [f'robot.yaml:48: control.realtime: got "fifo"; must be a mapping with the keys {keys}']


def test_a_joint_without_a_name_goes_by_its_place(mistake):
    lines = mistake({22: "  - id: 2", 23: None, 28: "    velocity: 2"})
    assert lines[0].startswith('robot.yaml:22: joints[1]: "name" is missing; must be a word')
    assert lines[1].startswith("robot.yaml:27: joints[1].velocity: got 2; must be")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_types(mistake):
    lines = mistake({7: "  baud: fast", 17: "    velocity: 2 m/s", 37: "    width: -1"})
    assert [line.split(": ")[0] for line in lines] == ["robot.yaml:7", "robot.yaml:17", "robot.yaml:37"]


def test_a_file_of_nothing_but_mistakes_gives_a_readable_number_of_lines(mistake):
    lines = mistake({n: f"{' ' * (2 if n > 10 else 0)}{'- ' if n > 10 else ''}key{n}: 1" for n in range(11, 53)})
    assert len(lines) == 21
    assert lines[-1].startswith("and ")


def test_an_arm_without_joints_is_no_arm(robot_yaml):
    text = robot_yaml.read_text().splitlines()
    robot_yaml.write_text("\n".join([*text[:9], "joints: []", *text[32:]]))
    with pytest.raises(ConfigError, match=r"^robot\.yaml:10: joints: got \[\]; must list at least one joint$"):
        load_robot(robot_yaml)


def test_a_list_where_the_robot_should_be(robot_yaml):
    robot_yaml.write_text("- format: edgevla-robot/1\n- name: x\n")
    with pytest.raises(ConfigError, match=r"^robot\.yaml:1: got a list of 2; must be a mapping with"):
        load_robot(robot_yaml)


def test_an_empty_file(robot_yaml):
    robot_yaml.write_text("")
    with pytest.raises(ConfigError, match=r"^robot\.yaml:1: the file is empty$"):
        load_robot(robot_yaml)


def test_a_bus_of_another_package_brings_its_own_servo_limits(robot_yaml):
    robot = load_robot(
        robot_yaml,
        {
            "motors.bus": "acme",
            "motors.baud": "3000000",
            "joints.elbow.zero_counts": "0",
            "joints.elbow.position_soft": "[-90 deg, 90 deg]",
        },
    )
    assert (robot.motors.bus, robot.motors.baud) == ("acme", 3_000_000)


def test_a_value_cannot_steer_the_terminal(mistake):
    lines = mistake(
        {
            17: '    velocity: "2 \\e[2J"',
            28: '    velocity: "\\e[2J\\u009b31m"',
            9: '  on_exit: hold\n  "\\e[2J": 1',
            2: 'name: "a\\nb"',
        }
    )
    assert "".join(lines).isprintable()
    assert r'got "\x1b[2J\x9b31m"' in "".join(lines)


def test_a_long_value_is_cut(mistake):
    assert len(mistake({28: f"    velocity: {'9' * 10_000}"})[0]) < 250


CONSOLE = """
console:
  presets: [touch the red block, push the blue block left]
  overlay:
    model: arm.xml
    site: tip
    cameras: {front: overview}
"""


def test_the_operator_s_page_offers_what_robot_yaml_says(robot_yaml):
    assert load_robot(robot_yaml).console is None
    robot_yaml.write_text(robot_yaml.read_text() + CONSOLE)
    console = load_robot(robot_yaml).console
    assert console.presets == ("touch the red block", "push the blue block left")
    assert (console.overlay.model, console.overlay.site) == ("arm.xml", "tip")
    assert console.overlay.cameras == {"front": "overview"}


def test_an_overlay_for_a_camera_that_is_not_there_names_those_that_are(robot_yaml):
    robot_yaml.write_text(robot_yaml.read_text() + CONSOLE.replace("front:", "wrist:"))
    with pytest.raises(ConfigError) as refused:
        load_robot(robot_yaml)
    assert str(refused.value) == (
        'robot.yaml:59: console.overlay.cameras.wrist: got "overview"; '
        "must not be there: the cameras of this file are front"
    )


def test_nothing_is_recorded_unless_robot_yaml_says_where_and_how_much(robot_yaml):
    assert load_robot(robot_yaml).recording is None
    text = robot_yaml.read_text()
    robot_yaml.write_text(text + "recording:\n  folder: log\n  quota: 2 GB\n")
    recording = load_robot(robot_yaml).recording
    assert (recording.folder, recording.quota, recording.pictures) == ("log", 2e9, "png")


@pytest.mark.parametrize(
    ("line", "must"),
    [
        ("quota: 2", 'a number, a space and a unit (GB or MB or TB), such as "1.5 GB"'),
        ("quota: 99 MB", "at least 100 MB and at most 100000000 MB"),
        ("quota: 2 GB\n  pictures: gif", '"jpeg" or "png"'),
    ],
)
def test_a_recording_that_makes_no_sense_is_refused(robot_yaml, line, must):
    robot_yaml.write_text(robot_yaml.read_text() + f"recording:\n  folder: log\n  {line}\n")
    with pytest.raises(ConfigError) as refused:
        load_robot(robot_yaml)
    assert str(refused.value).endswith(f"must be {must}")


def test_a_recording_without_a_quota_is_refused(robot_yaml):
    robot_yaml.write_text(robot_yaml.read_text() + "recording:\n  folder: log\n")
    with pytest.raises(ConfigError, match='"quota" is missing'):
        load_robot(robot_yaml)
