"""The field for closed jaws: above or beside a block, before or behind it, it says where to go."""

import numpy as np
import pytest

from edgevla.sim.expert_tip import tip_velocity
from edgevla.sim.tasks import TASKS

BLOCK = np.array([0.22, 0.0, 0.015])


def test_low_and_far_from_its_block_it_rises_before_it_travels():
    velocity = tip_velocity(np.array([0.22, 0.12, 0.015]), BLOCK, TASKS["touch the red block"])
    assert velocity[2] > 0.05
    assert np.abs(velocity[:2]).max() < 1e-9


def test_above_its_block_it_descends():
    velocity = tip_velocity(np.array([0.22, 0.0, 0.07]), BLOCK, TASKS["touch the red block"])
    assert velocity[2] < -0.05


@pytest.mark.parametrize(("direction", "sign"), [("left", -1.0), ("right", 1.0)])
def test_low_behind_its_block_it_pushes_on(direction, sign):
    behind = BLOCK + np.array([0.0, -sign * 0.04, 0.001])
    velocity = tip_velocity(behind, BLOCK, TASKS[f"push the red block {direction}"])
    assert sign * velocity[1] > 0.05
    assert abs(velocity[2]) < 0.02


def test_on_the_wrong_side_of_its_block_it_goes_round_above():
    velocity = tip_velocity(BLOCK + np.array([0.0, 0.04, 0.001]), BLOCK, TASKS["push the red block right"])
    assert velocity[2] > 0.05
