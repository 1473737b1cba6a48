"""Demonstrations: labelled rows that can be trusted, in shards that are written once."""

import io
from dataclasses import fields

import numpy as np
import pytest
from rich.progress import Progress

from edgevla.config.load import load_robot
from edgevla.distill import demonstrations
from edgevla.distill.demonstrations import EPISODES_PER_SHARD, Settings, collect, make_shard, shrink
from edgevla.distill.disturbance import disturbance
from edgevla.distill.store import Rows
from edgevla.policy.picture import Picture
from edgevla.shipped import shipped
from edgevla.sim.tasks import EXTENDED, TASKS

BUNDLE = shipped("so101-tabletop")
ROBOT = BUNDLE / "robot.yaml"
SEED = 6
SENTENCES = ("touch the red block", "push the blue block left", "grasp the green block")


def settings(**changes):
    plain = {"instructions": SENTENCES, "looks": 1.0, "driver": None, "episodes": 3}
    return Settings(robot=load_robot(ROBOT), **(plain | changes))


def rows_of(content):
    with np.load(io.BytesIO(content)) as shard:
        return Rows(**{field.name: shard[field.name] for field in fields(Rows)})


@pytest.fixture(scope="module")
def content():
    return make_shard((settings(), SEED, 2))


@pytest.fixture(scope="module")
def rows(content):
    return rows_of(content)


def test_rows_belong_together(rows):
    count = len(rows)
    assert count > 40
    assert rows.front.shape == rows.wrist.shape == (count, 96, 96, 3)
    assert rows.front.dtype == rows.wrist.dtype == np.uint8
    assert rows.state_rad.shape == (count, 6)
    assert rows.plan_rad.shape == (count, 12, 6)
    assert rows.block_m.shape == (count, 3, 3)
    assert {EXTENDED[task] for task in rows.task} <= {*SENTENCES}
    assert len(set(rows.task)) > 1


def test_episodes_are_numbered_over_all_shards_and_timed_from_their_start(rows):
    assert [*np.unique(rows.episode)] == [6, 7, 8]
    for episode in np.unique(rows.episode):
        mine = rows.episode == episode
        assert len(set(rows.task[mine])) == 1
        assert rows.t[mine] == pytest.approx(0.1 * np.arange(mine.sum()), abs=1e-3)


def test_plans_start_where_the_arm_is(rows):
    assert np.abs(rows.plan_rad[:, 0, :5] - rows.state_rad[:, :5]).max() < 0.2


def test_a_seed_and_a_number_give_the_same_shard():
    one, again, other = (make_shard((settings(episodes=1), SEED, number)) for number in (2, 2, 3))
    assert one == again
    assert not np.array_equal(rows_of(one).front[0], rows_of(other).front[0])


def test_looks_change_the_pictures_and_not_the_plans(rows):
    plain = rows_of(make_shard((settings(looks=0.0, episodes=1), SEED, 2)))
    assert np.array_equal(plain.state_rad[0], rows.state_rad[0])
    assert np.array_equal(plain.plan_rad[0], rows.plan_rad[0])
    assert not np.array_equal(plain.front[0], rows.front[0])


def test_a_policy_may_drive_while_the_expert_labels(rows):
    driven = rows_of(make_shard((settings(driver=BUNDLE, instructions=SENTENCES[:1], episodes=1), SEED, 2)))
    assert np.abs(driven.plan_rad[:, 0, :5] - driven.state_rad[:, :5]).max() < 0.2
    assert len(driven) > 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch, Progress(disable=True) as progress:
        patch.setattr(demonstrations, "EPISODES_PER_SHARD", 2)
        collect(folder, 4, instructions=SENTENCES[:1], robot=ROBOT, seed=1, progress=progress)
    return folder


def test_episodes_go_into_whole_shards(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["shard-0000.npz", "shard-0001.npz"]
    first, second = (rows_of(path.read_bytes()) for path in sorted(folder.iterdir()))
    assert {*first.episode} == {0, 1}
    assert {*second.episode} == {2, 3}


def test_a_shard_that_is_there_is_not_computed_again(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with Progress(disable=True) as progress:
        shards = collect(folder, 2 * EPISODES_PER_SHARD, robot=ROBOT, seed=99, progress=progress)
    assert {path: path.read_bytes() for path in shards} == before


def test_a_ray_cluster_makes_the_same_shards(folder, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="no Ray here: pip install 'edgevla[ray]'")
    monkeypatch.setattr(demonstrations, "EPISODES_PER_SHARD", 2)
    with Progress(disable=True) as progress:
        shards = collect(tmp_path, 4, instructions=SENTENCES[:1], robot=ROBOT, seed=1, ray="local", progress=progress)
    assert [path.read_bytes() for path in shards] == [path.read_bytes() for path in sorted(folder.iterdir())]


def test_training_and_runtime_see_the_same_numbers():
    picture = np.random.default_rng(0).integers(0, 255, (288, 288, 3), dtype=np.uint8)
    assert Picture(96, 96)(picture)[0] == pytest.approx(shrink(picture).transpose(2, 0, 1) / 255.0, abs=1e-6)


def test_only_a_hand_that_carries_is_shaken_open():
    for sentence, may in (("touch the red block", False), ("put the red block on the left side", True)):
        pushes = [disturbance(np.random.default_rng(seed), TASKS[sentence]) for seed in range(100)]
        assert 20 < pushes.count(None) < 40
        offsets_rad = np.array([[push(t_s) for t_s in np.arange(0.0, 8.0, 0.1)] for push in pushes if push])
        assert 0.03 < np.abs(offsets_rad[:, :, :5]).max() < 0.25
        assert (offsets_rad[:, :, 5].max() > 0.25) == may
