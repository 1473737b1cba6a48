"""Playback keeps the runtime's schedule: when plans are asked for, when they arrive, when it ends."""

import numpy as np
import pytest

from edgevla.config.load import load_robot
from edgevla.distill.playback import play
from edgevla.shipped import shipped
from edgevla.sim.world import World

ROBOT = load_robot(shipped("so101-tabletop") / "robot.yaml")


class Verdict:
    """A judge that says yes at a moment."""

    def __init__(self, world, at_s=np.inf, success=True):
        self.success = self.failed = False
        self._world, self._at_s, self._wins = world, at_s, success
        self.goals = []

    def update(self):
        self.goals.append(self._world.goal_rad.copy())
        if self._world.t_s >= self._at_s:
            self.success, self.failed = self._wins, not self._wins


@pytest.fixture
def world():
    world = World()
    world.reset(0)
    return world


def test_a_plan_is_asked_for_every_100_ms(world):
    asked = []
    play(
        ROBOT,
        world,
        Verdict(world),
        lambda: asked.append(world.t_s) or np.tile(world.position_rad, (12, 1)),
        limit_s=1.0,
    )
    assert asked == pytest.approx([0.1 * i for i in range(10)])


def test_a_plan_takes_80_ms_to_arrive(world):
    judge = Verdict(world)
    start = world.goal_rad.copy()
    play(ROBOT, world, judge, lambda: np.tile(world.position_rad + 0.1, (12, 1)), limit_s=0.2)
    moved = [not np.array_equal(goal, start) for goal in judge.goals]
    assert moved.index(True) == 4


def test_it_ends_with_the_verdict_or_with_the_time(world):
    def stand():
        return np.tile(world.position_rad, (12, 1))

    won = play(ROBOT, world, Verdict(world, at_s=0.3), stand, limit_s=1.0)
    assert won.success
    assert won.seconds == pytest.approx(0.3)
    world.reset(0)
    assert not play(ROBOT, world, Verdict(world, at_s=0.3, success=False), stand, limit_s=1.0).success
    world.reset(0)
    late = play(ROBOT, world, Verdict(world), stand, limit_s=0.5)
    assert (late.success, late.seconds) == (False, 0.5)


def test_a_wild_plan_is_shaped_by_the_envelope(world):
    judge = Verdict(world)
    play(ROBOT, world, judge, lambda: np.tile(world.position_rad + 3.0, (12, 1)), limit_s=1.0)
    speed_rad_s = np.abs(np.diff(judge.goals, axis=0)).max(axis=0) * ROBOT.control.rate
    assert (speed_rad_s <= np.array([joint.velocity for joint in ROBOT.joints]) + 1e-9).all()


def test_a_disturbance_comes_on_top(world):
    judge = Verdict(world)
    offset = np.array([0.05, 0.0, 0.0, 0.0, 0.0, 0.0])
    start = world.position_rad
    play(ROBOT, world, judge, lambda: np.tile(start, (12, 1)), limit_s=0.3, disturb=lambda _t: offset)
    assert judge.goals[-1] == pytest.approx(start + offset, abs=1e-3)
