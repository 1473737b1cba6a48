"""Relative actions become absolute ones: joints, end-effector poses in each frame, and rotations in each notation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgevla.bundle import Action, Normalisation
from edgevla.config.policy_families import EndEffector
from edgevla.policy.delta import Poses, calvin_tool_to_world, is_delta, poses_from, to_absolute, to_delta
from edgevla.policy.rotation import about, from_euler_xyz, from_rpy, from_vector, to_euler_xyz, to_rpy

CALVIN = Path(__file__).parents[1] / "golden" / "calvin" / "calvin.npz"
angles = st.floats(-math.pi, math.pi)
triples = hnp.arrays(np.float64, 3, elements=angles)
X, Y, Z = np.eye(3)


@pytest.fixture(scope="module")
def calvin():
    with np.load(CALVIN) as file:
        return {name: file[name].astype(np.float64) for name in file.files}


def action(kind="delta", absolute=()):
    units = Normalisation(kind="mean_std", mean=(0.0,) * 3, std=(1.0,) * 3)
    return Action(
        output="a",
        names=("pan", "lift", "gripper"),
        unit="rad",
        kind=kind,
        rate_hz=10,
        horizon=2,
        normalisation=units,
        absolute=absolute,
    )


def config(**changes):
    return EndEffector(**{"joints": ("pan",), "site": "tip", "rotation": "rpy"} | changes)


def test_a_delta_policy_may_leave_its_gripper_absolute():
    assert is_delta(action()).tolist() == [True, True, True]
    assert is_delta(action(absolute=("gripper",))).tolist() == [True, True, False]
    assert is_delta(action("absolute")).tolist() == [False, False, False]


def test_every_row_is_relative_to_the_observed_state_not_to_the_row_before():
    relative = np.array([True, True, False])
    found = to_absolute(np.array([[0.1, 0.2, 0.3], [0.2, 0.4, 0.6]]), np.array([1.0, 2.0, 3.0]), relative)
    np.testing.assert_allclose(found, [[1.1, 2.2, 0.3], [1.2, 2.4, 0.6]])


def test_of_chained_rows_each_is_relative_to_the_row_before_but_for_what_is_absolute():
    relative = np.array([True, True, False])
    rows = np.array([[0.1, 0.2, 0.3], [0.2, 0.4, 0.6], [-0.3, 0.0, 0.1]])
    found = to_absolute(rows, np.array([1.0, 2.0, 3.0]), relative, chained=True)
    np.testing.assert_allclose(found, [[1.1, 2.2, 0.3], [1.3, 2.6, 0.6], [1.0, 2.6, 0.1]])


@given(hnp.arrays(np.float64, (4, 3), elements=st.floats(-9, 9)), hnp.arrays(np.float64, 3, elements=st.floats(-9, 9)))
def test_a_delta_can_be_had_back(rows, state):
    relative = np.array([True, False, True])
    np.testing.assert_allclose(to_delta(to_absolute(rows, state, relative), state, relative), rows, atol=1e-14)


@pytest.mark.parametrize(("axis", "start", "end"), [(0, Y, Z), (1, Z, X), (2, X, Y)])
def test_a_quarter_turn_about_an_axis_is_right_handed(axis, start, end):
    np.testing.assert_allclose(about(axis, np.array(math.pi / 2)) @ start, end, atol=1e-15)
    np.testing.assert_allclose(from_vector(np.eye(3)[axis] * math.pi / 2) @ start, end, atol=1e-15)


def test_roll_pitch_yaw_turn_about_the_fixed_axes_roll_first():
    np.testing.assert_allclose(from_rpy(np.array([math.pi / 2, 0.0, math.pi / 2])) @ Y, Z, atol=1e-15)
    np.testing.assert_allclose(from_euler_xyz(np.array([math.pi / 2, 0.0, math.pi / 2])) @ X, Z, atol=1e-15)


@given(triples)
def test_angles_read_from_a_rotation_make_that_rotation_again_locked_or_not(three):
    for locked in (three, np.array([three[0], math.pi / 2, three[2]]), np.array([three[0], -math.pi / 2, three[2]])):
        for make, read in ((from_rpy, to_rpy), (from_euler_xyz, to_euler_xyz)):
            matrix = make(locked)
            again = read(matrix)
            assert np.isfinite(again).all()
            np.testing.assert_allclose(make(again), matrix, atol=5e-7)


@given(triples)
def test_a_locked_rotation_is_read_the_same_when_it_was_computed_in_parts(three):
    for sign in (1.0, -1.0):
        eighth = about(1, np.array(sign * math.pi / 4))
        matrix = about(2, three[0]) @ eighth @ eighth @ about(0, three[1])
        np.testing.assert_allclose(from_rpy(to_rpy(matrix)), matrix, atol=5e-7)


@given(triples)
def test_a_rotation_vector_makes_a_rotation_that_leaves_its_axis_alone(vector):
    matrix = from_vector(vector)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix @ vector, vector, atol=1e-12)
    assert np.trace(matrix) == pytest.approx(1.0 + 2.0 * math.cos(np.linalg.norm(vector)), abs=1e-9)


@pytest.mark.parametrize("tiny", [0.0, 1e-300, 1e-12])
def test_no_rotation_is_no_rotation(tiny):
    np.testing.assert_allclose(from_vector(np.array([tiny, 0.0, 0.0])), np.eye(3), atol=1e-11)


TURNED = Poses(np.array([0.2, 0.0, 0.1]), from_rpy(np.array([0.0, 0.0, math.pi / 2])))
FORWARD_AND_ROLL = np.array([[0.01, 0.0, 0.0, math.pi / 2, 0.0, 0.0]])


def test_a_delta_in_the_base_frame_moves_along_the_bases_axes():
    pose = poses_from(FORWARD_AND_ROLL, config(frame="base"), TURNED)
    np.testing.assert_allclose(pose.position_m, [[0.21, 0.0, 0.1]])
    np.testing.assert_allclose(pose.rotation[0] @ X, Z, atol=1e-15)  # the tool's x was along y, and rolls about x


def test_a_delta_in_the_tools_frame_moves_along_the_tools_axes():
    pose = poses_from(FORWARD_AND_ROLL, config(frame="tool"), TURNED)
    np.testing.assert_allclose(pose.position_m, [[0.2, 0.01, 0.1]])
    np.testing.assert_allclose(pose.rotation[0] @ X, Y, atol=1e-15)


def test_an_absolute_pose_is_what_it_says_in_the_policys_units():
    row = np.array([[10.0, 20.0, 30.0, 90.0, 0.0, 0.0]])
    pose = poses_from(row, config(position_scale=0.01, rotation_scale=math.pi / 180), None)
    np.testing.assert_allclose(pose.position_m, [[0.1, 0.2, 0.3]])
    np.testing.assert_allclose(pose.rotation, [from_rpy(np.array([math.pi / 2, 0, 0]))], atol=1e-15)


def test_rows_are_relative_to_the_observed_pose_or_where_that_is_meant_each_to_the_one_before():
    rows = np.array([[0.01, 0.0, 0.0, 0.0, 0.0, 0.1]] * 3)
    alike = poses_from(rows, config(), TURNED)
    np.testing.assert_allclose(alike.position_m[:, 0], [0.21, 0.21, 0.21])
    chained = poses_from(rows, config(), TURNED, chained=True)
    np.testing.assert_allclose(chained.position_m[:, 0], [0.21, 0.22, 0.23])
    np.testing.assert_allclose(to_rpy(chained.rotation)[:, 2], math.pi / 2 + np.array([0.1, 0.2, 0.3]))


def test_the_tools_frame_is_robovlms_composition_of_poses(calvin):
    tool = config(frame="tool")
    for pose, row, position_m, rpy_rad in zip(
        calvin["pose"], calvin["pose_delta"], calvin["next_position_m"], calvin["next_rpy_rad"], strict=True
    ):
        found = poses_from(row[np.newaxis], tool, Poses(pose[:3], from_rpy(pose[3:])))
        np.testing.assert_allclose(found.position_m[0], position_m, atol=1e-12)
        np.testing.assert_allclose(to_rpy(found.rotation[0]), rpy_rad, atol=1e-9)


def test_calvins_tool_frame_becomes_the_worlds_as_robovlms_has_it(calvin):
    found = calvin_tool_to_world(calvin["actions"], calvin["robot_obs"][:, 3:6])
    np.testing.assert_allclose(found[:, :3], calvin["world"][:, :3], atol=2e-6)
    # Upstream takes differences of float32 angles near pi and multiplies them by 100: half a unit of 2.4e-7 each.
    np.testing.assert_allclose(found[:, 3:6], calvin["world"][:, 3:6], atol=2e-4)
    np.testing.assert_array_equal(found[:, 6], calvin["world"][:, 6])


def test_what_robovlms_made_for_training_is_undone(calvin):
    found = calvin_tool_to_world(calvin["local"], calvin["robot_obs"][:, 3:6])
    np.testing.assert_allclose(found, calvin["actions"], atol=2e-4)


def test_calvins_numbers_are_a_fiftieth_of_a_metre_and_a_twentieth_of_a_radian_added_to_its_angles(calvin):
    units = config(frame="calvin", position_scale=1 / 50, rotation_scale=1 / 20)
    for action_, local, pose in zip(calvin["actions"], calvin["local"], calvin["robot_obs"], strict=True):
        found = poses_from(local[np.newaxis, :6], units, Poses(pose[:3], from_rpy(pose[3:])))
        np.testing.assert_allclose(found.position_m[0], pose[:3] + action_[:3] / 50, atol=1e-6)
        np.testing.assert_allclose(found.rotation[0], from_rpy(pose[3:] + action_[3:6] / 20), atol=2e-5)
