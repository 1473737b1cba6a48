"""Guidance draws a denoising loop to the kept rows, in both directions of time, and leaves the others alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.policy.execution.guidance import Guidance, guidance_gain, prefix_weights

HORIZON, WIDTH, STEPS = 10, 3, 10


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 60), st.booleans())
def test_weights_are_one_then_fall_then_zero(frozen, guided, horizon, exponential):
    weights = prefix_weights(frozen, guided, horizon, exponential=exponential)
    assert weights.shape == (horizon,)
    np.testing.assert_allclose(weights[: min(frozen, guided)], 1.0, atol=1e-6)
    assert (weights[guided:] == 0.0).all()
    assert (np.diff(weights) <= 1e-6).all()
    assert ((weights >= 0.0) & (weights <= 1.0 + 1e-6)).all()


def test_the_weights_between_are_evenly_spaced_or_exponential():
    np.testing.assert_allclose(prefix_weights(2, 6, 10), [1, 1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0, 0], atol=1e-6)
    half = prefix_weights(1, 2, 4, exponential=True)[1]  # c = 1/2
    assert half == pytest.approx(0.5 * (np.exp(0.5) - 1.0) / (np.e - 1.0), rel=1e-6)


@pytest.mark.parametrize(
    ("progress", "gain"),
    [(0.0, 10.0), (0.05, 10.0), (0.5, 2.0), (0.2, 0.8 / 0.2 * 0.68 / 0.64), (0.9, 0.1 / 0.9 * 0.82 / 0.01), (1.0, 0.0)],
)
def test_the_gain_follows_the_paper_and_is_bounded_where_it_is_infinite(progress, gain):
    assert guidance_gain(progress, 10.0) == pytest.approx(gain)


@given(st.floats(0.0, 1.0), st.floats(0.1, 50.0))
def test_the_gain_is_a_number_from_zero_to_the_most(progress, most):
    assert 0.0 <= guidance_gain(progress, most) <= most


def denoise(guidance, goal, noise_at_1):
    """A flow that leads every noise to `goal`; time runs as the policy's does."""
    x = np.random.default_rng(1).normal(size=(HORIZON, WIDTH)).astype(np.float32)
    for step in range(STEPS):
        progress = step / STEPS
        towards = (goal - x) / np.float32(1.0 - progress)  # d x / d progress
        time, v = (1.0 - progress, -towards) if noise_at_1 else (progress, towards)
        if guidance is not None:
            v = guidance(x, v, time)
        x = x + np.float32((-1.0 if noise_at_1 else 1.0) / STEPS) * v
    return x


def guidance(noise_at_1, weights=None, most=10.0):
    weights = prefix_weights(3, 7, HORIZON) if weights is None else weights
    return Guidance(np.full((HORIZON, WIDTH), 1.0, np.float32), weights, most, noise_at_1)


GOAL = np.zeros((HORIZON, WIDTH), np.float32)


@pytest.mark.parametrize("noise_at_1", [True, False])
def test_kept_rows_come_close_to_the_plan_before_and_free_rows_stay_the_policys(noise_at_1):
    rows = denoise(guidance(noise_at_1), GOAL, noise_at_1)
    assert (np.abs(rows[:3] - 1.0) < 0.1).all()
    np.testing.assert_allclose(rows[7:], 0.0, atol=1e-5)
    assert (np.diff(rows[2:8].mean(axis=1)) < 0.0).all()


def test_both_directions_of_time_are_one_flow():
    np.testing.assert_allclose(
        denoise(guidance(noise_at_1=True), GOAL, True), denoise(guidance(noise_at_1=False), GOAL, False), atol=1e-5
    )


def test_without_weight_or_without_gain_nothing_is_changed():
    plain = denoise(None, GOAL, False)
    np.testing.assert_array_equal(denoise(guidance(False, np.zeros(HORIZON, np.float32)), GOAL, False), plain)
    np.testing.assert_array_equal(denoise(guidance(False, most=0.0), GOAL, False), plain)


def test_a_policy_that_agrees_is_not_changed():
    goal = np.ones((HORIZON, WIDTH), np.float32)
    np.testing.assert_allclose(denoise(guidance(False), goal, False), 1.0, atol=1e-5)


def test_a_batch_in_front_is_kept_and_the_numbers_stay_float32():
    x, v = np.zeros((1, HORIZON, WIDTH), np.float32), np.ones((1, HORIZON, WIDTH), np.float32)
    for noise_at_1 in (True, False):
        corrected = guidance(noise_at_1)(x, v, 0.5)
        assert corrected.shape == x.shape
        assert corrected.dtype == np.float32


def test_what_is_no_number_stays_none():
    x, v = np.zeros((HORIZON, WIDTH), np.float32), np.ones((HORIZON, WIDTH), np.float32)
    v[0, 0] = np.nan
    corrected = guidance(False)(x, v, 0.5)
    assert np.isnan(corrected[0, 0])
    assert np.isfinite(corrected).sum() == corrected.size - 1
