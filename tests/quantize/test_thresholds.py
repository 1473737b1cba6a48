from __future__ import annotations

import numpy as np
import pytest

from edgevla.quantize.activations import BINS, Activation
from edgevla.quantize.thresholds import METHODS, entropy, min_max, percentile, scale_of


def seen(magnitudes):
    """What `observe` would have counted."""
    reach = float(np.max(magnitudes))
    places = np.minimum((np.asarray(magnitudes) / reach * BINS).astype(int), BINS - 1)
    return Activation(reach=reach, counts=np.bincount(places, minlength=BINS))


def test_min_max_holds_everything():
    assert min_max(seen([0.1, 0.2, 7.5])) == 7.5


def test_percentile_leaves_out_one_in_ten_thousand():
    magnitudes = np.append(np.linspace(0.0, 1.0, 100_000), [100.0] * 9)
    assert percentile(seen(magnitudes)) == pytest.approx(1.0, abs=100.0 / BINS)
    assert percentile(seen(np.append(np.linspace(0.0, 1.0, 10_000), [100.0] * 9))) == pytest.approx(100.0)


def test_entropy_keeps_an_even_distribution_whole():
    assert entropy(seen(np.linspace(0.001, 3.0, 200_000))) == pytest.approx(3.0, rel=0.07)


def test_entropy_clips_a_lonely_outlier(rng):
    magnitudes = np.append(np.abs(rng.normal(size=200_000)), 40.0)
    threshold = entropy(seen(magnitudes))
    assert 2.0 < threshold < 8.0


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_tensor_that_is_always_zero_still_has_a_step(method):
    assert scale_of(method(Activation())) > 0.0


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_no_method_reaches_farther_than_what_was_seen(method, rng):
    magnitudes = np.abs(rng.standard_cauchy(5000))
    assert 0.0 < method(seen(magnitudes)) <= magnitudes.max() * (1 + 1e-9)


def test_the_scale_puts_the_threshold_at_127():
    assert scale_of(2.54) * 127 == pytest.approx(2.54)
