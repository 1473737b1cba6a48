"""The workspace: links stay clear of table, boxes and each other, the tool keeps its speed limit, braking included."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import edgevla
from edgevla.config.load import load_robot
from edgevla.config.robot import Box
from edgevla.config.robot import Workspace as Config
from edgevla.config.units import LengthM, SpeedMS
from edgevla.control.limits import Limits, StartRefused, Wanted
from edgevla.control.workspace import Workspace, WorkspaceError
from edgevla.shipped import shipped
from tests.examples import examples

MODEL = Path(edgevla.__file__).parent / "sim" / "assets" / "so101_tabletop.xml"
ROBOT = load_robot(shipped("so101-tabletop") / "robot.yaml")
HOME_RAD = tuple(float(joint.home) for joint in ROBOT.joints)
DT_S = 0.02


def metres(*values):
    return tuple(map(LengthM, values))


def config(**changes):
    fields = {
        "model": MODEL.name,
        "tool": "tip",
        "tool_low": metres(-0.1, -0.35, 0.01),
        "tool_high": metres(0.45, 0.35, 0.5),
        "tool_speed": SpeedMS(0.25),
        "links": ("lower_arm", "wrist", "gripper", "moving_jaw"),
        "clearance": LengthM(0.005),
        "keep_out": (),
    }
    return Config(**{**fields, **changes})


def workspace(**changes):
    return Workspace(MODEL, config(**changes), ROBOT.joint_names)


def pose(**degrees):
    return [
        np.radians(degrees[joint.name]) if joint.name in degrees else at
        for joint, at in zip(ROBOT.joints, HOME_RAD, strict=True)
    ]


def tool_at(position_rad):
    model = mujoco.MjModel.from_xml_path(str(MODEL))
    data = mujoco.MjData(model)
    data.qpos[:6] = position_rad
    mujoco.mj_kinematics(model, data)
    return np.array(data.site("tip").xpos)


def test_the_rest_pose_is_free():
    assert workspace().trespass(HOME_RAD) == ""


def test_a_link_at_the_table_is_named_with_its_distance():
    low = pose(shoulder_lift=40, elbow_flex=20, wrist_flex=60)
    border = workspace(tool_low=metres(-1, -1, -1)).trespass(low)
    assert "table" in border
    assert "5 mm needed" in border


def test_the_tool_stays_in_its_box():
    x, y, z = tool_at(HOME_RAD)
    assert "tool at z" in workspace(tool_low=metres(-1, -1, z + 0.01)).trespass(HOME_RAD)
    assert "tool at y" in workspace(tool_high=metres(1, y - 0.01, 1)).trespass(HOME_RAD)
    assert workspace(tool_low=metres(x - 0.01, y - 0.01, z - 0.01)).trespass(HOME_RAD) == ""


def test_a_keep_out_box_is_named():
    x, y, z = tool_at(HOME_RAD)
    post = Box(name="camera_post", low=metres(x - 0.02, y - 0.02, z - 0.02), high=metres(x + 0.02, y + 0.02, z + 0.02))
    assert "camera_post" in workspace(keep_out=(post,)).trespass(HOME_RAD)


@pytest.mark.parametrize(
    ("degrees", "links"),
    [((-79, -82, 81, 83, -81, 59), "shoulder and gripper"), ((15, 48, 66, 67, 78, 28), "base and gripper")],
)
def test_a_hand_folded_back_into_the_arm_is_a_self_collision(degrees, links):
    space = workspace(tool_low=metres(-1, -1, -1), tool_high=metres(1, 1, 1), clearance=LengthM(0.001))
    assert links in space.trespass(np.radians(degrees))


def test_neighbouring_links_may_touch_and_loose_things_are_no_obstacles():
    on_a_block = pose(shoulder_lift=-10, elbow_flex=20, wrist_flex=60)
    assert "red" not in workspace(clearance=LengthM(0.02)).trespass(on_a_block)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"tool": "thumb"}, 'no site "thumb"'),
        ({"links": ("tail",)}, 'no body "tail"'),
    ],
)
def test_names_that_the_model_lacks_are_refused(changes, word):
    with pytest.raises(WorkspaceError, match=word):
        workspace(**changes)


def test_a_model_that_is_none_is_refused(tmp_path):
    (tmp_path / "x.xml").write_text("<robot/>")
    for path in (tmp_path / "x.xml", tmp_path / "missing.xml"):
        with pytest.raises(WorkspaceError, match=path.name):
            Workspace(path, config(), ROBOT.joint_names)


def test_the_speed_share_scales_to_the_tool_s_limit_and_never_speeds_up():
    space = workspace()
    assert space.speed_share(HOME_RAD, [0.0] * 6) == 1.0
    assert space.speed_share(HOME_RAD, [0.01] * 6) == 1.0
    fast = [2.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    share = space.speed_share(HOME_RAD, fast)
    radius_m = np.hypot(tool_at(HOME_RAD)[0] - 0.0388353, tool_at(HOME_RAD)[1])
    assert share * 2.0 * radius_m == pytest.approx(0.25, rel=1e-6)


def test_an_arm_that_stands_in_forbidden_space_is_not_taken_over():
    limits = Limits(ROBOT.joints, DT_S, workspace(tool_low=metres(-1, -1, 0.4)))
    with pytest.raises(StartRefused, match="outside its workspace: tool at z"):
        limits.check_start(HOME_RAD)


# Scaling the wishes alone let the tool swing through at 281 mm/s.
SWING = ((-1.5, 0.0), (-1.2864484301194947, 0.0), (-1.3444870647028873, -1.5412573485538004), (-1.5, 0.0), (0.0, 0.0))


# Looking at every second pose of the way to standstill let the gripper come as near as 2.5 mm to the table.
GRAZE = ((1.0, 0.0), (0.265625, 1.5), (0.5, 1.0), (0.5, 1.0), (0.5, 1.0), (0.0, 0.0))


@settings(max_examples=examples(10), deadline=None)
@example([(pan_rad, 0.0, elbow_rad, 0.0, 0.0) for pan_rad, elbow_rad in GRAZE], 20)
@example([(0.0, lift_rad, 0.0, flex_rad, 0.0) for lift_rad, flex_rad in SWING], 33)
@given(st.lists(st.tuples(*[st.floats(-1.7, 1.7)] * 5), min_size=1, max_size=6), st.integers(5, 40))
def test_whatever_is_planned_no_setpoint_trespasses_and_the_tool_keeps_its_speed(plans, ticks):
    space = workspace()
    limits = Limits(ROBOT.joints, DT_S, space)
    limits.start(HOME_RAD)
    before = tool_at(HOME_RAD)
    judge = workspace()
    for plan in plans:
        for _ in range(ticks):
            shaped = limits.follow(Wanted((*plan, 0.0), (0.0,) * 6), limits.position_rad)
            assert judge.trespass(shaped.position_rad) == ""
            now = tool_at(shaped.position_rad)
            assert np.linalg.norm(now - before) / DT_S <= 0.25 + 1e-9
            before = now


def test_a_border_ahead_is_said():
    limits = Limits(ROBOT.joints, DT_S, workspace())
    limits.start(HOME_RAD)
    down = pose(shoulder_lift=60, elbow_flex=20, wrist_flex=60)
    said = {limits.follow(Wanted(tuple(down), (0.0,) * 6), limits.position_rad).fenced for _ in range(200)}
    assert any("table" in border or "tool at z" in border for border in said)


def test_the_tool_s_place_and_its_speed_limit_are_those_of_robot_yaml():
    space = workspace()
    assert space.tool_m(HOME_RAD) == pytest.approx(tuple(tool_at(HOME_RAD)))
    assert space.speeding(0.25) == ""
    assert space.speeding(0.2512) == "tool at 251 mm/s, 250 mm/s allowed"
    assert space.speeding(2.0) == "tool at 2000 mm/s, 250 mm/s allowed"
