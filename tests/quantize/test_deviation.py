from __future__ import annotations

import numpy as np
import pytest

from edgevla.config.quantisation import Quantisation
from edgevla.quantize.deviation import Deviation, JointError, Spread, compare

STATE = np.zeros((2, 2))


def chunks(pan, gripper):
    """(2 observations, 2 rows, 2 joints)."""
    return np.stack([np.reshape(pan, (2, 2)), np.reshape(gripper, (2, 2))], axis=-1).astype(float)


def test_errors_are_per_joint_over_all_rows():
    reference = chunks([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0])
    found = chunks([1.0, 1.1, 0.7, 1.0], [0.0, 0.0, 0.0, 0.02])
    pan, gripper = compare(("pan", "gripper"), reference, found, STATE).joints
    assert (pan.name, pan.unit) == ("pan", "rad")
    assert pan.mean == pytest.approx(0.1)
    assert pan.worst == pytest.approx(0.3)
    assert 0.29 < pan.p99 <= 0.3
    assert (gripper.mean, gripper.worst) == pytest.approx((0.005, 0.02))


def test_the_cosine_is_between_motions_not_positions():
    state = np.full((2, 2), 5.0)
    reference = state[:, np.newaxis] + chunks([1.0, 1.0, 1.0, 1.0], [0.0] * 4)
    found = state[:, np.newaxis] + np.array([chunks([1.0] * 4, [0.0] * 4)[0], -chunks([1.0] * 4, [0.0] * 4)[1]])
    cosine = compare(("pan", "gripper"), reference, found, state).cosine
    assert (cosine.mean, cosine.median, cosine.min) == pytest.approx((0.0, 0.0, -1.0))


def test_a_gripper_on_the_other_side_of_its_middle_is_a_flip():
    reference = chunks([0.0] * 4, [0.0, 1.0, 1.0, 1.0])
    found = chunks([0.0] * 4, [0.0, 1.0, 0.4, 0.6])
    assert compare(("pan", "gripper"), reference, found, STATE).gripper_flips == 0.25


def test_a_gripper_that_stays_where_it_is_cannot_flip():
    reference = chunks([0.0] * 4, [0.0, 0.01, 0.0, 0.01])
    found = chunks([0.0] * 4, [0.01, 0.0, 0.01, 0.0])
    assert compare(("pan", "gripper"), reference, found, STATE).gripper_flips == 0.0


def deviation(mean=0.0, p99=0.0, worst=0.0, flips=0.0):
    joints = (
        JointError(name="good", unit="rad", mean=0.0, p99=0.0, worst=0.0),
        JointError(name="bad", unit="rad", mean=mean, p99=p99, worst=worst),
    )
    return Deviation(observations=1, joints=joints, cosine=Spread(mean=1, median=1, min=1), gripper_flips=flips)


@pytest.mark.parametrize(
    ("found", "share"),
    [
        (deviation(mean=0.005), 0.5),
        (deviation(p99=0.06), 2.0),
        (deviation(worst=0.05), 1.0),
        (deviation(mean=0.005, p99=0.03, worst=0.2), 4.0),
    ],
)
def test_the_share_of_the_budget_is_that_of_its_tightest_number_on_the_worst_joint(found, share):
    budget = Quantisation(mean_rad=0.01, p99_rad=0.03, worst_rad=0.05)
    assert found.share_of(budget) == pytest.approx(share)


def test_flips_count_against_what_is_allowed():
    assert deviation(flips=0.001).share_of(Quantisation(gripper_flips=0.0)) > 1.0
    assert deviation(flips=0.001).share_of(Quantisation(gripper_flips=0.002)) == pytest.approx(0.5)
    assert deviation().share_of(Quantisation()) == 0.0
