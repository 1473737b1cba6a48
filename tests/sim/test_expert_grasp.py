"""The field for a hand that carries: what it does with a block can be read off where both are."""

import math

import numpy as np
import pytest

from edgevla.sim.expert_grasp import hand_move
from edgevla.sim.expert_hand import CLOSED_RAD, LET_GO_RAD, OPEN_RAD, Hand, gap_centre_m, met_rad, pressed_rad, roll_to
from edgevla.sim.graphics import mujoco
from edgevla.sim.tasks import TASKS
from edgevla.sim.world import load_model

GRASP = TASKS["grasp the red block"]
ASIDE = TASKS["put the red block on the right side"]
STACK = TASKS["put the red block on the blue block"]
HELD_RAD = 0.38  # of a hand around a block
DOWN = np.eye(3)  # fingers straight down


def blocks(red):
    return {"red": np.array(red), "green": np.array([0.2, -0.1, 0.015]), "blue": np.array([0.25, 0.1, 0.015])}


def hand(grip, opening=OPEN_RAD, roll=0.5 * math.pi):
    return Hand(np.array(grip), DOWN, opening, pan=0.0, roll=roll)


def move(task, red, grip, opening=OPEN_RAD, roll=0.5 * math.pi):
    return hand_move(hand(grip, opening, roll), blocks(red), task)


def test_far_from_its_block_it_opens_and_travels_high():
    wish = move(GRASP, (0.2, 0.0, 0.015), (0.2, -0.1, 0.078), opening=0.0)
    assert wish.opening_rad == OPEN_RAD
    assert wish.velocity_m_s[1] > 0.1
    assert abs(wish.velocity_m_s[2]) < 0.01


@pytest.mark.parametrize(("opening", "roll"), [(0.3, 0.5 * math.pi), (OPEN_RAD, 0.8)], ids=["closed", "turned"])
def test_over_its_block_it_waits_until_it_is_open_and_turned(opening, roll):
    wish = move(GRASP, (0.2, 0.0, 0.015), (0.2, 0.0, 0.078), opening, roll)
    assert wish.velocity_m_s[2] > -0.01


def test_over_its_block_open_and_turned_it_goes_down():
    assert move(GRASP, (0.2, 0.0, 0.015), (0.2, 0.0, 0.078)).velocity_m_s[2] < -0.05


def test_around_its_block_it_closes():
    wish = move(GRASP, (0.2, 0.0, 0.015), (0.2, 0.0, 0.017))
    assert wish.between == 1.0
    assert wish.opening_rad == pytest.approx(CLOSED_RAD)
    assert wish.held == 0.0
    assert wish.velocity_m_s[2] < 0.001, "it lifted before it held"


def test_around_another_block_it_does_not_close():
    wish = move(GRASP, (0.28, 0.0, 0.015), (0.2, -0.1, 0.017))
    assert wish.between == 0.0
    assert wish.opening_rad == OPEN_RAD
    assert wish.velocity_m_s[2] > 0.05, "it must rise before it travels"


def test_what_it_holds_it_lifts():
    wish = move(GRASP, (0.2, 0.0, 0.015), (0.2, 0.0, 0.017), HELD_RAD)
    assert wish.held == 1.0
    assert wish.velocity_m_s[2] > 0.05


def test_what_it_holds_high_it_carries_over_there():
    wish = move(ASIDE, (0.2, 0.0, 0.068), (0.2, 0.0, 0.070), HELD_RAD)
    assert wish.velocity_m_s[1] > 0.1
    assert move(STACK, (0.2, 0.0, 0.072), (0.2, 0.0, 0.074), HELD_RAD).velocity_m_s[:2].min() > 0.02


@pytest.mark.parametrize(
    ("task", "red"), [(ASIDE, (0.205, 0.185, 0.060)), (STACK, (0.25, 0.1, 0.070))], ids=["side", "block"]
)
def test_over_the_place_it_lowers_what_it_holds(task, red):
    wish = move(task, red, red, HELD_RAD)
    assert wish.held == 1.0
    assert wish.velocity_m_s[2] < -0.03


@pytest.mark.parametrize(
    ("task", "red"), [(ASIDE, (0.205, 0.185, 0.016)), (STACK, (0.252, 0.1, 0.047))], ids=["side", "block"]
)
def test_what_lies_where_it_should_it_lets_go_and_leaves_upwards(task, red):
    closed, opened = move(task, red, red, HELD_RAD), move(task, red, red, LET_GO_RAD)
    assert closed.opening_rad == opened.opening_rad == LET_GO_RAD
    assert closed.held == opened.held == 0.0
    assert closed.velocity_m_s[2] < 0.001, "it rose with the block in its hand"
    assert opened.velocity_m_s[2] > 0.05


