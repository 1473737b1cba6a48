"""The network that goes wrong on command, through the ordinary loading, engine and decoder."""

from pathlib import Path

import numpy as np
import pytest

from edgevla.config.load import load_robot
from edgevla.evaluate.faults.bundle import UnfitRobot, write_trouble_bundle
from edgevla.evaluate.faults.graph import PICTURE_PX, TROUBLES
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy

ROBOT_YAML = Path(__file__).parents[2] / "engines" / "so101-tabletop" / "robot.yaml"
ROBOT = load_robot(ROBOT_YAML)
PICTURE = np.full((PICTURE_PX, PICTURE_PX, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trouble")
    write_trouble_bundle(ROBOT, folder)
    return load_policy(folder, "fp32", ROBOT)


def act(policy, sentence, state_rad=None):
    state = np.array([joint.home for joint in ROBOT.joints] if state_rad is None else state_rad, dtype=float)
    return policy.act(Observation(0.0, {"front": PICTURE}, state, sentence), 1)


def test_in_order_it_goes_round_and_round_within_the_limits(policy):
    state = np.array([joint.home for joint in ROBOT.joints], dtype=float)
    seen = []
    for _ in range(60):  # a robot that follows, looking anew every 100 ms
        chunk = act(policy, "swing", state)
        assert chunk.valid
        state = np.array(chunk.actions_rad[1])
        seen.append(state)
    later = np.array(seen[20:])
    assert np.ptp(later[:, 0]) > np.radians(28.0)
    assert np.ptp(later[:, 5]) > np.radians(28.0)
    for joint, column in zip(ROBOT.joints, later.T, strict=True):
        assert joint.position_soft[0] <= column.min()
        assert column.max() <= joint.position_soft[1]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("nan", "NaN or infinite"),
        ("inf", "NaN or infinite"),
        ("far", "standard deviations"),
        ("shape", "policy.yaml says"),
        ("fail", "failed"),
    ],
)
def test_an_answer_that_is_none_makes_an_invalid_chunk(policy, trouble, reason):
    chunk = act(policy, f"swing {trouble}")
    assert not chunk.valid
    assert reason in chunk.reason


@pytest.mark.parametrize(
    ("trouble", "least_deg", "most_deg"), [("beyond", 220, 230), ("away", 44, 46), ("jumps", 44, 46), ("still", 0, 1)]
)
def test_an_answer_that_could_be_true_is_believed_here_and_left_to_the_bounds(policy, trouble, least_deg, most_deg):
    chunk = act(policy, f"swing {trouble}")
    assert chunk.valid
    assert least_deg <= np.degrees(max(abs(row[0]) for row in chunk.actions_rad)) <= most_deg


def test_noise_is_another_answer_for_every_state(policy):
    home = np.array([joint.home for joint in ROBOT.joints], dtype=float)
    first, second = (np.array(act(policy, "swing noise", home + shift).actions_rad) for shift in (0.0, 1e-4))
    assert np.abs(first - second).max() > np.radians(20.0)


def test_a_slow_network_takes_its_time_and_answers_as_ever(policy):
    late, slow = act(policy, "swing late"), act(policy, "swing slow")
    assert late.valid
    assert np.allclose(late.actions_rad, act(policy, "swing").actions_rad)
    assert 15.0 < late.stages.engine_ms < slow.stages.engine_ms


def test_every_trouble_is_a_word_it_can_read(policy):
    for trouble in TROUBLES:
        policy.check_instruction(f"swing {trouble}")


def test_a_joint_without_room_to_swing_is_named(tmp_path):
    robot = load_robot(ROBOT_YAML, {"joints.wrist_roll.position_soft": "[-12 deg, 12 deg]"})
    with pytest.raises(UnfitRobot, match=r"wrist_roll: position_soft \[-12, 12\] deg leaves no room"):
        write_trouble_bundle(robot, tmp_path)
