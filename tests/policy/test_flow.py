"""Euler steps along a velocity field whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgevla.bundle import Normalisation
from edgevla.config.policy_families import Flow
from edgevla.policy.decode.flow import FlowUpdate, euler, finish
from edgevla.policy.decode.noise import noise_key, normals
from edgevla.policy.normalise import Unnormalise

TARGET = np.linspace(-0.9, 0.9, 12, dtype=np.float32).reshape(1, 3, 4)


@pytest.mark.parametrize("steps", [1, 4, 10, 37])
@pytest.mark.parametrize("direction", ["noise_at_1", "noise_at_0"])
def test_a_field_that_points_straight_at_the_actions_ends_there(direction, steps):
    update = FlowUpdate(Flow(steps=steps, direction=direction))
    noise = normals(TARGET.shape, noise_key(0, 0), update.draws)
    x = noise[0]
    for step, time in enumerate(update.times):
        # The velocity of the straight path through x at this time: noise - actions where noise is at 1.
        velocity = (x - TARGET) / time if direction == "noise_at_1" else (TARGET - x) / (1.0 - time)
        x = update(step, x, velocity.astype(np.float32), noise)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, TARGET, atol=5e-6)


def test_a_step_makes_a_new_sample():
    x = np.zeros((1, 2, 2), np.float32)
    assert euler(x, np.ones_like(x), np.float32(-0.5)) is not x
    assert (x == 0).all()


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(fault):
    velocity = np.zeros((1, 2, 2), np.float32)
    velocity[0, 1, 0] = fault
    moved = euler(np.ones((1, 2, 2), np.float32), velocity, np.float32(0.25))
    np.testing.assert_array_equal(np.isfinite(moved[0]), [[True, True], [False, True]])


STATISTICS = Normalisation(kind="quantiles", q01=(-1.0, 0.0, 2.0), q99=(1.0, 4.0, 3.0), mask=(True, True, False))


@given(hnp.arrays(np.float32, (5, 4), elements=st.floats(-3, 3, width=32)))
def test_the_last_step_in_one_is_the_step_then_the_robots_units_of_its_first_columns(velocity):
    x = np.ones((5, 4), np.float32)
    a, b, c, _ = (1.0 + 0.1 * velocity.astype(np.float64)).T
    expected = np.stack([0.5 * (a + 1) * 2 - 1, 0.5 * (b + 1) * 4, c], axis=1)
    found = finish(x, velocity, np.float32(0.1), Unnormalise(STATISTICS))
    np.testing.assert_allclose(found, expected, atol=2e-6)