def test_a_block_that_shifted_a_little_when_it_was_let_go_is_not_taken_again():
    red = (0.26, 0.1, 0.045)
    assert move(STACK, red, red, HELD_RAD).opening_rad < LET_GO_RAD
    assert move(STACK, red, red, 0.55).opening_rad == LET_GO_RAD


def test_beside_the_others_is_where_it_puts_a_block():
    crowded = {"red": np.array([0.2, 0.0, 0.068]), "green": np.array([0.2, 0.185, 0.015])}
    crowded["blue"] = np.array([0.3, -0.1, 0.015])
    assert hand_move(hand((0.2, 0.0, 0.070), HELD_RAD), crowded, ASIDE).velocity_m_s[0] > 0.01


@pytest.mark.parametrize("turn_deg", range(-180, 181, 15))
@pytest.mark.parametrize("pan", [-0.6, 0.0, 0.7])
def test_it_turns_to_two_faces_and_keeps_its_jaws_side_by_side(turn_deg, pan):
    block = np.array([0.2, 0.0, 0.015, math.radians(turn_deg)])
    roll = roll_to(Hand(np.zeros(3), DOWN, OPEN_RAD, pan, 1.4), block)
    assert abs(roll - 0.5 * math.pi) < math.radians(68.0)
    # Seen from above the jaws' line stands at 90 degrees less the pan, more what the wrist is rolled beyond 90.
    across = (0.5 * math.pi - pan) + (roll - 0.5 * math.pi) - math.radians(turn_deg)
    assert math.sin(2.0 * across) == pytest.approx(0.0, abs=1e-9)


def test_turning_it_does_not_waver_between_two_ways():
    block = np.array([0.2, 0.0, 0.015, math.radians(45.0)])
    for roll in (math.radians(60.0), math.radians(120.0)):
        chosen = roll_to(Hand(np.zeros(3), DOWN, OPEN_RAD, 0.0, roll), block)
        assert abs(chosen - roll) < math.radians(20.0)


@pytest.mark.parametrize("swing", [-0.2, 0.2], ids=["with", "against"])
def test_turning_arrives_although_it_swings_the_arm(swing):
    """The gap is off the wrist's axis: the pan gives way as the wrist turns, and the faces seem to turn with it."""
    for turn_deg in np.arange(-90.0, 90.0, 0.5):
        block = np.array([0.2, 0.0, 0.015, math.radians(turn_deg)])
        roll = wanted = 0.0
        for _ in range(60):
            wanted = roll_to(Hand(np.zeros(3), DOWN, OPEN_RAD, swing * roll, roll), block)
            roll += 0.2 * (wanted - roll)
        assert roll == pytest.approx(wanted, abs=0.01), turn_deg


def test_the_gap_is_where_the_scene_has_it():
    """The jaws' inner faces in the scene's file, measured."""
    model = load_model()
    data = mujoco.MjData(model)
    gripper, fixed, moving = model.body("gripper").id, model.geom("fixed_jaw").id, model.geom("moving_jaw").id
    for opening in (0.3, 0.4, 0.6, 0.85):
        data.joint("gripper").qpos = opening
        mujoco.mj_kinematics(model, data)
        axes = data.xmat[gripper].reshape(3, 3)
        signs = np.array(list(np.ndindex(2, 2, 2))) * 2 - 1
        inner = [
            axes.T @ (data.geom_xpos[geom] - data.xpos[gripper])
            + (axes.T @ data.geom_xmat[geom].reshape(3, 3) @ (signs * model.geom_size[geom]).T).T
            for geom in (fixed, moving)
        ]
        middle = 0.5 * (inner[0][:, 0].max() + inner[1][:, 0].min())
        assert gap_centre_m(opening) == pytest.approx(middle, abs=0.001)


def test_what_is_held_is_pressed_but_never_ever_harder():
    assert pressed_rad(0.40, 0.0) == 0.40
    assert pressed_rad(0.40, 1.0) < 0.39
    assert pressed_rad(0.33, 1.0) > 0.33, "a block that gives way would be squeezed flat"


def test_a_closing_hand_stops_at_the_block():
    assert met_rad(0.42, 0.30, between=1.0) > 0.35
    assert met_rad(0.42, 0.30, between=0.0) == 0.30
    assert met_rad(0.36, 0.30, between=1.0) == 0.36
