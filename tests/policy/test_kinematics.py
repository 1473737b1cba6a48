"""Poses of the tool to joints: exact inside the workspace, slow near singularities, refused where it cannot follow."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import edgevla
from edgevla.bundle import Action, Normalisation
from edgevla.config.load import load_robot
from edgevla.config.policy_families import EndEffector as Config
from edgevla.policy.decode.base import Decoded, Invalid
from edgevla.policy.delta import Poses
from edgevla.policy.end_effector import EndEffector
from edgevla.policy.kinematics import TOLERANCE_M, TOLERANCE_RAD, Arm, KinematicsError
from edgevla.policy.rotation import from_vector, to_rpy
from edgevla.shipped import shipped

MODEL = Path(edgevla.__file__).parent / "sim" / "assets" / "so101_tabletop.xml"
ROBOT = load_robot(shipped("so101-tabletop") / "robot.yaml")
NAMES = ROBOT.joint_names
SOFT_RAD = np.array([joint.position_soft for joint in ROBOT.joints])
TRACKING_RAD = np.array([joint.tracking for joint in ROBOT.joints])
HOME_RAD = np.array([float(joint.home) for joint in ROBOT.joints])
ARM = Arm(MODEL, "tip", ROBOT.joints)
RATE_HZ = 10.0

inside = hnp.arrays(np.float64, 6, elements=st.floats(0.0, 1.0)).map(
    lambda share: SOFT_RAD[:, 0] + share * (SOFT_RAD[:, 1] - SOFT_RAD[:, 0])
)
nudges = hnp.arrays(np.float64, 6, elements=st.floats(-0.15, 0.15))


def path(*positions_rad):
    poses = [ARM.pose(np.asarray(position_rad)) for position_rad in positions_rad]
    return Poses(np.stack([pose.position_m for pose in poses]), np.stack([pose.rotation for pose in poses]))


def missing(position_rad, goal):
    """How far the tool is from a pose: m and rad."""
    pose = ARM.pose(position_rad)
    turn = (np.trace(pose.rotation.T @ goal.rotation) - 1.0) / 2.0
    return np.linalg.norm(pose.position_m - goal.position_m), math.acos(min(1.0, max(-1.0, turn)))


def test_it_knows_which_joints_move_the_tool():
    assert ARM.moves.tolist() == [True] * 5 + [False]


def test_the_pose_is_mujocos():
    import mujoco

    model = mujoco.MjModel.from_xml_path(str(MODEL))
    data = mujoco.MjData(model)
    data.qpos[:6] = HOME_RAD
    mujoco.mj_forward(model, data)
    pose = ARM.pose(HOME_RAD)
    np.testing.assert_allclose(pose.position_m, data.site("tip").xpos, atol=1e-12)
    np.testing.assert_allclose(pose.rotation, data.site("tip").xmat.reshape(3, 3), atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(inside, nudges)
def test_a_pose_of_the_arm_near_by_is_reached_or_refused_and_never_beyond_soft_limits(start_rad, nudge_rad):
    goal_rad = np.clip(start_rad + nudge_rad, *SOFT_RAD.T)
    goal = ARM.pose(goal_rad)
    try:
        found = ARM.follow(path(goal_rad), start_rad, RATE_HZ)[0]
    except Invalid:
        return  # from another solution of nearly the same pose; how rarely is the next test's
    shift_m, turn_rad = missing(found, goal)
    assert shift_m <= TOLERANCE_M
    assert turn_rad <= TOLERANCE_RAD
    assert (np.abs(found - start_rad) <= TRACKING_RAD + 1e-12).all()
    assert (SOFT_RAD[:, 0] - 1e-12 <= found).all()
    assert (found <= SOFT_RAD[:, 1] + 1e-12).all()
    assert found[5] == start_rad[5]


def test_nearly_every_pose_inside_the_workspace_is_reached_to_a_micrometre():
    draw = np.random.default_rng(4)
    shifts_m = []
    for _ in range(200):
        start_rad = draw.uniform(*SOFT_RAD.T)
        goal_rad = np.clip(start_rad + draw.uniform(-0.15, 0.15, 6), *SOFT_RAD.T)
        found = ARM.follow(path(goal_rad), start_rad, RATE_HZ)[0]
        shifts_m.append(missing(found, ARM.pose(goal_rad))[0])
    assert np.percentile(shifts_m, 90) < 1e-6
    assert max(shifts_m) < 1e-3


def test_a_path_is_followed_in_the_joints_that_made_it():
    rows_rad = HOME_RAD + np.outer(np.arange(12), [0.03, 0.02, -0.02, 0.01, 0.04, 0.0])
    np.testing.assert_allclose(ARM.follow(path(*rows_rad), HOME_RAD, RATE_HZ), rows_rad, atol=1e-6)


STRETCHED_RAD = np.array([0.0, 0.2, -0.9, 0.0, 0.0, 0.0])


def reach_outwards(step_m, rows):
    """Straight out from a nearly stretched arm: towards the singularity of its full reach, and beyond."""
    start = ARM.pose(STRETCHED_RAD)
    out = start.position_m - np.array([0.0388353, 0.0, 0.1])
    out /= np.linalg.norm(out)
    steps = np.arange(1, rows + 1)[:, np.newaxis]
    return Poses(start.position_m + steps * step_m * out, np.tile(start.rotation, (rows, 1, 1)))


def test_beyond_its_reach_the_arm_is_refused_with_the_row_and_by_how_much():
    with pytest.raises(Invalid, match=r"row \d+: the tool stays \d+\.\d mm and \d\.\d\d rad short of its pose, 5 mm"):
        ARM.follow(reach_outwards(0.01, 40), STRETCHED_RAD, RATE_HZ)


def test_near_a_singularity_the_joints_slow_down_until_the_path_is_refused():
    outwards = reach_outwards(0.0005, 200)
    found = np.empty((0, 6))
    for end in range(1, 200):
        try:
            found = ARM.follow(Poses(outwards.position_m[:end], outwards.rotation[:end]), STRETCHED_RAD, RATE_HZ)
        except Invalid:
            break
    assert 10 < len(found) < 199
    steps_rad = np.abs(np.diff(np.vstack([STRETCHED_RAD, found]), axis=0)).max(axis=1)
    assert steps_rad.max() < 0.1  # an undamped arm swings through its full reach with rad a row
    assert (steps_rad[-5:] < 0.05 * steps_rad.max()).all()


@pytest.mark.parametrize("start_rad", [np.zeros(6), HOME_RAD, STRETCHED_RAD, SOFT_RAD[:, 0], SOFT_RAD[:, 1]])
@pytest.mark.parametrize("axis", np.eye(3).tolist())
@pytest.mark.parametrize("turn_rad", [0.0, math.pi, -math.pi, math.pi - 1e-9])
def test_half_a_turn_and_zero_angles_are_numbers_or_refused(start_rad, axis, turn_rad):
    here = ARM.pose(start_rad)
    goal = Poses(here.position_m[np.newaxis], (from_vector(np.array(axis) * turn_rad) @ here.rotation)[np.newaxis])
    try:
        assert np.isfinite(ARM.follow(goal, start_rad, RATE_HZ)).all()
    except Invalid as refused:
        assert "nan" not in str(refused)
        assert turn_rad != 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_pose_that_is_no_number_is_refused(bad):
    goal = path(HOME_RAD)
    goal.position_m[0, 1] = bad
    with pytest.raises(Invalid, match="row 0: its pose is not finite"):
        ARM.follow(goal, HOME_RAD, RATE_HZ)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_pose_beyond_all_numbers_is_refused():
    goal = path(HOME_RAD)
    goal.position_m[0] = 1e308
    with pytest.raises(Invalid, match="row 0: "):
        ARM.follow(goal, HOME_RAD, RATE_HZ)


def test_where_the_linear_algebra_gives_up_the_chunk_is_invalid(monkeypatch):
    def gives_up(*_args, **_named):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr("numpy.linalg.svd", gives_up)
    rows = np.full((3, 7), 0.01)
    decoded = EndEffector(manifest(), ARM)(Decoded(rows, True), HOME_RAD)
    assert (decoded.valid, decoded.actions_rad.size) == (False, 0)
    assert decoded.reason == "row 0: no joints were found for its pose: SVD did not converge"


def test_where_a_joint_is_at_its_limit_the_refusal_says_so():
    start_rad = HOME_RAD.copy()
    start_rad[0] = SOFT_RAD[0, 1]
    goal_rad = start_rad.copy()
    goal_rad[0] += 0.3
    with pytest.raises(Invalid, match="shoulder_pan at its limit"):
        ARM.follow(path(goal_rad), start_rad, RATE_HZ)


def test_a_jump_is_refused_not_made():
    goal_rad = HOME_RAD.copy()
    goal_rad[0] += TRACKING_RAD[0] + 0.1
    with pytest.raises(Invalid, match="shoulder_pan as fast as it can"):
        ARM.follow(path(goal_rad), HOME_RAD, RATE_HZ)


def test_from_row_to_row_joints_travel_twice_their_velocity_at_most():
    row_rad = 2.0 * ROBOT.joints[0].velocity / RATE_HZ
    for share, refused in ((0.99, False), (1.1, True)):
        jump_rad = HOME_RAD.copy()
        jump_rad[0] += share * row_rad
        if refused:
            with pytest.raises(Invalid, match=r"row 1: .*shoulder_pan as fast as it can"):
                ARM.follow(path(HOME_RAD, jump_rad), HOME_RAD, RATE_HZ)
        else:
            np.testing.assert_allclose(ARM.follow(path(HOME_RAD, jump_rad), HOME_RAD, RATE_HZ)[1], jump_rad, atol=1e-5)


@pytest.mark.parametrize(("end", "outwards"), [(0, -1.0), (1, 1.0)])
def test_an_arm_beyond_a_soft_limit_may_stay_or_come_back(end, outwards):
    start_rad = HOME_RAD.copy()
    start_rad[0] = SOFT_RAD[0, end] + outwards * 0.08
    back_rad = start_rad.copy()
    back_rad[0] -= outwards * 0.05
    np.testing.assert_allclose(
        ARM.follow(path(start_rad, back_rad), start_rad, RATE_HZ), [start_rad, back_rad], atol=1e-6
    )


@pytest.mark.parametrize(
    ("model", "site", "word"),
    [
        (MODEL, "palm", 'no site "palm"'),
        (MODEL.with_name("none.xml"), "tip", "none.xml"),
    ],
)
def test_a_model_that_does_not_fit_is_named(model, site, word):
    with pytest.raises(KinematicsError, match=word):
        Arm(model, site, ROBOT.joints)


POSE = ("x", "y", "z", "roll", "pitch", "yaw")


def manifest(kind="delta", absolute=("gripper",), names=(*POSE, "gripper"), chained=False):
    units = Normalisation(kind="mean_std", mean=(0.0,) * len(names), std=(1.0,) * len(names))
    action = Action(
        output="a",
        names=names,
        unit="rad",
        kind=kind,
        chained=chained,
        rate_hz=RATE_HZ,
        horizon=3,
        normalisation=units,
        absolute=absolute,
        space="end_effector",
    )
    return SimpleNamespace(action=action, end_effector=Config(joints=NAMES, site="tip", rotation="rpy"))


def test_rows_of_a_decoder_become_joints_and_the_gripper_is_passed_on():
    rows = np.zeros((3, 7))
    rows[:, 2] = [0.004, 0.008, 0.012]
    rows[:, 6] = [0.1, 0.2, 0.3]
    decoded = EndEffector(manifest(), ARM)(Decoded(rows, True), HOME_RAD)
    assert decoded.valid
    start_m = ARM.pose(HOME_RAD).position_m
    for row, rise_m in zip(decoded.actions_rad, rows[:, 2], strict=True):
        np.testing.assert_allclose(ARM.pose(row).position_m, start_m + [0.0, 0.0, rise_m], atol=1e-6)
    np.testing.assert_allclose(decoded.actions_rad[:, 5], [0.1, 0.2, 0.3])


def test_a_relative_gripper_is_added_to_where_it_is():
    state_rad = HOME_RAD.copy()
    state_rad[5] = 0.5
    rows = np.zeros((3, 7))
    rows[:, 6] = 0.1
    decoded = EndEffector(manifest(absolute=()), ARM)(Decoded(rows, True), state_rad)
    np.testing.assert_allclose(decoded.actions_rad[:, 5], 0.6)


def test_chained_rows_lead_on_from_the_row_before():
    rows = np.zeros((3, 7))
    rows[:, 2], rows[:, 6] = 0.004, 0.1
    decoded = EndEffector(manifest(absolute=(), chained=True), ARM)(Decoded(rows, True), HOME_RAD)
    rise_m = [ARM.pose(row).position_m[2] - ARM.pose(HOME_RAD).position_m[2] for row in decoded.actions_rad]
    np.testing.assert_allclose(rise_m, [0.004, 0.008, 0.012], atol=1e-6)
    np.testing.assert_allclose(decoded.actions_rad[:, 5], HOME_RAD[5] + [0.1, 0.2, 0.3])


def test_an_absolute_pose_stays_where_it_is_though_the_gripper_is_chained():
    start = ARM.pose(HOME_RAD)
    rows = np.zeros((3, 7))
    rows[:, :3], rows[:, 3:6], rows[:, 6] = start.position_m, to_rpy(start.rotation), 0.1
    decoded = EndEffector(manifest(absolute=POSE, chained=True), ARM)(Decoded(rows, True), HOME_RAD)
    np.testing.assert_allclose(ARM.pose(decoded.actions_rad[2]).position_m, start.position_m, atol=1e-6)
    np.testing.assert_allclose(decoded.actions_rad[:, 5], HOME_RAD[5] + [0.1, 0.2, 0.3])


def test_a_pose_out_of_reach_makes_the_chunk_invalid_with_its_reason():
    rows = np.zeros((3, 7))
    rows[1, 0] = 2.0
    decoded = EndEffector(manifest(), ARM)(Decoded(rows, True), HOME_RAD)
    assert not decoded.valid
    assert decoded.actions_rad.size == 0
    assert decoded.reason.startswith("row 1: the tool stays ")


def test_invalid_and_finished_chunks_are_passed_on():
    translate = EndEffector(manifest(), ARM)
    assert translate(Decoded.invalid("why"), HOME_RAD).reason == "why"
    finished = Decoded.finished(HOME_RAD, 3)
    assert translate(finished, HOME_RAD) is finished


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"names": ("x", "y", "z", "roll", "pitch", "yaw")}, "has 6 names"),
        ({"absolute": ("x",)}, "some of the six numbers"),
    ],
)
def test_actions_that_do_not_fit_the_arm_are_refused(changes, word):
    with pytest.raises(KinematicsError, match=word):
        EndEffector(manifest(**changes), ARM)
