"""The workspace on arms of spheres that slide along the axes: every distance can be told by hand, in 1/16 m."""

import pytest

from edgevla.config.robot import Box
from edgevla.config.robot import Workspace as Config
from edgevla.config.units import LengthM, SpeedMS
from edgevla.control.workspace import Workspace, WorkspaceError

# Loose and painted things are no obstacles. The hand, 1/16 m in radius, is where x, y and z say.
GANTRY = """
<mujoco>
  <worldbody>
    <body name="loose" pos="-2 0 1"><freejoint/><geom type="sphere" size="0.0625"/></body>
    <geom name="table" type="plane" size="4 4 0.1"/>
    <geom name="paint" type="sphere" size="0.0625" pos="-3 0 1" contype="0" conaffinity="0"/>
    <geom type="sphere" size="0.0625" pos="-1 0 1" conaffinity="0"/>
    <body>
      <joint name="x" type="slide" axis="1 0 0"/><geom type="sphere" size="0.01" pos="0 0 9"/>
      <body>
        <joint name="y" type="slide" axis="0 1 0"/><geom type="sphere" size="0.01" pos="0 0 9"/>
        <body name="hand">
          <joint name="z" type="slide" axis="0 0 1"/><geom type="sphere" size="0.0625"/><site name="tip"/>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
# Each link stands as far from the one before it as its joint says; `mount` has no joint, its sphere is 1 m above `two`.
CHAIN = """
<mujoco>
  <worldbody>
    <geom name="post" type="sphere" size="0.0625" pos="-1 0 1"/>
    <geom name="lamp" type="sphere" size="0.0625" pos="-1 0 2"/>
    <body name="one" pos="0 0 1">
      <joint name="a" type="slide" axis="1 0 0"/><geom type="sphere" size="0.0625"/>
      <body name="two">
        <joint name="b" type="slide" axis="1 0 0"/><geom type="sphere" size="0.0625"/>
        <body name="mount"><geom type="sphere" size="0.0625" pos="0 0 1"/>
          <body name="three">
            <joint name="c" type="slide" axis="1 0 0"/><geom type="sphere" size="0.0625"/>
            <body name="four">
              <joint name="d" type="slide" axis="1 0 0"/><geom type="sphere" size="0.0625"/><site name="tip"/>
            </body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
LINKS = ("one", "two", "mount", "three", "four")


def metres(*values):
    return tuple(map(LengthM, values))


