"""Calls into the decoding kernels, with arrays made to measure, and what they should have written."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from edgevla.config.policy import Normalisation
from edgevla.engine.native import Library, Statistics
from edgevla.engine.native_abi import F16, F32, FUNCTIONS, HALF, SCALE, VERDICT
from edgevla.policy.normalise import Unnormalise
from kernels import build_host
from tests.kernels import building

FLOAT = np.float32
NOT_FINITE, NOT_BELIEVED, NOT_AN_ACTION = 1, 2, 3
TYPES = {np.dtype("f4"): F32, np.dtype("f2"): F16}


@functools.cache
def library(name: str) -> Library:
    """ "host" as it is shipped, every variant for newer processors included; or the "emulated" CUDA sources."""
    flags = ["-shared", *build_host.FLAGS[name], *build_host.SOURCES[name]]
    return Library(building.compiled(f"libedgevla_{name}_as_shipped.so", *flags))


def run(kernels: Library, name: str, sizes: dict, statistics: Statistics | None = None, **arrays) -> None:
    args = FUNCTIONS[name](**sizes)
    args.point(**arrays)
    kernels.prepare(name, args, statistics)()


@dataclass
class Space:
    """What a policy's numbers mean: as the kernels and as NumPy take it."""

    normalisation: Normalisation
    believed: float = np.inf
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    @property
    def statistics(self) -> Statistics:
        numbers = Unnormalise(self.normalisation)
        rule = HALF if numbers.is_range else SCALE
        mask = numbers.mask if self.normalisation.mask else None
        return Statistics(rule, self.believed, numbers.scale, numbers.offset, mask, self.low, self.high)

    def actions(self, n):
        """(samples, horizon, dims) float32, without the samples' faults."""
        free = Unnormalise(self.normalisation)(n)
        return np.clip(free, -np.inf if self.low is None else self.low, np.inf if self.high is None else self.high)


def space_of(kind, dims, rng, *, mask=False, bounds=False, believed=np.inf):
    first, second = {"mean_std": ("mean", "std"), "quantiles": ("q01", "q99"), "min_max": ("min", "max")}[kind]
    low = rng.uniform(-2.0, 1.0, dims)
    width = rng.uniform(0.05, 3.0, dims)
    high = width if kind == "mean_std" else low + width
    masked = tuple((rng.random(dims) < 0.6).tolist()) if mask else ()
    statistics = Normalisation(kind=kind, eps=1e-6, mask=masked, **{first: tuple(low), second: tuple(high)})
    limits = [rng.uniform(-1.5, -0.1, dims).astype(FLOAT), rng.uniform(0.1, 1.5, dims).astype(FLOAT)] if bounds else []
    return Space(statistics, believed, *limits)


def outputs(samples, horizon, dims):
    return {"actions": np.zeros((samples, horizon, dims), FLOAT), "verdicts": np.zeros(samples, VERDICT)}


def unnormalise(kernels, n, space, dims=None):
    samples, horizon, width = n.shape
    dims = width if dims is None else dims
    out = outputs(samples, horizon, dims)
    sizes = {"samples": samples, "horizon": horizon, "width": width, "dims": dims, "type": TYPES[n.dtype]}
    run(kernels, "edgevla_unnormalise", sizes, space.statistics, x=n, **out)
    return out["actions"], out["verdicts"]


def tokens(kernels, given, first, values, space, shape, allowed=None):
    """`given`: logits (samples, tokens, vocabulary) or ids (samples, tokens); `shape`: horizon, dims of a sample."""
    by_id = given.dtype.kind == "i"
    samples, (horizon, dims) = given.shape[0], shape
    kinds = {**TYPES, np.dtype("i4"): 2, np.dtype("i8"): 3}
    sizes = {"samples": samples, "horizon": horizon, "dims": dims, "first": first, "count": len(values)}
    sizes |= {"type": kinds[given.dtype], "vocabulary": first + len(values) if by_id else given.shape[-1]}
    out = outputs(samples, horizon, dims)
    ids = np.zeros((samples, horizon * dims), np.int32)
    scratch = np.zeros((samples, 1 + horizon * dims), np.int32)
    more = {} if allowed is None else {"allowed": allowed.astype(np.uint8)}
    name = "edgevla_token_ids" if by_id else "edgevla_token_logits"
    run(kernels, name, sizes, space.statistics, input=given, values=values, ids=ids, scratch=scratch, **out, **more)
    return out["actions"], out["verdicts"], ids


def assert_same_bits(found, expected):
    """Equal to the last bit; any NaN is NaN."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == FLOAT
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    np.testing.assert_array_equal(found.view(np.uint32)[~nan], expected.view(np.uint32)[~nan])


def assert_refused(actions, verdict, reason, where):
    assert (verdict["valid"], verdict["reason"], verdict["where"], verdict["clamped"]) == (0, reason, where, 0)
    assert np.isnan(actions).all()
