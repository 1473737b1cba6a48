"""Mean and standard deviation, there and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgevla.bundle import Normalisation
from edgevla.policy.normalise import MeanStd

STATISTICS = MeanStd(Normalisation(kind="mean_std", mean=(1.0, -2.0), std=(0.5, 4.0)))


def test_the_mean_is_zero_and_one_spread_is_one():
    np.testing.assert_allclose(STATISTICS.normalise(np.array([[1.0, -2.0], [1.5, 2.0]])), [[0, 0], [1, 1]])


def test_float32_in_means_float64_out():
    assert STATISTICS.unnormalise(np.zeros((3, 2), np.float32)).dtype == np.float64


@given(hnp.arrays(np.float64, (3, 2), elements=st.floats(-1e3, 1e3)))
def test_unnormalising_undoes_normalising(values):
    np.testing.assert_allclose(STATISTICS.unnormalise(STATISTICS.normalise(values)), values, atol=1e-9)
