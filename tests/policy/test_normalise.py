"""Normalised numbers and the robot's, there and back, by each kind of statistics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgevla.bundle import Normalisation
from edgevla.policy.normalise import Normalise, Unnormalise, middle

SPREAD = Normalisation(kind="mean_std", mean=(1.0, -2.0), std=(0.5, 4.0))
QUANTILES = Normalisation(kind="quantiles", q01=(-1.0, 10.0), q99=(3.0, 10.5))
BOUNDS = Normalisation(kind="min_max", min=(-1.0, 10.0), max=(3.0, 10.5))
KINDS = pytest.mark.parametrize("statistics", [SPREAD, QUANTILES, BOUNDS], ids=lambda statistics: statistics.kind)
n32 = st.floats(-5, 5, width=32)


def test_the_mean_is_zero_and_one_spread_is_one():
    np.testing.assert_allclose(Normalise(SPREAD)(np.array([[1.0, -2.0], [1.5, 2.0]])), [[0, 0], [1, 1]])


@pytest.mark.parametrize("statistics", [QUANTILES, BOUNDS])
def test_the_bounds_are_minus_one_and_one(statistics):
    np.testing.assert_allclose(Normalise(statistics)(np.array([[-1.0, 10.0], [3.0, 10.5]])), [[-1, -1], [1, 1]])


@KINDS
@given(normalised=hnp.arrays(np.float32, (3, 2), elements=n32))
def test_normalising_undoes_unnormalising(statistics, normalised):
    there = Unnormalise(statistics)(normalised)
    assert there.dtype == np.float32
    back = Normalise(statistics)(there.astype(np.float64))
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, normalised, atol=1e-5)


@given(hnp.arrays(np.float32, (4, 2), elements=n32), st.sampled_from([0.0, 1e-8, 1e-6, 1e-3]))
def test_the_epsilon_widens_what_is_scaled_and_moves_no_offset(normalised, eps):
    n = normalised.astype(np.float64)
    spread = Normalisation(kind="mean_std", mean=(1.0, -2.0), std=(0.5, 4.0), eps=eps)
    expected = n * (np.array([0.5, 4.0]) + eps) + [1.0, -2.0]
    np.testing.assert_allclose(Unnormalise(spread)(normalised), expected, atol=4e-6)
    bounds = Normalisation(kind="quantiles", q01=(-1.0, 10.0), q99=(3.0, 10.5), eps=eps)
    expected = 0.5 * (n + 1.0) * (np.array([4.0, 0.5]) + eps) + [-1.0, 10.0]
    np.testing.assert_allclose(Unnormalise(bounds)(normalised), expected, atol=4e-6)


def test_the_epsilon_counts_when_normalising_too():
    spread = Normalisation(kind="mean_std", mean=(0.0,), std=(1e-3,), eps=1e-3)
    assert Normalise(spread)(np.array([2e-3])) == pytest.approx(1.0)
    bounds = Normalisation(kind="min_max", min=(0.0,), max=(1e-3,), eps=1e-3)
    assert Normalise(bounds)(np.array([2e-3])) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["mean_std", "quantiles"])
def test_a_masked_dimension_passes_through_whatever_its_statistics(kind):
    numbers = {"mean": (1.0, 0.0), "std": (2.0, 0.0)} if kind == "mean_std" else {"q01": (1.0, 0.0), "q99": (5.0, 0.0)}
    statistics = Normalisation(kind=kind, mask=(True, False), **numbers)
    values = np.array([[3.0, 0.73]])
    with np.errstate(all="raise"):
        assert Normalise(statistics)(values)[0, 1] == 0.73
    normalised = np.array([[0.5, 0.73]], np.float32)
    found = Unnormalise(statistics)(normalised)
    assert found[0, 1] == np.float32(0.73)
    assert found[0, 0] != normalised[0, 0]


@KINDS
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(statistics, fault):
    normalised = np.array([[0.0, fault]], np.float32)
    np.testing.assert_array_equal(np.isfinite(Unnormalise(statistics)(normalised)), [[True, False]])


@KINDS
@given(normalised=hnp.arrays(np.float32, (3, 2), elements=n32))
def test_each_float32_operation_is_rounded_by_itself_in_the_documented_order(statistics, normalised):
    unnormalise = Unnormalise(statistics)
    found = unnormalise(normalised)
    for (row, column), n in np.ndenumerate(normalised):
        scale, offset = np.float32(unnormalise.scale[column]), np.float32(unnormalise.offset[column])
        unit = np.float32(np.float32(0.5) * np.float32(n + np.float32(1.0))) if unnormalise.is_range else n
        assert found[row, column] == np.float32(np.float32(unit * scale) + offset)


def test_the_middle_of_the_statistics():
    assert middle(SPREAD).tolist() == [1.0, -2.0]
    assert middle(QUANTILES).tolist() == middle(BOUNDS).tolist() == [1.0, 10.25]
