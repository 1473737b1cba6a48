"""The scripted expert: it carries out every instruction, from anywhere, at speeds a robot may have."""

import numpy as np
import pytest

from edgevla.config.load import load_robot
from edgevla.distill.playback import play
from edgevla.shipped import shipped
from edgevla.sim.expert import HORIZON, RATE_HZ, Expert
from edgevla.sim.tasks import EXTENDED, INSTRUCTIONS, TASKS, Judge
from edgevla.sim.world import HOME_RAD, World

JOINT_RAD_S = np.radians([120.0, 120.0, 120.0, 150.0, 150.0, 150.0])
ROBOT = load_robot(shipped("so101-tabletop") / "robot.yaml")


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def expert():
    return Expert()


def carry_out(world, expert, sentence):
    task = TASKS[sentence]
    return play(
        ROBOT,
        world,
        Judge(world, task),
        lambda: expert.plan(world.position_rad, world.block_poses(), task),
        limit_s=task.limit_s,
    )


@pytest.mark.parametrize("sentence", INSTRUCTIONS)
def test_it_carries_out_every_instruction(world, expert, sentence):
    for seed in range(3):
        world.reset(seed)
        assert carry_out(world, expert, sentence).success, f"seed {seed}"


@pytest.mark.parametrize("sentence", EXTENDED[9::3])
def test_it_carries_blocks_too(world, expert, sentence):
    world.reset(1)
    assert carry_out(world, expert, sentence).success


def test_a_block_that_falls_out_of_its_hand_it_takes_again(world, expert):
    world.reset(0)
    task = TASKS["put the green block on the right side"]
    heights = []

    def plan():
        heights.append(world.block_positions()["green"][2])
        return expert.plan(world.position_rad, world.block_poses(), task)

    def open_hand(t_s):
        return np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.3 if 2.8 < t_s < 3.2 else 0.0])

    assert play(ROBOT, world, Judge(world, task), plan, limit_s=task.limit_s, disturb=open_hand).success
    up = np.array(heights) > 0.04
    assert np.count_nonzero(np.diff(up.astype(int)) == 1) == 2, "lifted once, and once more after the fall"


def test_what_it_has_put_down_it_leaves_alone(world, expert):
    world.reset(2)
    sentence = "put the green block on the right side"
    assert carry_out(world, expert, sentence).success
    before = world.block_positions()["green"]
    world.torque_on[:] = True
    for _ in range(10):
        world.goal_rad[:] = expert.plan(world.position_rad, world.block_poses(), TASKS[sentence])[2]
        for _ in range(100):
            world.step()
    assert np.abs(world.block_positions()["green"] - before).max() < 0.001
    assert world.tip_position()[2] > 0.05


def test_it_carries_on_from_where_the_last_instruction_ended(world, expert):
    world.reset(4)
    for seed, sentence in enumerate(("touch the red block", "push the red block left", "touch the blue block")):
        world.place_blocks(seed)
        assert carry_out(world, expert, sentence).success, sentence


def test_a_plan_is_a_pure_function_of_what_it_is_given(world, expert):
    world.reset(1)
    task = TASKS["push the green block right"]
    blocks, before = world.block_positions(), HOME_RAD.copy()
    first = expert.plan(HOME_RAD, blocks, task)
    expert.plan(HOME_RAD + 0.3, blocks, TASKS["touch the red block"])
    assert np.array_equal(expert.plan(HOME_RAD, blocks, task), first)
    assert np.array_equal(before, HOME_RAD)
    assert all(np.array_equal(at, world.block_positions()[name]) for name, at in blocks.items())


@pytest.mark.parametrize("seed", range(10))
def test_a_plan_starts_at_the_arm_and_moves_at_a_robots_speed(world, expert, seed):
    world.reset(seed)
    task = TASKS[EXTENDED[5 * seed % 24]]
    plan = expert.plan(world.position_rad, world.block_poses(), task)
    assert plan.shape == (HORIZON, 6)
    assert np.abs(plan[0] - world.position_rad).max() < np.radians(12.0)
    assert (np.abs(np.diff(plan, axis=0)) * RATE_HZ < JOINT_RAD_S).all()


def test_plans_stay_inside_the_joints_ranges_wherever_the_arm_is(world, expert):
    world.reset(0)
    rng = np.random.default_rng(0)
    blocks = world.block_positions()
    for sentence in EXTENDED:
        pose = HOME_RAD + rng.uniform(-1.0, 1.0, 6)
        plan = expert.plan(pose, blocks, TASKS[sentence])
        assert np.isfinite(plan).all()
        assert (np.abs(plan) < np.radians([110.0, 100.0, 96.8, 95.0, 162.8, 100.0])).all()


def test_holding_keeps_the_arm_where_it_is(world, expert):
    world.reset(0)
    world.torque_on[:] = True
    start = world.position_rad
    for _ in range(20):
        world.goal_rad[:] = expert.hold(world.position_rad)
        for _ in range(50):
            world.step()
    assert np.abs(world.position_rad - start).max() < np.radians(1.0)


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_goes_on_where_the_one_before_it_is(world, expert, seed):
    world.reset(seed)
    world.torque_on[:] = True
    task = TASKS["push the green block left"]
    before = expert.plan(world.position_rad, world.block_positions(), task)
    for step in range(round(0.7 / world.timestep_s)):
        world.goal_rad[:] = row_at(before, step * world.timestep_s * RATE_HZ)
        world.step()
    after = expert.plan(world.position_rad, world.block_positions(), task)
    assert np.abs(after[0] - before[7]).max() < np.radians(0.35), "servo lag or the arm's weight is not led"


def row_at(plan, row):
    return plan[int(row)] + (row - int(row)) * (plan[int(row) + 1] - plan[int(row)])
