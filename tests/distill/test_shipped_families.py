"""The families' bundles that ship: small, whole, and each variant listens to what it is told."""

import json

import numpy as np
import pytest

from edgevla.bundle import load_manifest
from edgevla.distill.demonstrations import CAMERA_PX, camera_picture
from edgevla.distill.driver import Driver
from edgevla.distill.sensitivity import Tip
from edgevla.shipped import shipped
from edgevla.sim.world import World

FOLDERS = sorted(path.parent for path in (shipped("so101-tabletop").parent / "families").glob("*/policy.yaml"))


@pytest.fixture(scope="module")
def scene():
    world = World(CAMERA_PX)
    world.reset(11)
    blocks = world.block_positions()
    return {"front": camera_picture(world, "front")}, world.position_rad, blocks


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_it_is_small_and_says_how_it_came_about(folder):
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3e6
    assert set(load_manifest(folder).manifest.graphs) == {"fp32", "int8"}
    stages = json.loads((folder / "log.json").read_text())["stages"]
    assert {"teacher", folder.name} <= set(stages)


@pytest.mark.parametrize("variant", ["fp32", "int8"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_it_goes_towards_the_block_that_was_named(folder, variant, scene):
    pictures, state_rad, blocks = scene
    driver, tip = Driver(folder, variant), Tip()
    sides = {}
    for colour in blocks:
        driver.reset()
        plan_rad = driver.plan(pictures, state_rad, f"touch the {colour} block", 0.0)
        sides[colour] = tip(plan_rad[-1])[1] - tip(state_rad)[1]
    assert driver.invalid == 0
    by_place = sorted(blocks, key=lambda colour: blocks[colour][1])
    by_motion = sorted(sides, key=lambda colour: sides[colour])
    assert (by_motion[0], by_motion[-1]) == (by_place[0], by_place[-1])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_it_refuses_words_that_it_was_not_taught(folder, scene):
    pictures, state_rad, _ = scene
    driver = Driver(folder)
    assert np.array_equal(driver.plan(pictures, state_rad, "dance for me", 0.0)[0], state_rad)
    assert driver.invalid == 1
