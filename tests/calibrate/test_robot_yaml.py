"""New numbers in a robot.yaml: only they change, and only after a look."""

import math

import pytest

from edgevla.calibrate.robot_yaml import propose
from edgevla.calibrate.zeroing import Zeroed
from edgevla.config.load import load_robot
from edgevla.config.problems import ConfigError
from edgevla.shipped import shipped

SHIPPED = shipped("so101-tabletop") / "robot.yaml"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "robot.yaml"
    path.write_text(SHIPPED.read_text())
    return path


def found(path, index, **changes):
    joint = load_robot(path).joints[index]
    values = {
        "joint": joint,
        "zero_counts": joint.zero_counts,
        "sign": joint.sign,
        "position_hard_rad": tuple(joint.position_hard),
        "position_soft_rad": tuple(joint.position_soft),
        "counts": (800, 3200),
    }
    return Zeroed(**{**values, **changes})


def test_only_the_numbers_change_and_the_comments_stay(path):
    narrower = (math.radians(-90.04), math.radians(100.0))
    proposal = propose(path, [found(path, 0, zero_counts=2100, sign=-1, position_soft_rad=narrower)])
    before, after = SHIPPED.read_text().splitlines(), proposal.new.splitlines()
    changed = [(old.strip(), new.strip()) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        ("zero_counts: 2048", "zero_counts: 2100"),
        ("sign: 1", "sign: -1"),
        ("position_soft: [-100 deg, 100 deg]", "position_soft: [-90 deg, 100 deg]"),
    ]
    assert "+    zero_counts: 2100" in proposal.diff
    assert path.read_text() == SHIPPED.read_text()


def test_written_it_loads_with_the_new_numbers_and_the_old_file_lies_beside_it(path):
    proposal = propose(path, [found(path, 3, zero_counts=1999)])
    with proposal.replacing():
        assert path.read_text() == SHIPPED.read_text()
    assert load_robot(path).joints[3].zero_counts == 1999
    assert proposal.backup.read_text() == SHIPPED.read_text()
    assert {each.name for each in path.parent.iterdir()} == {path.name, proposal.backup.name}


def test_nothing_new_is_no_proposal(path):
    proposal = propose(path, [found(path, index) for index in range(6)])
    assert proposal.diff == ""


def test_an_angle_is_rounded_towards_the_inside(path):
    hard = (math.radians(-96.46), math.radians(96.78))
    soft = (math.radians(-93.97), math.radians(93.99))
    new = propose(path, [found(path, 2, position_hard_rad=hard, position_soft_rad=soft)]).new
    assert "position_hard: [-96.4 deg, 96.8 deg]" in new  # 96.8 is within the resolution: it stays as written


def test_numbers_that_contradict_the_rest_of_the_file_are_refused_before_anything_is_written(path):
    with pytest.raises(ConfigError, match=r"robot\.yaml:\d+ \(calibrated\): .*position_hard"):
        propose(path, [found(path, 0, zero_counts=100)])
    assert path.read_text() == SHIPPED.read_text()


def test_what_goes_with_it_fails_and_the_file_stays(path):
    with pytest.raises(KeyboardInterrupt), propose(path, [found(path, 3, zero_counts=1999)]).replacing():
        raise KeyboardInterrupt
    assert path.read_text() == SHIPPED.read_text()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
