"""The check and its driver: a bundle in closed loop, through the runtime's own policy code."""

import numpy as np
import pytest
from rich.progress import Progress

from edgevla.distill.check import Result, check, won
from edgevla.distill.driver import Driver
from edgevla.distill.playback import OBSERVE_S
from edgevla.shipped import shipped
from edgevla.sim.tasks import TASKS
from edgevla.sim.world import CAMERAS

BUNDLE = shipped("so101-tabletop")
OF_NINE = BUNDLE.parent / "families" / "regression"
SENTENCE_IT_CANNOT_READ = "grasp the red block"  # OF_NINE
HOME_RAD = np.radians([0.0, -60.0, 50.0, 75.0, 0.0, 0.0])
GREY = {camera: np.full((288, 288, 3), 128, np.uint8) for camera in CAMERAS}


def test_the_shipped_student_wins_worlds_it_has_not_seen():
    instructions = ("touch the green block", "push the blue block left")
    with Progress(disable=True) as progress:
        results = check(
            BUNDLE, robot=BUNDLE / "robot.yaml", instructions=instructions, episodes=2, seed=1, progress=progress
        )
    assert won(results, instructions) == (4, 4)
    assert all(result.chunks > 10 and result.invalid == 0 for result in results.values())


def test_a_task_gets_all_the_time_that_it_allows():
    with Progress(disable=True) as progress:
        result = check(
            OF_NINE,
            robot=BUNDLE / "robot.yaml",
            instructions=(SENTENCE_IT_CANNOT_READ,),
            episodes=1,
            seed=0,
            progress=progress,
        )[SENTENCE_IT_CANNOT_READ]
    assert result == Result(1, 0, round(TASKS[SENTENCE_IT_CANNOT_READ].limit_s / OBSERVE_S), result.chunks)


def test_what_was_won_is_counted_over_some_of_the_instructions():
    results = {"a": Result(10, 9, 100, 0), "b": Result(10, 4, 100, 3), "c": Result(10, 0, 100, 0)}
    assert won(results, ("a", "b")) == (13, 20)


def test_a_driver_plans_setpoints_near_the_arm():
    plan = Driver(BUNDLE).plan(GREY, HOME_RAD, "touch the red block", 0.0)
    assert plan.shape == (12, 6)
    assert np.abs(plan[0] - HOME_RAD).max() < 0.2


def test_an_invalid_chunk_leaves_the_last_valid_plan_for_a_while_and_then_the_arm_stays():
    driver = Driver(BUNDLE)
    plan = driver.plan(GREY, HOME_RAD, "touch the red block", 0.0)
    later = [driver.plan(GREY, HOME_RAD, "dance", 0.1 * tick) for tick in (1, 2, 3)]
    assert driver.invalid == 3
    assert later[0][:-1] == pytest.approx(plan[1:])
    assert later[1][0] == pytest.approx(plan[2])
    assert (later[2] == HOME_RAD).all()


def test_a_driver_that_was_reset_has_no_plan_to_go_on_with():
    driver = Driver(BUNDLE)
    driver.plan(GREY, HOME_RAD, "touch the red block", 0.0)
    driver.reset()
    assert (driver.plan(GREY, HOME_RAD, "dance", 0.0) == HOME_RAD).all()
