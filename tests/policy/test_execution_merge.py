"""Joining plans: matched by time, whatever came late, early or not at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.policy.execution.merge import blend, ensemble, fade, tied_rows
from edgevla.policy.execution.plan import Plan

RATE_HZ = 10.0
times = st.floats(0.0, 2.0)


def line(t_obs_s, rows=12, offset=0.0, rate_hz=RATE_HZ):
    """A plan along one line that all plans agree on: whatever is made of such plans lies on it, or offset from it."""
    due_s = t_obs_s + np.arange(rows) / rate_hz
    return Plan(t_obs_s, rate_hz, np.stack([due_s, -2.0 * due_s], axis=1) + offset)


def constant(t_obs_s, value, rows=12):
    return Plan(t_obs_s, RATE_HZ, np.full((rows, 1), value))


def test_a_plan_is_linear_between_its_rows_and_silent_before_and_behind_them():
    plan = Plan(10.0, RATE_HZ, np.array([[0.0], [1.0], [3.0]]))
    said, covered = plan.at(np.array([9.9, 10.0, 10.05, 10.15, 10.2, 10.21]))
    assert covered.tolist() == [False, True, True, True, True, False]
    np.testing.assert_allclose(said[covered, 0], [0.0, 0.5, 2.0, 3.0])


def test_a_time_that_misses_the_first_or_last_row_by_rounding_only_is_still_covered():
    assert 0.3 < 0.1 + 0.2
    assert line(0.1 + 0.2).at(np.array([0.3]))[1].all()
    assert Plan(0.3, RATE_HZ, np.zeros((1, 2))).at(np.array([0.1 + 0.2]))[1].all()


@given(times, st.lists(times, min_size=1, max_size=6), st.floats(0.0, 2.0))
def test_plans_that_agree_are_left_as_they_are_on_no_grid_and_in_any_number(newest_s, older_s, decay):
    newest = line(2.0 + newest_s)
    plans = [*(line(each) for each in sorted(older_s)), newest]
    np.testing.assert_allclose(ensemble(plans, decay).rows_rad, newest.rows_rad, atol=1e-12)
    np.testing.assert_allclose(blend(newest, plans[0], 0.3).rows_rad, newest.rows_rad, atol=1e-12)
    np.testing.assert_allclose(fade(newest, plans[0], 2, 6).rows_rad, newest.rows_rad, atol=1e-12)


@given(st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=5), st.floats(0.0, 1.0))
def test_a_mean_never_leaves_what_was_planned(values, share):
    plans = [constant(0.07 * number, value) for number, value in enumerate(values)]
    for joined in (ensemble(plans, share), blend(plans[-1], plans[-2], share), fade(plans[-1], plans[-2], 3, 9)):
        assert min(values) - 1e-12 <= joined.rows_rad.min()
        assert joined.rows_rad.max() <= max(values) + 1e-12


def test_in_the_ensemble_the_oldest_that_says_something_weighs_most():
    plans = [constant(0.0, 1.0, rows=3), constant(0.1, 0.0), constant(0.2, 0.0)]
    w = math.exp(-0.5)
    expected = [1.0 / (1.0 + w + w * w), *[0.0] * 11]  # the first plan reaches one row of the last
    np.testing.assert_allclose(ensemble(plans, 0.5).rows_rad[:, 0], expected)
    equal = ensemble(plans, 0.0).rows_rad[:, 0]
    assert equal[0] == pytest.approx(1 / 3)


def test_a_missing_chunk_does_not_shift_the_others():
    every = [line(0.1 * number, offset=number) for number in range(4)]
    without = [every[0], every[1], every[3]]
    found = ensemble(without, 0.0).rows_rad - line(0.3).rows_rad
    np.testing.assert_allclose(found[:8], (0 + 1 + 3) / 3, atol=1e-12)


def test_a_blend_keeps_its_share_of_the_old_plan_where_there_is_one():
    joined = blend(constant(0.4, 1.0), constant(0.0, 0.0), 0.3)
    np.testing.assert_allclose(joined.rows_rad[:, 0], [0.7] * 8 + [1.0] * 4)


def test_fading_keeps_the_frozen_rows_and_ends_in_the_new_plan():
    joined = fade(constant(0.4, 1.0), constant(0.0, 0.0), 3, 6).rows_rad[:, 0]
    np.testing.assert_allclose(joined, [0.0, 0.0, 0.0, 0.25, 0.5, 0.75] + [1.0] * 6, atol=1e-7)


@given(times, st.integers(1, 8))
def test_at_the_moment_of_arrival_the_faded_plan_is_the_one_that_was_played(shift_s, delay_rows):
    sent, plan = line(0.0, rows=40, offset=0.5), line(shift_s, rows=40)
    frozen, guided = tied_rows(plan, sent, delay_rows, 12)
    arrival_s = np.array([plan.t_obs_s + (frozen - 1) / RATE_HZ])
    np.testing.assert_allclose(fade(plan, sent, frozen, guided).at(arrival_s)[0], sent.at(arrival_s)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("delay_rows", "guided_rows", "tied"),
    [
        (3, 6, (3, 6)),
        (0, 6, (0, 6)),
        (7, 5, (7, 7)),  # what is played while the chunk is made is kept, whatever policy.yaml says
        (3, 50, (3, 8)),  # the old plan has eight rows left
        (20, 5, (8, 8)),
    ],
)
def test_rows_are_tied_for_the_latency_at_least_and_as_far_as_the_old_plan_reaches_at_most(
    delay_rows, guided_rows, tied
):
    assert tied_rows(line(0.4), line(0.0), delay_rows, guided_rows) == tied


def test_a_plan_that_has_ended_ties_nothing():
    plan, ended = line(5.0), line(0.0)
    assert tied_rows(plan, ended, 3, 6) == (0, 0)
    np.testing.assert_array_equal(fade(plan, ended, 0, 0).rows_rad, plan.rows_rad)
    np.testing.assert_array_equal(blend(plan, ended, 0.3).rows_rad, plan.rows_rad)
