"""Instruction sensitivity: who does as the sentence says is right, who always does the same is not."""

import numpy as np
import pytest
from rich.progress import Progress

from edgevla.config.load import load_robot
from edgevla.distill import sensitivity as judging
from edgevla.distill.driver import Driver
from edgevla.distill.sensitivity import Tip, follows, sensitivity
from edgevla.shipped import shipped
from edgevla.sim.expert import Expert
from edgevla.sim.tasks import EXTENDED, INSTRUCTIONS
from edgevla.sim.world import World

BUNDLE = shipped("so101-tabletop")


class Deaf(Driver):
    """Hears one sentence whatever is said."""

    def plan(self, pictures, state_rad, sentence, t_s):
        return super().plan(pictures, state_rad, "touch the red block", t_s)


def judged(driver):
    with Progress(disable=True) as progress:
        robot = load_robot(BUNDLE / "robot.yaml")
        return sensitivity(driver, robot=robot, instructions=INSTRUCTIONS, pairs=12, seed=0, progress=progress)


def test_the_shipped_student_does_as_it_is_told():
    found = judged(Driver(BUNDLE))
    assert found.pairs == 12
    assert found.right >= 11


def test_who_does_not_listen_is_never_right():
    assert judged(Deaf(BUNDLE)).right == 0


@pytest.mark.parametrize(
    ("found", "right"),
    [
        ([[0.0, 0, 0], [1.0, 0, 0]], True),
        ([[0.4, 0, 0], [0.6, 0, 0]], True),
        ([[0.4, 0, 0], [0.4, 0, 0]], False),
        ([[1.0, 0, 0], [0.0, 0, 0]], False),
    ],
)
def test_each_motion_must_be_nearer_to_its_own_sentence(found, right):
    assert follows(np.array(found), np.array([[0.0, 0, 0], [1.0, 0, 0]])) is right


def test_the_tip_is_where_the_world_says():
    world = World(96)
    world.reset(3)
    world.step()
    assert Tip()(world.position_rad) == pytest.approx(world.tip_position(), abs=1e-3)


def test_the_expert_is_told_how_the_blocks_lie_which_a_hand_that_carries_has_to_know(monkeypatch):
    lengths = set()

    class Watched(Expert):
        def plan(self, position_rad, blocks, task):
            lengths.update(len(pose) for pose in blocks.values())
            return super().plan(position_rad, blocks, task)

    monkeypatch.setattr(judging, "Expert", Watched)
    with Progress(disable=True) as progress:
        robot = load_robot(BUNDLE / "robot.yaml")
        carrying = EXTENDED[-4:]
        sensitivity(Driver(BUNDLE), robot=robot, instructions=carrying, pairs=1, seed=0, progress=progress)
    assert lengths == {4}
