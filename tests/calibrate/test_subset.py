"""A stream goes past; what stays is spread out at every moment."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.calibrate.subset import Spread
from tests.examples import examples


def closest(points):
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return distances[~np.eye(len(points), dtype=bool)].min()


def run(stream, capacity):
    spread, kept = Spread(capacity, stream.shape[1]), {}
    for point in stream:
        place = spread.offer(point)
        if place is not None:
            kept[place] = point
    return spread, np.array(list(kept.values()))


def test_the_first_ones_are_all_kept_but_never_twice_the_same():
    spread = Spread(3, 1)
    assert [spread.offer(np.array([x])) for x in (0.0, 0.0, 1.0)] == [0, None, 1]
    assert len(spread) == 2


def test_a_full_set_gives_the_place_of_one_of_the_two_most_alike_to_who_stands_farther():
    spread = Spread(3, 1)
    for x in (0.0, 1.0, 10.0):
        spread.offer(np.array([x]))
    assert spread.offer(np.array([10.5])) is None  # nearer to 10 than 0 is to 1
    assert spread.offer(np.array([5.0])) == 1  # of 0 and 1, 1 is the one nearer to the rest
    assert spread.closest == 5.0


@settings(max_examples=examples(30))
@given(seed=st.integers(0, 2**32 - 1), capacity=st.integers(2, 12))
def test_the_smallest_distance_never_shrinks_and_is_the_one_of_the_members(seed, capacity):
    stream = np.random.default_rng(seed).normal(size=(80, 3))
    spread, smallest = Spread(capacity, 3), 0.0
    kept = {}
    for point in stream:
        place = spread.offer(point)
        if place is not None:
            kept[place] = point
        if len(spread) == capacity:
            assert spread.closest >= smallest
            smallest = spread.closest
    assert np.isclose(smallest, closest(np.array([kept[place] for place in sorted(kept)])))


def test_it_is_nearly_as_spread_out_as_farthest_point_selection_that_sees_everything_at_once():
    stream = np.random.default_rng(3).normal(size=(2000, 5))
    _, kept = run(stream, 32)
    chosen = [0]
    distances = np.linalg.norm(stream - stream[0], axis=1)
    while len(chosen) < 32:
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, np.linalg.norm(stream - stream[chosen[-1]], axis=1))
    at_random = closest(stream[:32])
    assert closest(kept) > 0.6 * closest(stream[chosen])
    assert closest(kept) > 2.0 * at_random
