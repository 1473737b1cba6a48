"""Kernels against the NumPy references of edgevla/policy: the same bits, from the native library and from the CUDA
sources run on threads."""

from __future__ import annotations

import numpy as np
import pytest

from edgevla.engine.native import NativeFailed
from edgevla.engine.native_abi import FinishArgs
from edgevla.policy.decode.flow import euler, finish
from edgevla.policy.normalise import Unnormalise
from tests.kernels.decoding import (
    FLOAT,
    NOT_BELIEVED,
    NOT_FINITE,
    TYPES,
    assert_refused,
    assert_same_bits,
    library,
    outputs,
    run,
    space_of,
    unnormalise,
)

SIZES = [(1, 1, 1, 1), (1, 2, 7, 7), (2, 64, 32, 32), (1, 50, 7, 32), (3, 17, 13, 16), (1, 40, 29, 132)]


@pytest.fixture(scope="module", params=["host", "emulated"])
def kernels(request):
    return library(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def flow_inputs(rng, samples, horizon, width, dtype=FLOAT):
    x = rng.standard_normal((samples, horizon, width)).astype(FLOAT)
    return x, rng.standard_normal(x.shape).astype(dtype)


def flow_finish(kernels, x, velocity, space, dims, dt=-0.1):
    samples, horizon, width = x.shape
    out = outputs(samples, horizon, dims)
    sizes = {"samples": samples, "horizon": horizon, "width": width, "dims": dims}
    sizes |= {"type": TYPES[velocity.dtype], "dt": dt}
    run(kernels, "edgevla_flow_finish", sizes, space.statistics, x=x, velocity=velocity, **out)
    return out["actions"], out["verdicts"]


@pytest.mark.parametrize(("samples", "horizon", "dims", "width"), SIZES)
@pytest.mark.parametrize("kind", ["mean_std", "quantiles", "min_max"])
def test_un_normalising_gives_the_bits_of_numpy(kernels, rng, kind, samples, horizon, dims, width):
    n = rng.standard_normal((samples, horizon, width)).astype(FLOAT)
    space = space_of(kind, dims, rng, mask=horizon % 2 == 0)
    actions, verdicts = unnormalise(kernels, n, space, dims)
    assert_same_bits(actions, Unnormalise(space.normalisation)(n[..., :dims]))
    assert verdicts.tolist() == [(1, 0, -1, 0)] * samples


def test_halves_are_read_exactly_all_65536_of_them(kernels):
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(1, 64, 1024)
    out = np.empty(halves.shape, FLOAT)
    sizes = {"samples": 1, "horizon": 64, "width": 1024, "type": TYPES[halves.dtype], "dt": 1.0}
    run(kernels, "edgevla_flow_step", sizes, x=np.full(halves.shape, -0.0, FLOAT), velocity=halves, out=out)
    assert_same_bits(out, halves.astype(FLOAT))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("dt", [-0.1, 0.25])
def test_a_flow_step_gives_the_bits_of_numpy_in_place_too(kernels, rng, dtype, dt):
    x, velocity = flow_inputs(rng, 2, 50, 32, dtype)
    velocity[0, 3, 4], x[1, 2, 3] = np.nan, np.inf
    expected = euler(x, velocity.astype(FLOAT), FLOAT(dt))
    sizes = {"samples": 2, "horizon": 50, "width": 32, "type": TYPES[velocity.dtype], "dt": dt}
    run(kernels, "edgevla_flow_step", sizes, x=x, velocity=velocity, out=x)
    assert_same_bits(x, expected)


@pytest.mark.parametrize(("samples", "horizon", "dims", "width"), SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_last_flow_step_ends_in_the_robots_units(kernels, rng, dtype, samples, horizon, dims, width):
    x, velocity = flow_inputs(rng, samples, horizon, width, dtype)
    space = space_of("quantiles", dims, rng)
    actions, verdicts = flow_finish(kernels, x, velocity, space, dims)
    assert_same_bits(actions, finish(x, velocity.astype(FLOAT), FLOAT(-0.1), Unnormalise(space.normalisation)))
    assert verdicts["valid"].all()


def test_what_the_clamp_changes_is_counted(kernels, rng):
    x, velocity = flow_inputs(rng, 1, 50, 32)
    space = space_of("mean_std", 32, rng, bounds=True)
    n = euler(x, velocity, FLOAT(-0.1))
    free = Unnormalise(space.normalisation)(n)
    actions, verdicts = flow_finish(kernels, x, velocity, space, 32)
    assert_same_bits(actions, space.actions(n))
    outside = (free < space.low) | (free > space.high)
    assert 100 < outside.sum() < 1500
    assert verdicts.tolist() == [(1, 0, -1, int(outside.sum()))]


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("row", "dim"), [(0, 0), (7, 6), (49, 0), (49, 6)])
def test_one_number_that_is_not_finite_makes_the_whole_chunk_invalid(kernels, rng, fault, row, dim):
    n = rng.standard_normal((2, 50, 9)).astype(FLOAT)
    n[0, row, dim] = fault
    n[0, 49, 6] = fault  # the first is told
    space = space_of("quantiles", 7, rng, mask=True, bounds=True)
    actions, verdicts = unnormalise(kernels, n, space, 7)
    assert_refused(actions[0], verdicts[0], NOT_FINITE, row * 7 + dim)
    assert verdicts[1]["valid"], "the other chunk has nothing to do with it"
    assert_same_bits(actions[1], space.actions(n[1, :, :7]))


def test_padding_is_never_looked_at(kernels, rng):
    x, velocity = flow_inputs(rng, 1, 8, 32)
    velocity[..., 7:] = np.nan
    actions, verdicts = flow_finish(kernels, x, velocity, space_of("mean_std", 7, rng, believed=20.0), 7)
    assert verdicts["valid"].all()
    assert np.isfinite(actions).all()


def test_an_action_that_overflows_is_a_fault_and_not_clamped_away(kernels, rng):
    space = space_of("mean_std", 3, rng, bounds=True)
    n = np.zeros((1, 4, 3), FLOAT)
    n[0, 2, 1] = 3e38
    statistics = space.statistics
    statistics.scale[1] = 1e3
    out = outputs(1, 4, 3)
    sizes = {"samples": 1, "horizon": 4, "width": 3, "dims": 3, "type": TYPES[n.dtype]}
    run(kernels, "edgevla_unnormalise", sizes, statistics, x=n, **out)
    assert_refused(out["actions"], out["verdicts"][0], NOT_FINITE, 7)


def test_a_number_further_out_than_believed_is_a_fault_and_the_limit_itself_is_none(kernels, rng):
    space = space_of("quantiles", 7, rng, bounds=True, believed=10.0)
    n = np.zeros((3, 5, 7), FLOAT)
    n[0, 1, 2], n[1, 4, 6] = 10.0, np.nextafter(FLOAT(-10.0), FLOAT(-11.0))
    n[2, 3, 3], n[2, 3, 4] = 11.0, np.nan
    actions, verdicts = unnormalise(kernels, n, space)
    assert verdicts[0]["valid"]
    assert_refused(actions[1], verdicts[1], NOT_BELIEVED, 4 * 7 + 6)
    assert_refused(actions[2], verdicts[2], NOT_BELIEVED, 3 * 7 + 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples": 0},
        {"horizon": -1},
        {"horizon": 1025},
        {"dims": 8},
        {"dims": 0},
        {"type": 2},
        {"x": None},
        {"velocity": None},
        {"verdicts": None},
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused_before_anything_is_written(kernels, rng, wrong):
    out = outputs(1, 4, 7)
    x, velocity = flow_inputs(rng, 1, 4, 7)
    args = FinishArgs(samples=1, horizon=4, width=7, dims=7, type=0, dt=-0.1)
    args.point(x=x, velocity=velocity, **out)
    call = kernels.prepare("edgevla_flow_finish", args, space_of("mean_std", 7, rng).statistics)
    for name, value in wrong.items():
        setattr(args, name, value)
    with pytest.raises(NativeFailed, match="missing, unknown or out of range"):
        call()
    assert not out["actions"].any()
    assert not out["verdicts"]["valid"].any()


@pytest.mark.parametrize("wrong", [{"rule": 2}, {"believed": 0.0}, {"believed": np.nan}, {"scale": None}], ids=str)
def test_statistics_that_mean_nothing_are_refused(kernels, rng, wrong):
    out = outputs(1, 4, 7)
    args = FinishArgs(samples=1, horizon=4, width=7, dims=7, type=0)
    args.point(x=flow_inputs(rng, 1, 4, 7)[0], velocity=flow_inputs(rng, 1, 4, 7)[1], **out)
    call = kernels.prepare("edgevla_flow_finish", args, space_of("mean_std", 7, rng).statistics)
    for name, value in wrong.items():
        setattr(args.space, name, value)
    with pytest.raises(NativeFailed):
        call()
