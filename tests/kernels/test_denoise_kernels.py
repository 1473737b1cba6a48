"""Diffusion, FAST and the ensemble, from the native library and from the CUDA sources."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgevla.policy.decode.dct import inverse, inverse_basis
from edgevla.policy.decode.diffusion import ddim_step, ddpm_step
from edgevla.policy.decode.noise import noise_key, normals
from edgevla.policy.normalise import Unnormalise
from tests.kernels.decoding import (
    FLOAT,
    NOT_FINITE,
    TYPES,
    assert_refused,
    assert_same_bits,
    library,
    outputs,
    run,
    space_of,
)

KEYS = [(0, 0), (1, 7), (2**64 - 1, 2**33 + 5)]


@pytest.fixture(scope="module", params=["host", "emulated"])
def kernels(request):
    return library(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(6)


def sample_and_prediction(rng, samples, horizon, width, dtype=FLOAT):
    x = (rng.standard_normal((samples, horizon, width)) * 2.0).astype(FLOAT)
    return x, rng.standard_normal(x.shape).astype(dtype)


@pytest.mark.parametrize(("horizon", "width"), [(1, 1), (4, 7), (3, 5), (50, 32), (64, 33)])
def test_noise_is_numpys_to_the_last_bit(kernels, horizon, width):
    key = np.stack([noise_key(*numbers) for numbers in KEYS])
    out = np.empty((3, horizon, width), FLOAT)
    sizes = {"samples": 3, "horizon": horizon, "width": width, "draw": 11}
    run(kernels, "edgevla_noise", sizes, key=key, out=out)
    assert_same_bits(out, np.stack([normals((horizon, width), one, 11) for one in key]))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("clip", [5.0, np.inf])
@pytest.mark.parametrize("spread", [0.87, 0.0])
def test_a_ddpm_step_is_numpys_in_place_too(kernels, rng, dtype, clip, spread):
    x, epsilon = sample_and_prediction(rng, 2, 4, 8, dtype)
    x[0, 1, 2], epsilon[1, 3, 4] = np.inf, np.nan
    key = np.stack([noise_key(3, 4), noise_key(5, 6)])
    z = np.stack([normals((4, 8), one, 9) for one in key])
    numbers = {"inverse": 1.996, "share": 0.751, "spread": spread, "masked": 0.09}
    schedule = SimpleNamespace(**{name: np.array([value], FLOAT) for name, value in numbers.items()})
    expected = ddpm_step(schedule, 0, x, epsilon.astype(FLOAT), z, FLOAT(clip))
    expected[..., 7:] = schedule.masked[0] * z[..., 7:]
    sizes = {"samples": 2, "horizon": 4, "width": 8, "type": TYPES[epsilon.dtype], "clip": clip, "draw": 9, **numbers}
    active = np.array([1] * 7 + [0], np.uint8)
    run(kernels, "edgevla_ddpm_step", sizes, key=key, active=active, x=x, epsilon=epsilon, out=x)
    assert_same_bits(x, expected)
    assert np.isnan(x[0, 1, 2]), "clipped, a fault would look like an action"


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_a_ddim_step_is_numpys_and_adds_noise_when_asked_to(kernels, rng, dtype, spread):
    x, epsilon = sample_and_prediction(rng, 1, 16, 7, dtype)
    x[0, 0, 0] = -np.inf
    numbers = {"signal": 0.61, "noise": 0.79, "signal_next": 0.72, "direction": 0.69}
    schedule = SimpleNamespace(**{name: np.array([value], FLOAT) for name, value in numbers.items()})
    expected = ddim_step(schedule, 0, x, epsilon.astype(FLOAT), FLOAT(1.0))
    key = noise_key(8, 9)[np.newaxis]
    if spread:
        expected = expected + FLOAT(spread) * normals(x.shape, key[0], 2)
    sizes = {"samples": 1, "horizon": 16, "width": 7, "type": TYPES[epsilon.dtype], "clip": 1.0, "draw": 2}
    out = np.empty_like(x)
    given = {"key": key} if spread else {}
    run(kernels, "edgevla_ddim_step", {**sizes, **numbers, "spread": spread}, x=x, epsilon=epsilon, out=out, **given)
    assert_same_bits(out, expected)


@pytest.mark.parametrize(("samples", "horizon", "dims"), [(1, 1, 1), (1, 50, 7), (2, 64, 32), (1, 9, 14)])
def test_fasts_inverse_cosine_transform_is_numpys(kernels, rng, samples, horizon, dims):
    coefficients = rng.integers(-40, 40, (samples, horizon, dims)).astype(np.int32)
    coefficients[:, horizon // 2 :] = 0
    basis = inverse_basis(horizon)
    space = space_of("quantiles", dims, rng)
    out = outputs(samples, horizon, dims)
    sizes = {"samples": samples, "horizon": horizon, "dims": dims, "divisor": 10.0}
    run(kernels, "edgevla_inverse_dct", sizes, space.statistics, coefficients=coefficients, basis=basis, **out)
    n = np.stack([inverse(one / 10.0, basis) for one in coefficients])
    assert_same_bits(out["actions"], Unnormalise(space.normalisation)(n))
    assert out["verdicts"]["valid"].all()


def test_coefficients_that_leave_the_believable_are_refused(kernels, rng):
    coefficients = np.zeros((1, 8, 7), np.int32)
    coefficients[0, 0, 3] = 30_000
    space = space_of("quantiles", 7, rng, believed=10.0)
    out = outputs(1, 8, 7)
    sizes = {"samples": 1, "horizon": 8, "dims": 7, "divisor": 10.0}
    given = {"coefficients": coefficients, "basis": inverse_basis(8)}
    run(kernels, "edgevla_inverse_dct", sizes, space.statistics, **given, **out)
    assert_refused(out["actions"], out["verdicts"][0], 2, 3)


class Ensembler:
    """The running mean of LeRobot's `ACTTemporalEnsembler.update`, row by row, with its own way of counting."""

    def __init__(self, weights):
        self.weights, self.totals = weights, np.add.accumulate(weights, dtype=FLOAT)
        self.mean, self.count = None, None

    def update(self, actions, shift):
        mean, count = actions.copy(), np.ones(len(actions), np.int32)
        for row in range(len(actions)):
            then = row + shift
            if self.mean is None or not shift >= 0 or then >= len(actions) or self.count[then] == 0:
                continue
            earlier = min(self.count[then], len(self.weights) - 1)
            if earlier:
                scaled = self.mean[then] * self.totals[earlier - 1]
                scaled = scaled + actions[row] * self.weights[earlier]
                mean[row] = scaled / self.totals[earlier]
            count[row] = earlier + 1
        self.mean, self.count = mean, count
        return mean


