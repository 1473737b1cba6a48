"""What a person has looked at is played only if it is the very same chunk, soon after, with the arm where it was."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.control.proposal import Proposal
from edgevla.messages import Chunk
from tests.examples import examples

HERE = (0.5, -0.25)
TWO_DEG_RAD = math.radians(2.0)


def chunk(seq=7, t_obs_s=100.0, rows=12, rate_hz=10.0):
    return Chunk(seq=seq, t_obs_s=t_obs_s, rate_hz=rate_hz, actions_rad=((0.0, 0.0),) * rows, valid=True)


def proposal(*chunks, measured_rad=HERE):
    made = Proposal()
    for each in chunks:
        made.offer(each, measured_rad)
    return made


def test_the_chunk_in_hand_is_handed_out_whole():
    seen = chunk()
    made = proposal(seen)
    assert made.seq == 7
    assert made.take(7, HERE, 100.5) is seen
    assert made.take(7, HERE, 100.5) is seen, "asking forgets nothing"


def test_without_a_chunk_there_is_nothing_to_confirm():
    made = proposal()
    assert made.seq == -1
    assert made.take(-1, HERE, 100.0) == "there is no chunk to confirm"


def test_a_newer_chunk_takes_the_place_of_the_one_that_was_seen():
    assert proposal(chunk(7), chunk(8)).take(7, HERE, 100.5) == "the chunk in hand is 8, not 7"


@pytest.mark.parametrize("seq", [6, 8, -1, 0])
def test_another_number_is_refused(seq):
    assert proposal(chunk(7)).take(seq, HERE, 100.5) == f"the chunk in hand is 7, not {seq}"


def test_what_was_seen_half_a_minute_ago_is_too_old():
    made = proposal(chunk(t_obs_s=100.0))
    assert isinstance(made.take(7, HERE, 130.0), Chunk)
    assert made.take(7, HERE, 130.5) == "what was seen is 30 s old"
    assert made.take(7, HERE, 143.0) == "what was seen is 43 s old"


@pytest.mark.parametrize("joint", [0, 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_joint_may_have_moved_two_degrees_and_no_more(joint, sign):
    made = proposal(chunk(), measured_rad=(0.0, 0.0))
    within, beyond = [0.0, 0.0], [0.0, 0.0]
    within[joint], beyond[joint] = sign * TWO_DEG_RAD, sign * (TWO_DEG_RAD + 1e-9)
    assert isinstance(made.take(7, within, 100.5), Chunk)
    assert made.take(7, beyond, 100.5) == "the arm has moved since it was planned"


@pytest.mark.parametrize("reading", [math.nan, math.inf, -math.inf])
def test_a_reading_that_is_no_number_refuses(reading):
    assert isinstance(proposal(chunk()).take(7, (0.5, reading), 100.5), str)


def test_a_reading_for_another_number_of_joints_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        proposal(chunk()).take(7, (0.5,), 100.5)


def test_one_look_reaches_ten_seconds_far():
    assert isinstance(proposal(chunk(rows=101)).take(7, HERE, 100.5), Chunk)
    words = "the chunk lasts 10.1 s; at most 10 s can be confirmed at once"
    assert proposal(chunk(rows=102)).take(7, HERE, 100.5) == words


def test_a_chunk_that_was_cleared_is_gone_and_a_new_one_is_taken():
    made = proposal(chunk(7))
    made.clear()
    assert made.seq == -1
    made.offer(chunk(8), HERE)
    assert made.seq == 8


def test_after_a_restart_nothing_that_was_observed_before_it_is_taken():
    made = proposal(chunk(7))
    made.restart(101.0)
    assert made.seq == -1
    made.offer(chunk(8, t_obs_s=100.9), HERE)
    assert made.seq == -1
    made.offer(chunk(9, t_obs_s=101.0), HERE)
    assert made.seq == 9


@settings(max_examples=examples(300), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(99.0, 101.0)), max_size=4),
    st.integers(-1, 4),
    st.tuples(*[st.floats(-0.1, 0.1) | st.sampled_from([math.nan, TWO_DEG_RAD, -TWO_DEG_RAD])] * 2),
    st.floats(99.0, 140.0),
)
def test_only_the_newest_chunk_seen_lately_by_an_arm_that_stood_is_ever_played(offers, seq, at_rad, now_s):
    made = proposal(*(chunk(each, t_obs_s) for each, t_obs_s in offers), measured_rad=(0.0, 0.0))
    taken = made.take(seq, at_rad, now_s)
    if isinstance(taken, Chunk):
        assert (taken.seq, taken.t_obs_s) == offers[-1]
        assert taken.seq == seq
        assert now_s - taken.t_obs_s <= 30.0
        assert max(map(abs, at_rad)) <= TWO_DEG_RAD
    else:
        assert taken, "a refusal has its reason"
