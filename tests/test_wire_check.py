"""The wire check has teeth: a clean capture passes, and each planted violation is found. Frames are made by hand."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import wire_check

ROBOT_YAML = Path(__file__).parents[1] / "engines" / "so101-tabletop" / "robot.yaml"
IDS = (1, 2, 3, 4, 5, 6)
STANDING = 2048
PERIOD_S = 0.02
DEVICE = 1  # shoulder_pan: 120 deg/s, 1500 deg/s^2, so 27 counts a tick and 6.8 counts a tick^2


def frame(device, code, parameters):
    body = bytes((device, len(parameters) + 2, code, *parameters))
    return b"\xff\xff" + body + bytes((~sum(body) & 0xFF,))


def sync_write(address, values, length):
    rows = b"".join(bytes((device,)) + value.to_bytes(length, "little") for device, value in values.items())
    return frame(0xFE, 0x83, bytes((address, length)) + rows)


def goals(counts, **changes):
    values = dict.fromkeys(IDS, counts)
    return sync_write(42, {**values, **{int(key[1:]): value for key, value in changes.items()}}, 2)


def answers(counts, but=()):
    block = counts.to_bytes(2, "little") + b"\0\0"
    return b"".join(frame(device, 0, block) for device in IDS if device not in but)


class Story:
    """A capture as it is told: every method appends what an orderly host and its servos say."""

    def __init__(self):
        self.t_s = 100.0
        self.records = []
        self.at = STANDING

    def host(self, data):
        self.records.append((self.t_s, "host", data))

    def servos(self, data):
        self.records.append((self.t_s, "servos", data))

    def read(self, but=(), answer=True):
        self.host(frame(0xFE, 0x82, bytes((56, 4, *IDS))))
        if answer:
            self.servos(answers(self.at, but))

    def arm(self, first=STANDING):
        self.host(frame(1, 0x01, b""))
        self.read()
        for address, length in ((41, 1), (44, 2), (46, 2)):
            self.host(sync_write(address, dict.fromkeys(IDS, 0), length))
        self.host(goals(first))
        self.host(sync_write(40, dict.fromkeys(IDS, 1), 1))
        self.t_s += PERIOD_S

    def tick(self, step=0, read=True, **changes):
        if read:
            self.read()
        self.at += step
        self.host(goals(self.at, **changes))
        self.t_s += PERIOD_S

    def move(self):
        """Speed up to 20 counts a tick, and down to nothing."""
        for step in (5, 10, 15, 20, 20, 15, 10, 5, 0, 0, 0, 0, 0, 0):
            self.tick(step)

    def verdict(self, **options):
        joints, rate_hz = wire_check.read_envelope(ROBOT_YAML)
        checker = wire_check.Checker(joints, rate_hz, **options)
        for record in self.records:
            checker.feed(*record)
        return checker.verdict


@pytest.fixture
def story():
    story = Story()
    story.arm()
    story.move()
    return story


def the_violation(story, **options):
    violations = story.verdict(**options).violations
    assert violations
    return violations[0]


def test_an_orderly_story_passes_and_is_measured(story):
    verdict = story.verdict()
    assert verdict.violations == []
    assert verdict.goals == 15
    assert verdict.last_move_s == pytest.approx(100.0 + 8 * PERIOD_S)
    assert verdict.excursion["velocity"] == pytest.approx(19 / 27.3, abs=0.01)
    assert verdict.excursion["acceleration"] == pytest.approx(3 / 6.83, abs=0.01)


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda story: story.host(frame(1, 0x06, b"")), "instruction 0x06"),
        (lambda story: story.host(frame(0xFE, 0x05, b"")), "instruction 0x05"),
        (lambda story: story.host(frame(1, 0x03, bytes((55, 0)))), "register 55"),
        (lambda story: story.host(sync_write(48, dict.fromkeys(IDS, 1000), 2)), "register 48"),
        (lambda story: story.host(frame(1, 0x03, bytes((42, 0)))), "with 1 bytes"),
        (lambda story: story.host(sync_write(42, {**dict.fromkeys(IDS, STANDING), 7: 0}, 2)), "no joint of this robot"),
        (lambda story: story.host(sync_write(42, {1: story.at}, 2)), r"goals for \[1\] only"),
        (lambda story: story.host(goals(story.at)[:-1]), "no whole frame"),
        (lambda story: story.host(b"\xff\xff\x01\x02\x01\x00"), "no whole frame"),
        (lambda story: story.host(sync_write(46, dict.fromkeys(IDS, 300), 2)), "set to 300"),
        (lambda story: story.host(sync_write(40, dict.fromkeys(IDS, 128), 1)), "128 is written to the torque"),
        (lambda story: story.tick(d1=3301), "outside 796 .. 3300"),
        (lambda story: story.tick(d6=2048 - 115), "outside 1934"),
        (lambda story: story.tick(step=30), "velocity is 1.06 times"),
        (lambda story: story.tick(step=10), "acceleration is 1.17 times"),
        (lambda story: story.tick(d1=0x8001), "goal -1 outside"),
    ],
)
def test_one_planted_violation_is_found(story, plant, words):
    plant(story)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(the_violation(story))


def test_a_setting_while_the_goal_moves_is_found(story):
    story.tick(step=5)
    story.host(sync_write(41, dict.fromkeys(IDS, 0), 1))
    assert "register 41 is written while the goal moves" in the_violation(story)


def test_torque_off_while_the_goal_moves_is_found(story):
    story.tick(step=5)
    story.host(sync_write(40, dict.fromkeys(IDS, 0), 1))
    assert "register 40 is written while the goal moves" in the_violation(story)


def test_too_far_within_250_ms_is_found_even_where_every_step_is_small(story):
    for _ in range(4):  # with a silent pause between, the steps themselves are within the limit
        for step in (6, 12, 18, 24, 26, 26, 26, 26, 26, 24, 18, 12, 6, 0):
            story.tick(step)
            story.t_s -= 0.4 * PERIOD_S
    assert any("counts within 250 ms" in each for each in story.verdict().violations)


def test_a_burst_after_a_stall_is_found(story):
    story.t_s += 0.5
    for _ in range(8):
        story.tick()
        story.t_s -= PERIOD_S * 0.95
    assert "burst" in the_violation(story)


def test_a_higher_rate_than_the_robot_s_is_found(story):
    for _ in range(60):
        story.tick()
        story.t_s -= PERIOD_S * 0.5
    assert "goals within 250 ms, 15 fit the rate" in the_violation(story)


def test_a_goal_before_the_position_is_known_is_found():
    story = Story()
    story.host(goals(STANDING))
    assert "before its position was read" in the_violation(story)


def test_a_first_goal_away_from_where_the_arm_stands_is_found():
    story = Story()
    story.arm(first=STANDING + 40)
    assert "40 counts from where it stands" in the_violation(story)


def test_torque_before_a_goal_is_found():
    story = Story()
    story.read()
    story.host(sync_write(40, dict.fromkeys(IDS, 1), 1))
    assert "torque on before there is a goal" in the_violation(story)


def test_goals_that_go_on_when_nobody_answers_are_found(story):
    for _ in range(2):
        story.read(answer=False)
        story.tick(read=False)
    assert story.verdict().violations == []
    story.read(answer=False)
    story.tick(read=False)
    assert "3 position reads in a row without a whole answer" in the_violation(story)


def test_one_servo_without_an_answer_is_a_read_without_a_whole_answer(story):
    for _ in range(3):
        story.read(but=(4,))
        story.tick(read=False)
    assert "without a whole answer" in the_violation(story)


def test_a_write_after_the_line_was_declared_lost_is_found(story):
    lost_s = story.t_s
    story.t_s += 0.03
    story.tick()
    assert "30 ms after the line was lost" in the_violation(story, silent_after_s=lost_s)


def test_it_shares_no_code_with_what_it_checks():
    source = Path(wire_check.__file__).read_text(encoding="utf-8")
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
    assert {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) == {"yaml"}


@pytest.mark.parametrize(("violation", "code", "word"), [(False, 0, "PASS"), (True, 1, "FAIL")])
def test_the_program_says_it_by_its_exit_code(story, tmp_path, violation, code, word):
    if violation:
        story.tick(step=60)
    capture = tmp_path / "bus.jsonl"
    lines = ({"t_s": t_s, "from": speaker, "hex": data.hex()} for t_s, speaker, data in story.records)
    capture.write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = [sys.executable, wire_check.__file__, str(capture), str(ROBOT_YAML)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == code
    assert word in ran.stdout
    ran = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False)
    assert json.loads(ran.stdout)["goals"] == (16 if violation else 15)


def test_a_file_that_is_no_capture_is_an_error_of_its_own(tmp_path):
    (tmp_path / "bus.jsonl").write_text("{}\n")
    words = [sys.executable, wire_check.__file__, str(tmp_path / "bus.jsonl"), str(ROBOT_YAML)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "bus.jsonl" in ran.stderr