@pytest.mark.parametrize("history", [1, 4, 20])
@pytest.mark.parametrize("delta", [False, True])
def test_an_ensemble_is_the_running_mean_of_all_chunks_about_a_moment(kernels, rng, history, delta):
    horizon, dims, width = 20, 7, 8
    space = space_of("mean_std", dims, rng, bounds=not delta)
    weights = np.exp(-0.1 * np.arange(history)).astype(FLOAT)
    reference = Ensembler(weights)
    before, counts = np.full((1, horizon, dims), np.nan, FLOAT), np.zeros((1, horizon), np.int32)
    for chunk, shift in enumerate([0, 1, 1, 3, 0, 1, 25, 1, -1, 19, 1]):
        n = rng.standard_normal((1, horizon, width)).astype(FLOAT)
        if chunk == 4:
            n[0, 3, 2] = np.inf
        origin = rng.standard_normal((1, dims)).astype(FLOAT)
        out = {**outputs(1, horizon, dims), "counts": np.zeros((1, horizon), np.int32)}
        sizes = {"samples": 1, "horizon": horizon, "width": width, "dims": dims, "type": 0, "history": history}
        given = {"normalised": n, "weights": weights, "totals": reference.totals, "before": before}
        given |= {"before_count": counts, "shift": np.array([shift], np.int32)} | ({"origin": origin} if delta else {})
        run(kernels, "edgevla_ensemble", sizes, space.statistics, **given, **out)
        before, counts = out["actions"], out["counts"]
        if chunk == 4:
            assert_refused(out["actions"], out["verdicts"][0], NOT_FINITE, 3 * dims + 2)
            assert not counts.any(), "an invalid chunk leaves nothing behind"
            reference.mean = None
            continue
        alone = Unnormalise(space.normalisation)(n[0, :, :dims]) + origin[0] if delta else space.actions(n[0, :, :dims])
        assert_same_bits(before[0], reference.update(alone, shift))
        np.testing.assert_array_equal(counts[0], reference.count)
