"""The INT8 variants that ship: there, small, lint-free, and close to fp32 on pictures of the simulated table."""

from __future__ import annotations

import numpy as np
import pytest

from edgevla.bundle import load_manifest
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.policy.preprocess import cameras_of
from edgevla.quantize.deviation import compare
from edgevla.shipped import shipped
from edgevla.sim.expert import Expert
from edgevla.sim.tasks import TASKS
from edgevla.sim.world import World

FOLDER = shipped("so101-tabletop")
VARIANTS = ("int8", "int8-cpu")


@pytest.fixture(scope="module")
def observations():
    """Two from each sentence: before anything has moved, and half a second into the expert's plan."""
    world, expert, manifest = World(), Expert(), load_manifest(FOLDER).manifest
    seen = []
    for number, sentence in enumerate(manifest.language.instructions):
        world.reset(770_000 + number)
        for row in (0, 5):
            plan_rad = expert.plan(world.position_rad, world.block_poses(), TASKS[sentence])
            if row:
                world.place_arm(plan_rad[row])
            state_rad = np.array(world.position_rad)
            pictures = {camera: world.render(camera) for camera in cameras_of(manifest)}
            seen.append(Observation(0.0, pictures, state_rad, sentence))
    return seen


@pytest.fixture(scope="module")
def actions(observations):
    def act(variant):
        policy = load_policy(FOLDER, variant)
        return np.array([policy.act(each, 0).actions_rad for each in observations])

    return {variant: act(variant) for variant in ("fp32", *VARIANTS)}


@pytest.mark.parametrize(("variant", "share"), [("int8", 0.4), ("int8-cpu", 0.6)])
def test_it_is_smaller(variant, share):
    bundle = load_manifest(FOLDER)
    assert bundle.graph(variant).stat().st_size <= share * bundle.graph("fp32").stat().st_size


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_stays_inside_the_bundle_s_budget(actions, observations, variant):
    manifest = load_manifest(FOLDER).manifest
    states = np.array([each.state_rad for each in observations])
    deviation = compare(manifest.joints, actions["fp32"], actions[variant], states)
    assert deviation.share_of(manifest.quantisation) <= 1.0
    assert deviation.cosine.min > 0.98
