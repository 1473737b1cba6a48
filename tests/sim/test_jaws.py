"""The jaws: how near they are to a block, seen from 10 mm on, and whether both press upon one."""

import numpy as np
import pytest

from edgevla.sim.world import World
from tests.sim.blocks import lay


@pytest.fixture(scope="module")
def world():
    return World()


def test_gaps_between_jaws_and_blocks_are_measured_from_10_mm_on(world):
    world.reset(0)
    assert set(world.jaw_gaps_m().values()) == {np.inf}
    lay(world, "green", world.tip_position() - [0.0, 0.0, 0.022])
    near = world.jaw_gaps_m()
    assert 0.0 < near["green"] < 0.010
    assert near["red"] == near["blue"] == np.inf
    lay(world, "green", world.tip_position() - [0.0, 0.0, 0.012])
    assert world.jaw_gaps_m()["green"] < 0.0


def test_no_gap_is_missed_on_the_way_to_a_block(world):
    """MuJoCo's own answer is 0 at some of these heights, as if they touched."""
    world.reset(0)
    tip = world.tip_position()
    gaps = []
    for below_m in np.arange(0.030, 0.020, -0.001):
        lay(world, "green", tip - [0.0, 0.0, below_m])
        gaps.append(world.jaw_gaps_m()["green"])
    assert np.diff(gaps) == pytest.approx(-0.001, abs=1e-4)


ACROSS_M = 0.0159  # of the middle between the jaws from the gripper's axis, at this opening


@pytest.fixture
def gripper(world):
    """The hand, open some 2 mm wider than a block on either side."""
    world.reset(0)
    pose = world.position_rad
    pose[5] = 0.45
    world.place_arm(pose)
    return world._data.body("gripper")


def between(gripper, across_m):
    return gripper.xpos + gripper.xmat.reshape(3, 3) @ [across_m, 0.0, -0.092]


def test_a_block_is_held_when_both_jaws_press_on_it(world, gripper):
    middle = between(gripper, ACROSS_M)
    lay(world, "red", middle, gripper.xquat)
    assert world.held_blocks() == set()
    world.torque_on[:] = True
    world.goal_rad[5] = 0.3
    run(world, 0.3)
    gripped = world.block_positions()["red"]
    assert gripped == pytest.approx(middle, abs=0.010)
    run(world, 1.0)
    assert world.held_blocks() == {"red"}
    assert world.block_positions()["red"] == pytest.approx(gripped, abs=0.002), "it was pressed out of the hand"


@pytest.mark.parametrize("aside_m", [-0.004, 0.004], ids=["fixed", "moving"])
def test_a_block_against_one_jaw_is_not_held(world, gripper, aside_m):
    lay(world, "red", between(gripper, ACROSS_M + aside_m), gripper.xquat)
    assert world.jaw_gaps_m()["red"] < 0.0
    assert world.held_blocks() == set()


def run(world, seconds):
    for _ in range(round(seconds / world.timestep_s)):
        world.step()
