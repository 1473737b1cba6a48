"""The store: rows of many shards in order, once, with episodes told apart."""

from dataclasses import asdict, replace

import numpy as np

from edgevla.distill.store import blocks_of, gather, taken


def write(rows, path):
    np.savez(path, **asdict(rows))
    return path


def test_rows_of_all_shards_stand_in_order(rows, tmp_path):
    other = replace(rows, state_rad=rows.state_rad + 1.0)
    shards = (write(rows, tmp_path / "a.npz"), write(other, tmp_path / "b.npz"))
    whole = gather(shards, tmp_path)
    assert len(whole) == 2 * len(rows)
    assert np.array_equal(whole.front[: len(rows)], rows.front)
    assert np.array_equal(whole.state_rad[len(rows) :], other.state_rad)


def test_episodes_of_two_shards_are_not_mixed_up(rows, tmp_path):
    shards = (write(rows, tmp_path / "a.npz"), write(replace(rows, episode=rows.episode + 100), tmp_path / "b.npz"))
    assert np.array_equal(np.unique(gather(shards, tmp_path).episode), np.arange(8))


def test_shards_that_were_gathered_are_not_read_again(rows, tmp_path):
    shard = write(rows, tmp_path / "a.npz")
    gather((shard,), tmp_path)
    shard.write_bytes(b"x" * shard.stat().st_size)
    assert len(gather((shard,), tmp_path)) == len(rows)


def test_other_shards_are_another_store(rows, tmp_path):
    first, second = write(rows, tmp_path / "a.npz"), write(rows, tmp_path / "b.npz")
    assert len(gather((first,), tmp_path)) != len(gather((first, second), tmp_path))


def test_pictures_come_in_the_order_they_were_asked_for(rows):
    index = np.array([7, 0, 7, 3])
    assert np.array_equal(taken(rows.front, index), rows.front[index])


def test_blocks_cover_every_row_once(rows):
    seen = np.concatenate([np.arange(len(rows))[block] for block in blocks_of(rows, 7)])
    assert np.array_equal(seen, np.arange(len(rows)))
