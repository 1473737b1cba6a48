"""Noise by counter: Philox as its authors publish it, normals as the formula gives them, the layout kernels share."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.policy.decode.noise import box_muller, noise_key, normals, philox

words = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, expected):
    assert tuple(philox(np.array(counter, np.uint64)[:, np.newaxis], key)[:, 0]) == expected


@given(words, words)
def test_two_words_become_two_normals(radius_word, angle_word):
    x, y = box_muller(np.array([radius_word], np.uint32), np.array([angle_word], np.uint32))
    radius = math.sqrt(-2.0 * math.log(((radius_word >> 8) + 1) / 2**24))
    angle = math.tau * ((angle_word >> 30) / 4 + (((angle_word >> 6) & 0xFFFFFF) / 2**24 - 0.5) / 4)
    assert (x.dtype, y.dtype) == (np.float32, np.float32)
    assert x[0] == pytest.approx(radius * math.cos(angle), abs=2e-6)
    assert y[0] == pytest.approx(radius * math.sin(angle), abs=2e-6)


def test_the_ends_of_the_radius_are_finite():
    ends = np.array([0, 2**32 - 1], np.uint32)
    x, y = box_muller(ends, np.array([1 << 29, 1 << 29], np.uint32))  # an angle of 0
    np.testing.assert_allclose(x, [math.sqrt(48 * math.log(2.0)), 0.0], rtol=1e-6)
    assert (y == 0).all()


def test_the_layout_is_the_documented_one():
    seed, chunk, draw = 2**40 + 5, 2**33 + 7, 3
    blocks = np.array([[0, 1], [draw] * 2, [7] * 2, [2] * 2], np.uint64)
    r = philox(blocks, (5, 2**8)).astype(np.uint32)
    front, back = box_muller(r[0], r[1]), box_muller(r[2], r[3])
    expected = np.stack([*front, *back], axis=1).reshape(-1)[:6].reshape(2, 3)
    np.testing.assert_array_equal(normals((2, 3), noise_key(seed, chunk), draw), expected)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_key_holds_both_numbers_low_word_first(seed, chunk):
    key = noise_key(seed, chunk).tolist()
    assert (key[0] + (key[1] << 32), key[2] + (key[3] << 32)) == (seed, chunk)


def test_a_number_does_not_depend_on_how_many_are_made():
    key = noise_key(1, 2)
    np.testing.assert_array_equal(normals((50, 32), key, 0).ravel()[:7], normals((7,), key, 0))


def test_many_draws_at_once_are_each_the_one():
    key = noise_key(1, 2)
    together = normals((3, 5), key, np.array([4, 0, 2]))
    np.testing.assert_array_equal(together, [normals((3, 5), key, draw) for draw in (4, 0, 2)])


def test_seed_chunk_and_draw_each_change_all_numbers():
    numbers = [
        normals((8, 8), noise_key(seed, chunk), draw)
        for seed, chunk, draw in [(0, 0, 0), (1, 0, 0), (2**32, 0, 0), (0, 1, 0), (0, 2**32, 0), (0, 0, 1)]
    ]
    for index, one in enumerate(numbers):
        assert all((one != other).mean() > 0.95 for other in numbers[index + 1 :])


def test_the_numbers_are_normal():
    numbers = np.sort(normals((400, 500), noise_key(7, 3), 0).ravel().astype(np.float64))
    normal = 0.5 * (1.0 + np.vectorize(math.erf)(numbers / math.sqrt(2.0)))
    distance = np.abs(normal - (np.arange(len(numbers)) + 0.5) / len(numbers)).max()
    assert distance < 1.95 / math.sqrt(len(numbers))  # Kolmogorov and Smirnov, one in a thousand
    neighbours = normals((1000, 4), noise_key(7, 4), 0).astype(np.float64)
    assert np.abs(np.corrcoef(neighbours.T) - np.eye(4)).max() < 0.15