def config(**changes):
    fields = {
        "model": "arm.xml",
        "tool": "tip",
        "tool_low": metres(-99, -99, -99),
        "tool_high": metres(99, 99, 99),
        "tool_speed": SpeedMS(0.25),
        "links": ("hand",),
        "clearance": LengthM(0.125),
        "keep_out": (),
    }
    return Config(**{**fields, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arm.xml"


@pytest.fixture
def gantry(path):
    path.write_text(GANTRY)
    return lambda **changes: Workspace(path, config(**changes), "xyz")


@pytest.fixture
def chain(path):
    path.write_text(CHAIN)
    return lambda links=LINKS: Workspace(path, config(links=links), "abcd")


@pytest.mark.parametrize(
    ("at_m", "border"),
    [
        ((0, 0, 0.125), "table and hand 62.5 mm apart, 125 mm needed"),
        ((0, 0, 0.03125), "table and hand -31.2 mm apart, 125 mm needed"),
        ((0, 0, 0.1875), ""),  # 125 mm and no less
        ((-1.1875, 0, 1), "the surroundings and hand 62.5 mm apart, 125 mm needed"),
        ((-1.25, 0, 1), ""),
        ((-2, 0, 1), ""),  # inside the loose thing
        ((-3, 0, 1), ""),  # inside the painted one
    ],
)
def test_a_watched_link_keeps_its_clearance_from_what_stands_still_and_is_solid(gantry, at_m, border):
    assert gantry().trespass(at_m) == border


@pytest.mark.parametrize(
    ("at_m", "border"),
    [
        ((0.875, 0.25, 0.5), "hand and crate 62.5 mm apart, 125 mm needed"),
        ((1.375, 0.25, 0.5), "hand and crate 62.5 mm apart, 125 mm needed"),
        ((1.125, -0.125, 0.5), "hand and crate 62.5 mm apart, 125 mm needed"),
        ((1.125, 0.625, 0.5), "hand and crate 62.5 mm apart, 125 mm needed"),
        ((1.125, 0.25, 1.125), "hand and crate 62.5 mm apart, 125 mm needed"),
        ((0.75, 0.25, 0.5), ""),
        ((1.125, 0.75, 0.5), ""),
        ((1.125, 0.25, 1.25), ""),
    ],
)
def test_a_keep_out_box_reaches_from_its_low_to_its_high_corner(gantry, at_m, border):
    crate = Box(name="crate", low=metres(1, 0, 0.25), high=metres(1.25, 0.5, 1))
    assert gantry(keep_out=(crate,)).trespass(at_m) == border


@pytest.mark.parametrize(
    ("at_m", "border"),
    [
        ((-0.5, 0, 1), ""),
        ((0.5, 0.25, 2), ""),
        ((-0.5625, 0, 1), "tool at x = -0.562 m, outside -0.5 .. 0.5 m"),
        ((0.5625, 0, 1), "tool at x = 0.562 m, outside -0.5 .. 0.5 m"),
        ((0, -0.0625, 1), "tool at y = -0.062 m, outside 0 .. 0.25 m"),
        ((0, 0.3125, 1), "tool at y = 0.312 m, outside 0 .. 0.25 m"),
        ((0, 0, 0.9375), "tool at z = 0.938 m, outside 1 .. 2 m"),
        ((0, 0, 2.0625), "tool at z = 2.062 m, outside 1 .. 2 m"),
    ],
)
def test_the_borders_of_the_tool_s_box_belong_to_it(gantry, at_m, border):
    space = gantry(tool_low=metres(-0.5, 0, 1), tool_high=metres(0.5, 0.25, 2))
    assert space.trespass(at_m) == border


@pytest.mark.parametrize(
    ("at_m", "border"),
    [
        ((0, 0.1875, 5, 5), ""),  # one and two, 62.5 mm apart: neighbours
        ((0, 1, -0.8125, 5), ""),  # one and three: two joints lie between them
        ((0, 1, 2, -2.8125), "one and four 62.5 mm apart, 125 mm needed"),
        ((-0.8125, 1, 1, 1), "post and one 62.5 mm apart, 125 mm needed"),
        ((0, -0.8125, 2, 1), "post and two 62.5 mm apart, 125 mm needed"),
        ((3, -3.8125, 7, 1), "post and two 62.5 mm apart, 125 mm needed"),
    ],
)
def test_links_more_than_two_joints_apart_and_the_surroundings_are_obstacles(chain, at_m, border):
    assert chain().trespass(at_m) == border


def test_a_link_without_a_joint_of_its_own_is_part_of_the_arm(chain):
    at_m = (0, -0.8125, 2, 1)
    assert chain(links=("mount",)).trespass(at_m) == "lamp and mount 62.5 mm apart, 125 mm needed"


def test_only_what_touches_a_watched_link_counts(chain):
    touching_m = (0, 1, 2, -2.8125)
    assert chain(links=("two", "three")).trespass(touching_m) == ""
    assert chain(links=("four",)).trespass(touching_m).startswith("one and four")


@pytest.mark.parametrize(
    ("rates_m_s", "share"),
    [
        ((0.0, 0.0, 0.0), 1.0),
        ((0.125, 0.0, 0.125), 1.0),  # just the 0.25 m/s that are allowed
        ((0.5, 0.0, 0.0), 0.5),
        ((0.25, -0.25, 0.5), 0.25),  # as if all pulled the same way
    ],
)
def test_the_joints_contributions_to_the_tool_s_speed_add_up(gantry, rates_m_s, share):
    assert gantry().speed_share((0.5, 0.5, 1.0), rates_m_s) == pytest.approx(share, rel=1e-12)


@pytest.mark.parametrize(
    ("joints", "changes", "lacks"),
    [
        ("xyz", {"tool": "thumb"}, 'no site "thumb"'),
        ("xyw", {}, 'no joint "w"'),
        ("xyz", {"links": ("tail",)}, 'no body "tail"'),
    ],
)
def test_a_name_that_the_model_lacks_is_refused_with_the_file_and_the_fix(path, joints, changes, lacks):
    path.write_text(GANTRY)
    with pytest.raises(WorkspaceError) as refused:
        Workspace(path, config(**changes), joints)
    assert str(refused.value) == f"workspace.model {path} has {lacks} - correct the name in robot.yaml"


def test_a_model_that_cannot_be_read_is_refused_with_the_fix(path):
    path.write_text("no model")
    with pytest.raises(WorkspaceError) as refused:
        Workspace(path, config(), "xyz")
    assert str(refused.value).startswith(f"workspace.model {path}: ")
    assert str(refused.value).endswith(" - name an MJCF file, relative to robot.yaml")
