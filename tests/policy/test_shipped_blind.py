"""The shipped policy holds still when a camera shows nothing: a cap on a lens must not make the arm reach blindly."""

import itertools

import numpy as np
import pytest

from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.shipped import shipped
from edgevla.sim.world import CAMERAS, World

STILL_RAD, MOVING_RAD = 0.15, 0.3


@pytest.fixture(scope="module")
def policy():
    return load_policy(shipped("so101-tabletop"))


@pytest.fixture(scope="module")
def seen(policy):
    """One picture of each camera and the measured positions, for every sentence."""
    world = World()
    views = []
    for number, sentence in enumerate(policy.manifest.language.instructions):
        world.reset(880_100 + number)
        pictures = {camera: world.render(camera) for camera in CAMERAS}
        views.append((sentence, pictures, np.array(world.position_rad)))
    world.close()
    return views


def largest_motion_rad(policy, sentence, pictures, state_rad):
    chunk = policy.act(Observation(0.0, pictures, state_rad, sentence), 1)
    assert chunk.valid, chunk.reason
    return np.abs(np.array(chunk.actions_rad) - state_rad).max()


def test_it_moves_when_it_sees(policy, seen):
    assert min(largest_motion_rad(policy, *view) for view in seen) > MOVING_RAD


@pytest.mark.parametrize("covered", [*itertools.combinations(CAMERAS, 1), CAMERAS], ids=" and ".join)
def test_it_holds_still_when_a_camera_is_black(policy, seen, covered):
    for sentence, pictures, state_rad in seen:
        black = {camera: np.zeros_like(pictures[camera]) for camera in covered}
        assert largest_motion_rad(policy, sentence, {**pictures, **black}, state_rad) < STILL_RAD
