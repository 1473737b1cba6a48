"""The calibration file of LeRobot: read, checked against robot.yaml, written byte for byte as LeRobot reads it."""

import json

import pytest

from edgevla.calibrate import lerobot
from edgevla.calibrate.errors import CalibrationError
from edgevla.config.load import load_robot
from edgevla.shipped import shipped

JOINTS = load_robot(shipped("so101-tabletop") / "robot.yaml").joints
# As a LeRobot user has it: no drive mode, offsets of either sign, a wrist that was not swept.
FILE = {
    "shoulder_pan": {"id": 1, "drive_mode": 0, "homing_offset": -131, "range_min": 706, "range_max": 3183},
    "shoulder_lift": {"id": 2, "drive_mode": 0, "homing_offset": 1020, "range_min": 935, "range_max": 3314},
    "elbow_flex": {"id": 3, "drive_mode": 0, "homing_offset": -870, "range_min": 961, "range_max": 3184},
    "wrist_flex": {"id": 4, "drive_mode": 0, "homing_offset": 2047, "range_min": 584, "range_max": 2616},
    "wrist_roll": {"id": 5, "drive_mode": 0, "homing_offset": 55, "range_min": 0, "range_max": 4095},
    "gripper": {"id": 6, "drive_mode": 0, "homing_offset": -2047, "range_min": 2011, "range_max": 3459},
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "my_arm.json"
    path.write_text(json.dumps(FILE, indent=4))
    return path


def test_a_file_is_read_in_the_order_of_robot_yaml_and_written_as_it_was(path, tmp_path):
    servos = lerobot.read(path, JOINTS)
    assert list(servos) == [joint.name for joint in JOINTS]
    assert servos["wrist_flex"].homing_offset == 2047
    lerobot.write(tmp_path / "deep" / "again.json", servos)
    assert json.loads((tmp_path / "deep" / "again.json").read_text()) == FILE
    assert (tmp_path / "deep" / "again.json").read_text() == path.read_text() + "\n"


@pytest.mark.parametrize(
    ("joint", "changes", "words"),
    [
        ("gripper", {"homing_offset": 2048}, r"homing_offset"),
        ("gripper", {"range_max": 4096}, r"range_max"),
        ("gripper", {"range_min": -5}, r"range_min"),
        ("gripper", {"id": 7}, r"gripper is servo 7; robot\.yaml says 6"),
        ("gripper", {"range_min": 3459}, r"gripper has the range 3459 \.\. 3459"),
        ("gripper", {"drive": 1}, r"drive"),
        ("thumb", FILE["gripper"], r"its joints are .*thumb; robot\.yaml has"),
    ],
)
def test_a_file_that_cannot_be_of_this_arm_is_refused(path, joint, changes, words):
    path.write_text(json.dumps({**FILE, joint: {**FILE.get(joint, {}), **changes}}))
    with pytest.raises(CalibrationError, match=words) as refusal:
        lerobot.read(path, JOINTS)
    assert str(path) in str(refusal.value)


def test_the_place_is_where_lerobot_keeps_it(monkeypatch, tmp_path):
    for name in ("HF_HOME", "HF_LEROBOT_HOME", "HF_LEROBOT_CALIBRATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    robots = tmp_path / ".cache/huggingface/lerobot/calibration/robots"
    assert lerobot.default_path("my_arm") == robots / "so101_follower/my_arm.json"
    (robots / "so_follower").mkdir(parents=True)
    (robots / "so_follower/my_arm.json").touch()
    assert lerobot.default_path("my_arm") == robots / "so_follower/my_arm.json"
    monkeypatch.setenv("HF_LEROBOT_CALIBRATION", str(tmp_path / "elsewhere"))
    assert lerobot.default_path("my_arm") == tmp_path / "elsewhere/robots/so101_follower/my_arm.json"
