"""Demonstrations: labelled rows that can be trusted, in shards that are written once."""

import numpy as np
import pytest
from rich.progress import Progress

from edgevla.distill import demonstrations
from edgevla.distill.demonstrations import EPISODES_PER_SHARD, collect, load, shrink
from edgevla.policy.picture import Picture
from edgevla.shipped import shipped
from edgevla.sim.tasks import INSTRUCTIONS

ROBOT = shipped("so101-tabletop") / "robot.yaml"


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstrations, "EPISODES_PER_SHARD", 3)
        demonstrations._write_shard(folder / "shard-0000.npz", (5, 0), ROBOT, None)
        demonstrations._write_shard(folder / "again.npz", (5, 0), ROBOT, None)
    return folder / "shard-0000.npz"


def test_rows_belong_together(shard):
    samples = load((shard,))
    count = len(samples)
    assert count > 20
    assert samples.front.shape == (count, 96, 96, 3)
    assert samples.front.dtype == np.uint8
    assert samples.state_rad.shape == (count, 6)
    assert samples.plan_rad.shape == (count, 12, 6)
    assert samples.block_m.shape == (count, 2)
    assert ((samples.task >= 0) & (samples.task < len(INSTRUCTIONS))).all()


def test_plans_start_where_the_arm_is(shard):
    samples = load((shard,))
    assert np.abs(samples.plan_rad[:, 0] - samples.state_rad).max() < 0.15


def test_a_seed_gives_the_same_shard(shard):
    first, again = load((shard,)), load((shard.with_name("again.npz"),))
    assert np.array_equal(first.plan_rad, again.plan_rad)
    assert np.array_equal(first.front, again.front)


def test_shards_are_put_together_in_order(shard):
    one, two = load((shard,)), load((shard, shard))
    assert len(two) == 2 * len(one)
    assert np.array_equal(two.task[: len(one)], two.task[len(one) :])


def test_a_shard_that_is_there_is_not_computed_again(shard):
    before = shard.read_bytes()
    with Progress(disable=True) as progress:
        shards = collect(shard.parent, EPISODES_PER_SHARD, robot=ROBOT, seed=99, progress=progress)
    assert shards == (shard,)
    assert shard.read_bytes() == before


def test_no_half_written_shard_is_left(shard):
    assert not list(shard.parent.glob("*.draft"))


def test_training_and_runtime_see_the_same_numbers():
    picture = np.random.default_rng(0).integers(0, 255, (288, 288, 3), dtype=np.uint8)
    assert Picture(96, 96)(picture)[0] == pytest.approx(shrink(picture).transpose(2, 0, 1) / 255.0, abs=1e-6)
