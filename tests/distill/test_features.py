"""Features: each row seen in a few variations, episodes kept apart, and rows in which the sentence is done."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe needs torch; the runtime does not")

from rich.progress import Progress  # noqa: E402 - torch may be missing

from edgevla.distill.batches import Batches, Statistics  # noqa: E402
from edgevla.distill.features import VIEWS, Features, ages, done_rows, look  # noqa: E402
from edgevla.distill.sentences import vocabulary  # noqa: E402
from edgevla.distill.student import FEATURE, Encoder  # noqa: E402

COUNT = 30


@pytest.fixture
def features():
    """Every feature says which view and row it is of; three episodes of ten rows."""
    feature = np.zeros((2, COUNT, 4), np.float16)
    feature[..., 0] = np.arange(COUNT)
    deltas = np.zeros((2, COUNT, 12, 6), np.float32)
    deltas[:, :, 0, 0] = np.arange(COUNT)
    return Features(feature, deltas, np.full((5, 4), -1.0, np.float16), np.tile(np.arange(10), 3))


def test_a_feature_comes_with_its_own_plan(features):
    drawn = features.draw(200, np.random.default_rng(0))
    assert torch.equal(drawn.feature[:, 0], drawn.deltas[:, 0, 0])
    assert not drawn.done.any()


def test_a_share_of_the_features_is_of_what_is_done(features):
    drawn = features.draw(2000, np.random.default_rng(0), done_share=0.1)
    assert drawn.done.float().mean() == pytest.approx(0.1, abs=0.02)
    assert (drawn.feature[drawn.done] == -1.0).all()
    assert (drawn.feature[~drawn.done] != -1.0).any(1).all()


def test_a_row_of_observations_never_reaches_into_another_episode(features):
    drawn, there = features.draw_rows(500, np.random.default_rng(0), 4)
    last = drawn.feature[:, -1, 0]
    assert torch.equal(last, drawn.deltas[:, 0, 0])
    assert there[:, -1].all()
    for back in range(1, 4):
        known = there[:, -1 - back]
        assert torch.equal(drawn.feature[known, -1 - back, 0], last[known] - back)
        assert (last[known].int() % 10 >= back).all()
    assert 0.3 < there[:, 0].float().mean() < 0.9, "whole windows and short pasts are both drawn"


def test_ages_begin_anew_with_an_episode_and_after_a_gap(rows):
    assert ages(rows)[:12].tolist() == [*range(10), 0, 1]
    late = rows.t.copy()
    late[5:10] += 0.1
    assert ages(replace(rows, t=late))[:10].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_an_instruction_is_done_where_the_next_one_begins_with_nothing_moved(rows):
    state, blocks, task = rows.state_rad.copy(), rows.block_m.copy(), np.repeat([3, 4, 4, 5], 10)
    state[10], blocks[10] = state[9] + 0.01, blocks[9]
    state[20], blocks[20] = state[19], blocks[19]  # the same task again: it may not be done
    state[30] = state[29]  # blocks were laid out anew
    row, said = done_rows(replace(rows, state_rad=state, block_m=blocks, task=task))
    assert row.tolist() == [10]
    assert said.tolist() == [3]


@pytest.mark.parametrize("wrist", [False, True])
def test_every_row_is_looked_at_a_few_times_and_never_again(rows, tmp_path, monkeypatch, wrist):
    torch.manual_seed(0)
    encoder = Encoder(len(vocabulary()), wrist=wrist).eval()

    def seen():
        with Progress(disable=True) as progress:
            batches = Batches(rows, Statistics.of(rows), wrist=wrist)
            return look(encoder, batches, rows, tmp_path / "features.npz", seed=0, progress=progress)

    first = seen()
    assert first.feature.shape == (VIEWS, len(rows), FEATURE)
    assert np.abs(first.feature[0] - first.feature[1]).max() > 0.0
    monkeypatch.setattr(Encoder, "forward", lambda *_: pytest.fail("looked again"))
    assert np.array_equal(seen().feature, first.feature)
