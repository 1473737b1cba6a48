"""Chunks are placed by the time of their observation; what is broken is dropped, what is old is not played."""

import math

import pytest

from edgevla.control.limits import Wanted
from edgevla.control.timeline import Timeline
from edgevla.messages import Chunk

HOLD_AFTER_S = 0.3
RAMP = tuple((0.1 * row, -0.1 * row) for row in range(12))


def chunk(t_obs_s=10.0, seq=1, rows=RAMP, rate_hz=10.0, **changes):
    return Chunk(**{"seq": seq, "t_obs_s": t_obs_s, "rate_hz": rate_hz, "actions_rad": rows, "valid": True} | changes)


def timeline(*chunks, now_s=10.0):
    line = Timeline(2, HOLD_AFTER_S)
    for each in chunks:
        assert line.offer(each, now_s) == ""
    return line


def test_row_i_is_played_i_periods_after_the_observation_and_in_between_it_is_linear():
    line = timeline(chunk())
    assert line.wanted(10.0).position_rad == pytest.approx((0.0, 0.0))
    assert line.wanted(10.2).position_rad == pytest.approx((0.2, -0.2))
    assert line.wanted(10.25).position_rad == pytest.approx((0.25, -0.25))
    assert line.wanted(10.25).velocity_rad_s == pytest.approx((1.0, -1.0))


def test_a_late_chunk_is_entered_where_its_age_says_not_at_its_first_row():
    line = Timeline(2, HOLD_AFTER_S)
    line.offer(chunk(), now_s=10.21)
    assert line.wanted(10.21).position_rad == pytest.approx((0.21, -0.21))


def test_behind_its_last_row_the_plan_stands_still():
    line = timeline(chunk(rows=((0.0, 0.0), (0.5, 0.5))))
    assert line.wanted(10.2).position_rad == (0.5, 0.5)
    assert line.wanted(10.2).velocity_rad_s == (0.0, 0.0)


def test_at_the_moment_of_its_last_row_the_plan_already_stands_still():
    line = timeline(chunk(8.0, rate_hz=8.0, rows=((0.0, 0.0), (0.5, -0.5))), now_s=8.0)
    assert line.wanted(8.0625) == Wanted((0.25, -0.25), (4.0, -4.0))
    assert line.wanted(8.125) == Wanted((0.5, -0.5), (0.0, 0.0))


def test_before_its_observation_a_plan_asks_for_its_first_row():
    assert timeline(chunk()).wanted(9.98).position_rad == (0.0, 0.0)


def test_a_plan_older_than_the_hold_time_asks_for_nothing():
    line = timeline(chunk())
    assert line.wanted(10.0 + HOLD_AFTER_S + 1e-6) is None
    assert line.age_s(10.5) == pytest.approx(0.5)


def test_a_plan_as_old_as_the_hold_time_is_still_taken_and_played():
    line = Timeline(2, hold_after_s=0.25)
    assert line.offer(chunk(), now_s=10.25) == ""
    assert line.wanted(10.25).position_rad == pytest.approx((0.25, -0.25))


def test_the_newer_observation_wins_whatever_the_order_of_arrival():
    line = timeline(chunk(10.1, seq=2, rows=((1.0, 1.0),)), chunk(10.0, seq=1, rows=((2.0, 2.0),)), now_s=10.15)
    assert line.wanted(10.15).position_rad == (1.0, 1.0)


def test_what_was_observed_before_a_restart_is_not_played_after_it():
    line = timeline(chunk(10.0))
    line.restart(10.125)
    assert line.chunk is None
    assert line.offer(chunk(10.0, seq=2), now_s=10.2) == ""
    assert line.chunk is None
    assert line.offer(chunk(10.125, seq=3), now_s=10.2) == ""
    assert line.chunk.seq == 3


def test_of_two_plans_from_one_observation_the_later_wins():
    assert timeline(chunk(seq=1), chunk(seq=2)).chunk.seq == 2


def test_a_chunk_that_is_too_old_on_arrival_changes_nothing():
    line = timeline(chunk(10.0))
    assert line.offer(chunk(9.0, seq=2), now_s=10.1) == ""
    assert line.chunk.seq == 1
    assert line.age_s(10.1) == pytest.approx(0.1)
    empty = Timeline(2, HOLD_AFTER_S)
    assert empty.offer(chunk(9.0), now_s=10.0) == ""
    assert empty.chunk is None


