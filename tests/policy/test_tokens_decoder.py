"""The token family: the best id of each row of logits, only if it is an action; else invalid, never a clipped one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgevla.config.policy_families import Tokens
from edgevla.policy.decode.base import Invalid
from edgevla.policy.decode.tokens import best_ids, token_values
from tests.examples import examples
from tests.policy.decoding import bounds, bundle_of, decode

VOCABULARY, BINS = 20, 4
FIRST, BEHIND = VOCABULARY - BINS, VOCABULARY + 3  # ids 16 to 19 are actions; logits go on behind the vocabulary
SECTION = Tokens(style="openvla", vocabulary_size=VOCABULARY, bins=BINS)
UNITS = bounds((-1.0, -1.0), (1.0, 1.0))


def bundle(section=SECTION, **more):
    return bundle_of("tokens", UNITS, tokens=section, **more)


def rows_of(*best, dtype=np.float32):
    logits = np.zeros((1, len(best), BEHIND), dtype)
    logits[0, np.arange(len(best)), best] = 3.0
    return logits


def test_the_highest_action_id_is_the_lowest_action():
    np.testing.assert_allclose(decode(bundle(), rows_of(19, 18)).actions_rad, [[-2 / 3, 0.0]], atol=1e-7)


def test_the_two_lowest_action_ids_are_both_the_highest_action():
    np.testing.assert_allclose(decode(bundle(), rows_of(17, 16)).actions_rad, [[2 / 3, 2 / 3]], atol=1e-7)


def test_a_chunk_is_read_row_by_row():
    decoded = decode(bundle(horizon=2), rows_of(19, 18, 17, 19))
    np.testing.assert_allclose(decoded.actions_rad, [[-2 / 3, 0.0], [2 / 3, -2 / 3]], atol=1e-7)


def test_a_delta_is_added_to_the_measured_position_except_where_it_is_absolute():
    moving = bundle(action={"kind": "delta", "absolute": ("joint_1",)})
    found = decode(moving, rows_of(19, 19), [0.25, 0.5])
    np.testing.assert_allclose(found.actions_rad, [[0.25 - 2 / 3, -2 / 3]], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("strange", [0, FIRST - 1, VOCABULARY, BEHIND - 1])
def test_a_first_choice_that_is_no_action_invalidates_the_chunk(strange, dtype):
    decoded = decode(bundle(), rows_of(19, strange, dtype=dtype))
    assert not decoded.valid
    assert decoded.actions_rad.size == 0
    assert decoded.reason == f"token 1 is {strange}; actions are 16 to 19"


def test_a_tie_goes_to_the_lowest_id():
    logits = rows_of(18, 18)
    logits[0, 1, 17] = 3.0
    np.testing.assert_allclose(decode(bundle(), logits).actions_rad, [[0.0, 2 / 3]], atol=1e-7)


def test_also_when_the_lowest_id_is_no_action():
    logits = rows_of(18, 18)
    logits[0, 1, 3] = 3.0
    assert decode(bundle(), logits).reason == "token 1 is 3; actions are 16 to 19"


@pytest.mark.parametrize("place", [0, FIRST, BEHIND - 1])
def test_one_nan_anywhere_invalidates_the_chunk(place):
    logits = rows_of(19, 19)
    logits[0, 1, place] = np.nan
    assert "token 1: its logits have a NaN" in decode(bundle(), logits).reason


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_a_row_without_a_finite_maximum_invalidates_the_chunk(value):
    logits = rows_of(19, 19)
    logits[0, 1, :] = value
    assert f"their largest is {value}" in decode(bundle(), logits).reason


def test_minus_infinity_only_rules_an_id_out():
    logits = np.full((1, 2, BEHIND), -np.inf, np.float32)
    logits[0, :, 18] = -1e30
    np.testing.assert_allclose(decode(bundle(), logits).actions_rad, [[0.0, 0.0]], atol=1e-7)


@settings(max_examples=examples(200))
@given(
    hnp.arrays(np.float32, (3, 12), elements=st.sampled_from([-np.inf, -1.0, 0.0, 1.0, 2.0, np.inf, np.nan])),
    st.integers(0, 11),
    st.integers(1, 12),
)
def test_the_choice_is_what_a_plain_loop_chooses(logits, first, count):
    expected = []
    for row in logits.tolist():
        best = max(row) if not np.isnan(row).any() else np.nan
        number = row.index(best) if np.isfinite(best) else -1
        expected.append(number if first <= number < first + count else None)
    if None in expected:
        with pytest.raises(Invalid):
            best_ids(logits, first, count)
    else:
        assert best_ids(logits, first, count).tolist() == expected


@pytest.mark.parametrize("vocabulary", [256, 32_064, 262_144])
@pytest.mark.parametrize(("horizon", "dimensions"), [(1, 1), (1, 7), (5, 7), (2, 32)])
def test_any_size(vocabulary, horizon, dimensions):
    rng = np.random.default_rng(vocabulary + dimensions)
    ids = rng.integers(vocabulary - 256, vocabulary, horizon * dimensions)
    logits = np.zeros((1, len(ids), vocabulary), np.float32)
    logits[0, np.arange(len(ids)), ids] = 1.0
    units = bounds((-1.0,) * dimensions, (1.0,) * dimensions)
    made = bundle_of("tokens", units, horizon=horizon, tokens=Tokens(style="openvla", vocabulary_size=vocabulary))
    middle = np.minimum(vocabulary - 1 - ids, 254).reshape(horizon, dimensions)
    np.testing.assert_allclose(decode(made, logits).actions_rad, (2 * middle - 254) / 255, atol=1e-7)


BY_IDS = Tokens(style="openvla", vocabulary_size=VOCABULARY, bins=BINS, logits=False)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_a_graph_may_choose_the_ids_itself(dtype):
    decoded = decode(bundle(BY_IDS), np.array([[19, 18]], dtype))
    np.testing.assert_allclose(decoded.actions_rad, [[-2 / 3, 0.0]], atol=1e-7)


@pytest.mark.parametrize("strange", [-1, 0, FIRST - 1, VOCABULARY, 2**31 - 1])
def test_and_its_ids_are_not_clipped_either(strange):
    assert decode(bundle(BY_IDS), [[strange, 18]]).reason == f"token 0 is {strange}; actions are 16 to 19"


@pytest.mark.parametrize(
    ("section", "answer", "promised"),
    [
        (SECTION, np.zeros((1, 3, BEHIND), np.float32), "float (1, 2, any)"),
        (SECTION, np.zeros((2, 2, BEHIND), np.float32), "float (1, 2, any)"),
        (SECTION, np.zeros((2, BEHIND), np.float32), "float (1, 2, any)"),
        (SECTION, np.zeros((1, 2, BEHIND), np.int64), "float (1, 2, any)"),
        (SECTION, np.zeros((1, 2, 0), np.float32), "float (1, 2, any)"),
        (BY_IDS, np.zeros((1, 3), np.int64), "int (1, 2)"),
        (BY_IDS, np.zeros((1, 2), np.float32), "int (1, 2)"),
        (BY_IDS, np.zeros((1, 2), bool), "int (1, 2)"),
    ],
)
def test_another_shape_or_dtype_invalidates_the_chunk(section, answer, promised):
    decoded = decode(bundle(section), answer)
    assert not decoded.valid
    assert f"policy.yaml says {promised}" in decoded.reason


def test_where_the_action_ids_are():
    assert Tokens(style="openvla", vocabulary_size=32000).first_id == 31744
    assert Tokens(style="robovlms", vocabulary_size=64000, special_tokens=15).first_id == 64000 - 15 - 256
    assert Tokens(style="rt2", vocabulary_size=32000, first_action_id=1000).first_id == 1000


def test_rt_bins_run_from_end_to_end():
    np.testing.assert_allclose(token_values("rt1", 5), [-1.0, -0.5, 0.0, 0.5, 1.0])


RT2 = Tokens(style="rt2", vocabulary_size=1256, first_action_id=1000, logits=False, stop_id=1001)


def test_a_step_of_rt2_begins_with_the_stop_token():
    decoded = decode(bundle(RT2), [[1000, 1255, 1000]], [0.3, 0.4])
    assert (decoded.valid, decoded.done) == (True, False)
    np.testing.assert_allclose(decoded.actions_rad, [[1.0, -1.0]])


def test_done_is_valid_and_stands_still_where_the_arm_is():
    decoded = decode(bundle(RT2), [[1001, 1255, 1255]], [0.3, 0.4])
    assert (decoded.valid, decoded.done) == (True, True)
    np.testing.assert_array_equal(decoded.actions_rad, [[0.3, 0.4]])


def test_a_stop_token_with_another_meaning_invalidates_the_chunk():
    decoded = decode(bundle(RT2), [[1002, 1128, 1128]])
    assert decoded.reason == "the stop token is [1002]; it means something only as 1000 or 1001"


def test_without_a_stop_id_there_is_no_stop_token():
    section = Tokens(style="rt1", vocabulary_size=256, logits=False)
    assert decode(bundle(section), [[0, 255]]).actions_rad.tolist() == [[-1.0, 1.0]]
