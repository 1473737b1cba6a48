"""A plan drawn into a camera's picture lies where the tool would really be seen."""

from importlib import resources

import numpy as np
import pytest

from edgevla.console.errors import OverlayRefused
from edgevla.console.overlay import Overlay, project
from edgevla.sim.graphics import GraphicsError, mujoco, open_renderer
from edgevla.sim.world import HOME_RAD

SCENE = resources.files("edgevla.sim") / "assets" / "so101_tabletop.xml"
JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
SIZE = 288
POSES = {
    "home": HOME_RAD,
    "left": np.radians([35.0, -40.0, 40.0, 60.0, 20.0, 10.0]),
    "right and low": np.radians([-30.0, 0.0, 20.0, 70.0, -40.0, 0.0]),
    "stretched": np.radians([10.0, 10.0, 0.0, 30.0, 0.0, 30.0]),
    "up": np.radians([10.0, -70.0, 20.0, 40.0, 0.0, 30.0]),
}


@pytest.fixture(scope="module")
def overlay():
    return Overlay(SCENE, "tip", JOINTS, {"front": ("front", 1.0), "wrist": ("wrist", 1.0)})


@pytest.fixture(scope="module")
def draw():
    """A function that draws nothing but a bright sphere at the site, and returns the middle of its pixels."""
    model = mujoco.MjModel.from_xml_path(str(SCENE))
    data = mujoco.MjData(model)
    nothing = mujoco.MjvOption()
    nothing.geomgroup[:] = nothing.sitegroup[:] = 0
    try:
        renderer = open_renderer(model, SIZE)
    except GraphicsError as error:
        pytest.skip(str(error))

    def middle(camera, site_rad, arm_rad):
        data.qpos[:6] = site_rad
        mujoco.mj_forward(model, data)
        at_m = data.site("tip").xpos.copy()
        data.qpos[:6] = arm_rad
        mujoco.mj_forward(model, data)
        renderer.update_scene(data, camera, nothing)
        sphere = renderer.scene.geoms[renderer.scene.ngeom]
        size_m, colour = np.full(3, 0.005), np.ones(4, "f4")
        mujoco.mjv_initGeom(sphere, mujoco.mjtGeom.mjGEOM_SPHERE, size_m, at_m, np.eye(3).ravel(), colour)
        sphere.emission = 1.0
        renderer.scene.ngeom += 1
        rows, columns = np.nonzero(renderer.render().max(axis=2) > 128)
        return (columns.mean() + 0.5, rows.mean() + 0.5) if len(rows) else None

    yield middle
    renderer.close()


@pytest.mark.parametrize("camera", ["front", "wrist"])
@pytest.mark.parametrize("pose", POSES)
def test_the_tool_is_drawn_where_the_camera_sees_it(overlay, draw, camera, pose):
    seen = draw(camera, POSES[pose], HOME_RAD)
    points = overlay.path([POSES[pose]], HOME_RAD)[camera]
    if seen is None:
        assert all(not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0) for x, y in points)
    else:
        ((x, y),) = points
        assert np.hypot(x * SIZE - seen[0], y * SIZE - seen[1]) < 1.5


def test_the_front_camera_sees_most_of_these(draw):
    assert sum(draw("front", pose, HOME_RAD) is not None for pose in POSES.values()) >= 4
    assert draw("wrist", POSES["home"], HOME_RAD) is not None


def test_a_path_has_a_point_for_each_row(overlay):
    rows = np.linspace(POSES["home"], POSES["left"], 5)
    path = overlay.path(rows, HOME_RAD)["front"]
    assert path == [point for row in rows for point in overlay.path([row], HOME_RAD)["front"]]


def test_a_camera_on_the_arm_sees_from_where_the_arm_is(overlay):
    from_home, from_left = (overlay.path([POSES["home"]], at)["wrist"] for at in (POSES["home"], POSES["left"]))
    assert from_home != from_left


def test_the_axis_of_a_camera_is_the_middle_of_its_picture_and_fovy_its_height():
    looking_down = np.eye(3)  # along -z
    points = np.array([[0.0, 0.0, -2.0], [0.0, 2.0, -2.0], [2.0, 0.0, -2.0]])
    found = project(points, np.zeros(3), looking_down, np.pi / 2, aspect=2.0)
    assert found == [[0.5, 0.5], [0.5, 0.0], [0.75, 0.5]]


def test_a_path_ends_where_it_passes_the_camera():
    points = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    assert project(points, np.zeros(3), np.eye(3), 1.0, 1.0) == [[0.5, 0.5]]
    assert project(points[1:], np.zeros(3), np.eye(3), 1.0, 1.0) == []


@pytest.mark.parametrize(
    ("model", "site", "joints", "camera", "why"),
    [
        ("missing.xml", "tip", JOINTS, "front", "missing.xml"),
        (SCENE, "nose", JOINTS, "front", 'no site "nose"'),
        (SCENE, "tip", ["elbow"], "front", 'no joint "elbow"'),
        (SCENE, "tip", JOINTS, "side", 'no camera "side"'),
    ],
)
def test_a_model_that_does_not_fit_is_refused_by_name(model, site, joints, camera, why):
    with pytest.raises(OverlayRefused, match=why):
        Overlay(model, site, joints, {"front": (camera, 1.0)})
