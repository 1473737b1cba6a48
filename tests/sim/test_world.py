"""The simulated world: servos that hold, sag and go limp, blocks that lie clear, pictures from any one thread."""

import threading

import numpy as np
import pytest

from edgevla.config.load import load_robot
from edgevla.shipped import shipped
from edgevla.sim.graphics import GraphicsError
from edgevla.sim.world import COLOURS, HOME_RAD, World
from tests.sim.blocks import lay

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")


@pytest.fixture(scope="module")
def world():
    return World(image_size=96)


def run(world, seconds):
    for _ in range(round(seconds / world.timestep_s)):
        world.step()


def test_joints_are_those_of_the_robot_in_bus_order(world):
    assert world.joint_names == JOINTS
    assert world.timestep_s == pytest.approx(0.002)


def test_reset_starts_near_home_at_rest_without_torque(world):
    world.reset(3)
    assert np.abs(world.position_rad - HOME_RAD).max() < np.radians(5.0)
    assert not world.velocity_rad_s.any()
    assert not world.torque_on.any()
    assert world.t_s == 0.0


def test_a_seed_gives_the_same_world(world):
    world.reset(11)
    first = world.position_rad, world.block_positions()
    world.reset(12)
    assert not np.array_equal(first[0], world.position_rad)
    world.reset(11)
    assert np.array_equal(first[0], world.position_rad)
    assert all(np.array_equal(first[1][name], at) for name, at in world.block_positions().items())


@pytest.mark.parametrize("seed", range(20))
def test_blocks_lie_apart_and_in_reach(world, seed):
    world.reset(seed)
    places = list(world.block_positions().values())
    assert all(0.13 < np.hypot(at[0] - 0.039, at[1]) < 0.31 for at in places)
    assert all(np.linalg.norm(a - b) > 0.079 for i, a in enumerate(places) for b in places[:i])


@pytest.mark.parametrize("seed", range(20))
def test_every_block_can_be_pushed_either_way_before_it_meets_another(world, seed):
    world.reset(seed)
    places = list(world.block_positions().values())
    for i, a in enumerate(places):
        for b in places[:i]:
            assert abs(a[0] - b[0]) > 0.054 or abs(a[1] - b[1]) > 0.124


def test_new_block_poses_leave_the_arm_alone_and_lie_clear_of_it(world):
    world.reset(0)
    world.place_arm(np.radians([0.0, -10.0, 30.0, 60.0, 0.0, 0.0]))
    arm = world.position_rad
    tip = world.tip_position()
    for seed in range(20):
        world.place_blocks(seed)
        assert np.array_equal(world.position_rad, arm)
        assert all(np.linalg.norm(at - tip) > 0.03 for at in world.block_positions().values())


def test_servos_go_to_their_goal_and_hold_it(world):
    world.reset(0)
    goal = HOME_RAD + np.radians([20.0, 5.0, -10.0, 10.0, -15.0, 20.0])
    world.torque_on[:] = True
    world.goal_rad[:] = goal
    run(world, 1.0)
    assert np.abs(world.position_rad - goal).max() < np.radians(2.0)
    assert np.abs(world.velocity_rad_s).max() < 0.02
    assert np.abs(world.load).max() < 0.5


def test_a_joint_without_torque_is_limp(world):
    world.reset(0)
    world.torque_on[:] = True
    world.torque_on[3] = False
    world.goal_rad[3] += 0.5
    start = world.position_rad
    world.step()
    assert world.load[3] == 0.0
    run(world, 0.5)
    assert world.position_rad[3] - start[3] < 0.25, "nothing may drive it to its goal"


def test_the_torque_limit_is_honoured(world):
    world.reset(0)
    world.torque_on[:] = True
    world.torque_limit[:] = 0.1
    world.goal_rad[0] += 1.0
    world.step()
    assert world.load[0] == pytest.approx(0.1)


def test_what_is_handed_out_is_a_copy(world):
    world.reset(0)
    world.position_rad[:] = 9.0
    world.block_positions()["red"][:] = 9.0
    assert world.position_rad.max() < 2.0
    assert world.block_positions()["red"].max() < 1.0


@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_pictures_are_square_rgb_and_show_something(world, camera):
    world.reset(0)
    picture = world.render(camera)
    assert picture.shape == (96, 96, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10.0


def test_the_front_picture_shows_minus_y_on_the_left_and_every_colour(world):
    world.reset(5)
    picture = world.render("front").astype(float)
    columns = {}
    for channel, name in enumerate(COLOURS):
        others = np.delete(picture, channel, axis=2).max(axis=2)
        rows_columns = np.argwhere((picture[:, :, channel] > 80.0) & (others < 0.6 * picture[:, :, channel]))
        assert len(rows_columns) > 10, f"the {name} block is not in the picture"
        columns[name] = rows_columns[:, 1].mean()
    places = world.block_positions()
    assert sorted(COLOURS, key=columns.get) == sorted(COLOURS, key=lambda name: places[name][1])


def test_a_second_thread_may_step_but_not_draw(world):
    world.reset(0)
    world.render("front")
    errors = []

    def other():
        world.step()
        try:
            world.render("front")
        except GraphicsError as error:
            errors.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert "thread" in errors[0]
    assert world.t_s == pytest.approx(world.timestep_s)


def test_physics_and_pictures_run_side_by_side(world):
    world.reset(0)
    stepper = threading.Thread(target=run, args=(world, 0.4))
    stepper.start()
    pictures = [world.render("front") for _ in range(5)]
    stepper.join()
    assert world.t_s == pytest.approx(0.4)
    assert len(pictures) == 5


def test_the_world_and_robot_yaml_describe_the_same_arm(world):
    robot = load_robot(shipped("so101-tabletop") / "robot.yaml")
    assert world.joint_names == robot.joint_names
    assert [joint.home for joint in robot.joints] == pytest.approx(HOME_RAD)


@pytest.mark.parametrize("turn_deg", [-40.0, 0.0, 20.0])
@pytest.mark.parametrize("rolled", [0.0, 90.0, 180.0])
def test_a_blocks_turn_is_that_of_its_faces_whichever_it_lies_on(world, turn_deg, rolled):
    world.reset(0)
    turn, roll = np.radians([turn_deg, rolled]) / 2.0
    quat = [np.cos(turn) * np.cos(roll), np.cos(turn) * np.sin(roll), np.sin(turn) * np.sin(roll), 0.0]
    quat[3] = np.sin(turn) * np.cos(roll)
    lay(world, "blue", np.array([0.2, 0.0, 0.015]), quat)
    pose = world.block_poses()["blue"]
    assert pose[:3] == pytest.approx([0.2, 0.0, 0.015])
    assert np.sin(4.0 * (pose[3] - np.radians(turn_deg)) / 2.0) == pytest.approx(0.0, abs=1e-6)
