"""An observation is of one moment: the oldest picture's, with the joints where they were then."""

import math

import numpy as np
import pytest

from edgevla.cameras.source import CameraLost, Frame
from edgevla.config.load import load_robot
from edgevla.config.robot import Camera
from edgevla.config.units import RateHz, TimeS
from edgevla.messages import JointState
from edgevla.runtime.homing import HOME_INSTRUCTION, homing_chunk, rest_pose_rad
from edgevla.runtime.observing import StateHistory, observe
from tests.runtime.conftest import ROBOT_YAML

PICTURE = np.zeros((4, 4, 3), np.uint8)


class Source:
    """A camera that stands still at one frame."""

    def __init__(self, t_s, fault=None, identical=0):
        self._frame = None if t_s is None else Frame(t_s, PICTURE, 1)
        self.fault = fault
        self.identical_frames = identical

    def latest(self):
        return self._frame


WRIST = Camera(
    name="wrist", kind="opencv", source="/dev/video2", width=4, height=4, rate=RateHz(30.0), max_age=TimeS(0.2)
)
MAX_AGE_S = {"front": 0.2, "wrist": 0.2}


@pytest.fixture
def states():
    history = StateHistory()
    for t_s in (9.96, 9.98, 10.0):
        history.add(JointState(t_s=t_s, position_rad=(t_s - 9.0, 0.0), velocity_rad_s=(1.0, 0.0)))
    return history


def seen(states, front_s=9.99, wrist_s=9.97, now_s=10.0, fault=None):
    return observe({"front": Source(front_s), "wrist": Source(wrist_s, fault)}, MAX_AGE_S, states, "go", now_s)


def test_its_time_is_the_oldest_picture_s_and_its_state_is_of_that_time(states):
    observation = seen(states)
    assert observation.t_obs_s == 9.97
    assert observation.state_rad == pytest.approx([0.97, 0.0])


def test_a_missing_or_old_picture_is_named_with_the_camera_s_own_reason_if_it_has_one(states):
    assert "camera wrist: no frame yet" in seen(states, wrist_s=None)
    assert "camera wrist: the newest frame is 250 ms old" in seen(states, wrist_s=9.75)
    assert seen(states, wrist_s=9.75, fault=CameraLost(WRIST, "unplugged")) == ("camera wrist (/dev/video2): unplugged")


@pytest.mark.parametrize(("identical", "moves_rad", "frozen"), [(10, 0.2, True), (9, 0.2, False), (60, 0.05, False)])
def test_a_picture_that_stands_still_while_the_arm_moves_is_no_picture(identical, moves_rad, frozen):
    history = StateHistory()
    for tick in range(50):
        history.add(JointState(t_s=9.02 + 0.02 * tick, position_rad=(0.0, moves_rad * tick / 15), velocity_rad_s=()))
    observation = observe({"front": Source(9.99, identical=identical)}, MAX_AGE_S, history, "go", 10.0)
    assert isinstance(observation, str) == frozen
    if frozen:
        assert observation == "camera front: the arm moves, and its picture has not changed for 10 frames"


def test_an_arm_that_has_come_to_rest_may_see_the_same_picture(states):
    history = StateHistory()
    for tick in range(50):
        history.add(JointState(t_s=9.02 + 0.02 * tick, position_rad=(min(tick, 30) * 0.02,), velocity_rad_s=()))
    assert not isinstance(observe({"front": Source(9.99, identical=12)}, MAX_AGE_S, history, "go", 10.0), str)


def test_servos_gone_quiet_leave_no_state(states):
    assert "no joint state" in seen(states, 10.3, 10.3, now_s=10.3)
    assert "no joint state" in seen(StateHistory())


def test_homing_moves_all_joints_straight_and_arrives_together():
    chunk = homing_chunk(3, 10.0, np.array([0.0, 1.0]), (math.radians(30.0), 1.0 - math.radians(60.0)))
    rows = np.array(chunk.actions_rad)
    assert rows[0] == pytest.approx([0.0, 1.0])
    assert rows[5] == pytest.approx([math.radians(15.0), 1.0 - math.radians(30.0)])
    assert rows[-1] == pytest.approx([math.radians(30.0), 1.0 - math.radians(60.0)])
    assert chunk.instruction == HOME_INSTRUCTION


def test_a_gripper_keeps_what_it_has_while_the_arm_goes_home():
    joints = load_robot(ROBOT_YAML).joints
    home_rad = rest_pose_rad(joints)
    assert [joint.name for joint, home in zip(joints, home_rad, strict=True) if home is None] == ["gripper"]
    at_rad = np.array([float(joint.home) for joint in joints]) + 0.3
    rows = np.array(homing_chunk(1, 0.0, at_rad, home_rad).actions_rad)
    assert (rows[:, 5] == at_rad[5]).all()
    assert rows[-1, :5] == pytest.approx(at_rad[:5] - 0.3)


def test_homing_at_home_stands_still():
    chunk = homing_chunk(1, 0.0, np.array([0.2]), (0.2,))
    assert np.array(chunk.actions_rad) == pytest.approx(np.full((12, 1), 0.2))
