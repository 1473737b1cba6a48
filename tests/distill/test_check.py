"""The check drives a bundle in closed loop, through the runtime's own policy code."""

import numpy as np
import pytest

from edgevla.distill.check import _successes
from edgevla.distill.runner import Student, StudentFailed
from edgevla.shipped import shipped

BUNDLE = shipped("so101-tabletop")
HOME_RAD = np.radians([0.0, -60.0, 50.0, 75.0, 0.0, 0.0])


@pytest.mark.parametrize("instruction", ["touch the green block", "push the blue block left"])
def test_the_shipped_student_wins_worlds_it_has_not_seen(instruction):
    assert _successes(BUNDLE, BUNDLE / "robot.yaml", instruction, episodes=3, seed=1) == 3


def test_a_student_plans_setpoints_near_the_arm():
    plan = Student(BUNDLE).plan(np.full((288, 288, 3), 128, np.uint8), HOME_RAD, "touch the red block")
    assert plan.shape == (12, 6)
    assert np.abs(plan[0] - HOME_RAD).max() < 0.2


def test_a_chunk_the_policy_calls_invalid_ends_the_episode_with_its_reason():
    with pytest.raises(StudentFailed, match="dance"):
        Student(BUNDLE).plan(np.zeros((288, 288, 3), np.uint8), HOME_RAD, "dance")