@pytest.mark.parametrize(
    "good",
    [
        chunk(10.0 + 0.05),  # the clocks of two processes may differ by this much
        chunk(rate_hz=0.5),
        chunk(rows=((0.0, 0.0),) * 1024),
        chunk(rows=((0.0, 0.0),)),
    ],
)
def test_what_is_just_allowed_is_played(good):
    assert timeline(good).chunk is good


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (chunk(seq=2, valid=False, reason="NaN in the output"), "NaN in the output"),
        (chunk(seq=2, valid=False), "the policy marked its chunk invalid"),
        (chunk(seq=2, rows=((0.0, math.nan),)), "chunk 2 row 0 is not finite"),
        (chunk(seq=2, rows=((0.0, 0.0), (math.inf, 0.0))), "chunk 2 row 1 is not finite"),
        (chunk(seq=2, rows=((0.0,),)), "chunk 2 row 0 has 1 numbers for 2 joints"),
        (chunk(seq=2, rows=((0.0, 0.0), (0.0, 0.0, 0.0))), "chunk 2 row 1 has 3 numbers for 2 joints"),
        (chunk(seq=2, rows=()), "chunk 2 has 0 rows; 1 to 1024 are allowed"),
        (chunk(seq=2, rows=((0.0, 0.0),) * 1025), "chunk 2 has 1025 rows; 1 to 1024 are allowed"),
        (chunk(seq=2, rate_hz=0.0), "chunk 2 has no usable time: t_obs 10.0, rate 0.0 Hz"),
        (chunk(seq=2, rate_hz=-5.0), "chunk 2 has no usable time: t_obs 10.0, rate -5.0 Hz"),
        (chunk(seq=2, rate_hz=math.inf), "chunk 2 has no usable time: t_obs 10.0, rate inf Hz"),
        (chunk(seq=2, rate_hz=math.nan), "chunk 2 has no usable time: t_obs 10.0, rate nan Hz"),
        (chunk(seq=2, t_obs_s=math.nan), "chunk 2 has no usable time: t_obs nan, rate 10.0 Hz"),
        (chunk(seq=2, t_obs_s=-math.inf), "chunk 2 has no usable time: t_obs -inf, rate 10.0 Hz"),
        (chunk(seq=2, t_obs_s=10.151), "chunk 2 was observed 0.051 s in the future"),
    ],
)
def test_a_broken_chunk_is_named_and_drops_the_plan_before_it(broken, why):
    line = timeline(chunk())
    assert line.offer(broken, 10.1) == why
    assert line.chunk is None
    assert line.wanted(10.1) is None


def test_the_age_of_the_last_good_observation_survives_a_dropped_plan():
    line = timeline(chunk())
    line.clear()
    assert line.age_s(10.4) == pytest.approx(0.4)
    assert Timeline(2, HOLD_AFTER_S).age_s(10.0) == math.inf


def test_a_confirmed_chunk_begins_with_its_first_row_now_however_old_its_observation_is():
    line = Timeline(2, HOLD_AFTER_S)
    line.confirm(chunk(10.0), 31.0)
    assert line.wanted(31.0).position_rad == pytest.approx((0.0, 0.0))
    assert line.wanted(31.25).position_rad == pytest.approx((0.25, -0.25))
    assert line.wanted(31.25).velocity_rad_s == pytest.approx((1.0, -1.0))
    assert line.chunk.seq == 1
    assert line.age_s(31.25) == pytest.approx(0.25)


def test_a_confirmed_chunk_is_played_to_its_last_row_and_is_over_there():
    line = Timeline(2, HOLD_AFTER_S)
    line.confirm(chunk(10.0, rate_hz=8.0, rows=((0.0, 0.0),) * 8 + ((1.0, 1.0),)), 32.0)
    assert line.confirmed
    assert line.wanted(32.9375).position_rad == (0.5, 0.5)
    assert not line.over(32.9375)
    assert line.over(33.0)
    assert line.over(34.0)
    assert line.wanted(33.0).velocity_rad_s == (0.0, 0.0)


def test_an_ordinary_chunk_is_never_over():
    line = timeline(chunk())
    assert not line.confirmed
    assert not line.over(1e9)


def test_while_a_confirmed_chunk_is_played_no_other_is_taken_in():
    line = Timeline(2, HOLD_AFTER_S)
    line.confirm(chunk(10.0), 31.0)
    assert line.offer(chunk(31.1, seq=2, rows=((9.0, 9.0),)), 31.2) == ""
    assert line.chunk.seq == 1


def test_a_broken_chunk_drops_a_confirmed_one_too_and_it_still_ends_in_time():
    line = Timeline(2, HOLD_AFTER_S)
    line.confirm(chunk(10.0), 31.0)
    assert line.offer(chunk(31.1, seq=2, valid=False, reason="NaN"), 31.2) == "NaN"
    assert line.wanted(31.2) is None
    assert line.confirmed
    assert line.over(32.2)


def test_after_a_restart_nothing_is_confirmed_any_more():
    line = Timeline(2, HOLD_AFTER_S)
    line.confirm(chunk(10.0), 31.0)
    line.restart(31.5)
    assert not line.confirmed
    assert not line.over(99.0)
    assert line.wanted(31.5) is None
    assert line.offer(chunk(32.0, seq=2), 32.0) == ""
    assert line.wanted(32.0 + HOLD_AFTER_S + 1e-6) is None, "an old plan is old again"
