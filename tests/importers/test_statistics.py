"""Upstream's statistics in rad: what a network's number means stays what it meant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.importers.answers import JointScale, joint_scale
from edgevla.importers.errors import ImportRefused
from edgevla.importers.statistics import Scaling, of_action, of_state
from edgevla.policy.normalise import Normalise, Unnormalise

NUMBERS = st.floats(-200, 200, width=32)
SPREADS = st.floats(0.125, 100, width=32)
UNITS = ["deg", "rad", "0..100:-10 deg..95 deg", "-100..100:-1.5 rad..1.75 rad"]


def numbers_of(scaling, value):
    """LeRobot's formula for one normalised number, in float64."""
    if scaling.kind == "mean_std":
        return value * scaling.high + scaling.low
    return (value + 1) / 2 * (scaling.high - scaling.low) + scaling.low


@given(low=NUMBERS, spread=SPREADS, n=st.floats(-3, 3), unit=st.sampled_from(UNITS), kind=st.sampled_from("mq"))
def test_a_normalised_number_means_the_same_angle(low, spread, n, unit, kind):
    high = spread if kind == "m" else low + spread
    scaling = Scaling("mean_std" if kind == "m" else "quantiles", np.array([low]), np.array([high]))
    joint = joint_scale("arm", unit)
    expected_rad = joint.scale_rad * numbers_of(scaling, n)[0] + joint.offset_rad
    decoded = Unnormalise(of_action(scaling, [joint], []))(np.array([n], np.float32))
    assert decoded[0] == pytest.approx(expected_rad, abs=2e-5 * (1 + abs(expected_rad)))
    assert Normalise(of_state(scaling, [joint]))(np.array([expected_rad]))[0] == pytest.approx(n, abs=1e-6)


def test_a_unit_is_an_angle_or_a_line_through_two():
    assert joint_scale("a", "deg") == JointScale("a", np.pi / 180)
    assert joint_scale("a", "rad") == JointScale("a", 1.0)
    elbow = joint_scale("elbow", "-100..50:-10 deg..95 deg")
    ends_deg = [np.rad2deg(elbow.scale_rad * number + elbow.offset_rad) for number in (-100, 50)]
    assert ends_deg == pytest.approx([-10, 95])


@pytest.mark.parametrize(
    "unit", ["", "m", "degrees", "0..100", "0..100:1..2", "0..0:0 deg..1 deg", "0..100:9 deg..1 deg", "0:1 deg"]
)
def test_another_unit_is_refused_with_an_example(unit):
    with pytest.raises(ImportRefused, match=r"joint elbow: .* - write NAME=deg"):
        joint_scale("elbow", unit)


def test_a_relative_action_has_no_offset():
    gripper = joint_scale("gripper", "0..100:-10 deg..95 deg")
    scaling = Scaling("mean_std", np.array([0.0, 0.0]), np.array([1.0, 1.0]))
    action = of_action(scaling, [gripper, gripper], [True, False])
    np.testing.assert_allclose(np.rad2deg(action.mean), [0.0, -10.0])


def test_a_joint_that_stood_still_is_refused_in_the_state_and_kept_in_the_actions():
    scaling = Scaling("mean_std", np.array([5.0]), np.array([0.0]))
    joint = [joint_scale("wrist", "deg")]
    with pytest.raises(ImportRefused, match="the state of wrist never changed"):
        of_state(scaling, joint)
    assert Unnormalise(of_action(scaling, joint, []))(np.array([1.0], np.float32)) == pytest.approx(np.deg2rad(5.0))


def test_bounds_that_touch_stay_a_range():
    scaling = Scaling("min_max", np.array([90.0]), np.array([90.0 + 1e-8]))
    action = of_action(scaling, [joint_scale("wrist", "deg")], [])
    assert action.max[0] > action.min[0] == np.deg2rad(90.0)


def test_what_is_not_normalised_passes_in_rad_and_is_refused_in_degrees():
    scaling = Scaling("none", np.zeros(1), np.ones(1))
    passed = of_action(scaling, [joint_scale("wrist", "rad")], [])
    assert passed.mask == (False,)
    with pytest.raises(ImportRefused, match="does not normalise its action, which is not in rad"):
        of_action(scaling, [joint_scale("wrist", "deg")], [])


def test_as_many_joints_as_numbers():
    scaling = Scaling("mean_std", np.zeros(3), np.ones(3))
    with pytest.raises(ImportRefused, match="state has 3 numbers, and 2 joints are named: pan, lift"):
        of_state(scaling, [joint_scale("pan", "deg"), joint_scale("lift", "deg")])
