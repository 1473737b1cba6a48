"""Looks: the scene's own is untouched, others change pictures and nothing else, a condition changes its one thing."""

import numpy as np
import pytest

from edgevla.sim.look import CONDITIONS, Look, drawn_look, look_for
from edgevla.sim.world import World

PLAIN = Look()


@pytest.fixture(scope="module")
def world():
    return World(image_size=96)


def pictures(world):
    return {camera: world.render(camera).copy() for camera in ("front", "wrist")}


def seen_under(world, look):
    world.reset(4)
    world.apply(look)
    return pictures(world)


def same(first, second):
    return {camera: np.array_equal(first[camera], second[camera]) for camera in first}


def test_the_plain_look_is_the_scene_as_it_was_compiled(world):
    untouched = World(image_size=96)
    untouched.reset(4)
    assert all(same(seen_under(world, PLAIN), pictures(untouched)).values())
    untouched.close()


@pytest.mark.parametrize("seed", range(8))
def test_nothing_of_a_look_stays_behind(world, seed):
    before = seen_under(world, PLAIN)
    assert not all(same(seen_under(world, drawn_look(seed)), before).values())
    assert all(same(seen_under(world, PLAIN), before).values())


def test_a_look_changes_no_motion(world):
    ends = []
    for look in (PLAIN, drawn_look(1), look_for("distractor", 1)):
        world.reset(4)
        world.apply(look)
        world.torque_on[:] = True
        world.goal_rad[:] += 0.3
        for _ in range(200):
            world.step()
        ends.append(world.pose(0.0))
    assert ends[0] == ends[1] == ends[2]


def test_a_seed_gives_the_same_look():
    assert drawn_look(7) == drawn_look(7) != drawn_look(8)
    assert look_for("light", 7) == look_for("light", 7) != look_for("light", 8)


@pytest.mark.parametrize("condition", ["nominal", "paraphrase"])
def test_these_conditions_look_plain(condition):
    assert look_for(condition, 3) == PLAIN


@pytest.mark.parametrize(
    ("condition", "changed"),
    [
        ("light", {"brightness", "tint", "light_from"}),
        ("camera-shift", {"camera_shift_m", "camera_turn_rad"}),
        ("distractor", {"things"}),
    ],
)
def test_a_condition_changes_its_one_thing(condition, changed):
    for seed in range(20):
        look = look_for(condition, seed)
        assert {name for name in Look.__slots__ if getattr(look, name) != getattr(PLAIN, name)} == changed


def test_there_is_no_other_condition():
    assert {*CONDITIONS} == {"nominal", "paraphrase", "light", "camera-shift", "distractor"}
    with pytest.raises(ValueError, match="fog"):
        look_for("fog", 0)


def test_light_and_camera_are_judged_at_the_edge_of_what_training_draws():
    drawn = [drawn_look(seed) for seed in range(400)]
    darkest, brightest = min(look.brightness for look in drawn), max(look.brightness for look in drawn)
    for seed in range(50):
        brightness = look_for("light", seed).brightness
        assert darkest - 0.01 < brightness < 0.76 or 1.24 < brightness < brightest + 0.01
        shifted = look_for("camera-shift", seed)
        assert np.linalg.norm(shifted.camera_shift_m) == pytest.approx(0.02)
        assert np.linalg.norm(shifted.camera_turn_rad) == pytest.approx(np.radians(2.0))
    farthest = max(np.linalg.norm(look.camera_shift_m) for look in drawn)
    assert 0.02 < farthest < 0.035


def test_training_never_shows_the_things_it_is_judged_with():
    drawn = [thing for seed in range(200) for thing in drawn_look(seed).things]
    judged = [thing for seed in range(50) for thing in look_for("distractor", seed).things]
    assert not {thing.shape for thing in drawn} & {thing.shape for thing in judged}
    assert not {thing.rgb for thing in drawn} & {thing.rgb for thing in judged}
    assert len({thing.shape for thing in judged}) > 1


def test_things_lie_apart_and_outside_of_where_blocks_are(world):
    for seed in range(100):
        things = [thing.at_m for thing in (*drawn_look(seed).things, *look_for("distractor", seed).things)]
        assert all(x < 0.145 or x > 0.33 for x, _ in things)


def test_every_thing_is_in_the_picture(world):
    for seed in range(6):
        things = look_for("distractor", seed).things
        before = seen_under(world, PLAIN)["front"].astype(int)
        for thing in things:
            one = seen_under(world, Look(things=(thing,)))["front"].astype(int)
            assert (np.abs(one - before).max(axis=2) > 25).sum() > 3, thing


def test_the_picture_moves_as_its_camera_does(world):
    """The front camera faces the arm: moved to its own right, everything goes left in its picture."""
    plain, shifted = (
        seen_under(world, look)["front"].astype(float) for look in (PLAIN, Look(camera_shift_m=(0.02, 0.0, 0.0)))
    )
    columns = []
    for picture in (plain, shifted):
        red = np.argwhere((picture[:, :, 0] > 80.0) & (picture[:, :, 1:].max(axis=2) < 0.6 * picture[:, :, 0]))
        columns.append(red[:, 1].mean())
    assert -6.0 < columns[1] - columns[0] < -2.0
    assert np.array_equal(
        seen_under(world, Look(camera_shift_m=(0.02, 0.0, 0.0)))["wrist"], seen_under(world, PLAIN)["wrist"]
    )
