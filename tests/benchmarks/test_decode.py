"""The decoding benchmark: every way decodes to the same numbers, or nothing is timed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks import decode_gpu
from benchmarks.decode import WrongNumbers, check, figures, times_us
from benchmarks.decode_cases import CASES
from tests.kernels.decoding import library


@pytest.fixture(params=CASES, ids=lambda make: make.__name__)
def case(request):
    return request.param(library("host"), None, np.random.default_rng(0))


def test_the_library_gives_numpy_s_bits(case):
    check(case)
    assert list(case.ways) == ["numpy", "native"]


def test_the_torch_functions_give_numpy_s_numbers():
    torch = pytest.importorskip("torch", reason="torch is installed for distillation only")
    for make in CASES:
        check(make(library("host"), torch, np.random.default_rng(0)))


@pytest.mark.parametrize("fault", ["number", "verdict"])
def test_a_way_that_decodes_to_something_else_is_not_timed(case, fault):
    def wrong():
        actions, valid = case.ways["numpy"]()
        return (actions + (fault == "number"), valid and fault != "verdict")

    with pytest.raises(WrongNumbers, match=f"{case.name}: native"):
        check(dataclasses.replace(case, ways={**case.ways, "native": wrong}))


def test_ways_take_turns_and_each_is_timed_in_every_round(case):
    order = []
    ways = {name: lambda name=name: order.append(name) for name in ("numpy", "native", "torch")}
    taken = times_us(dataclasses.replace(case, ways=ways), rounds=6)
    assert {name: len(times) for name, times in taken.items()} == {"numpy": 6, "native": 6, "torch": 6}
    rounds = [order[i : i + 3] for i in range(0, len(order), 3)]
    assert {tuple(turn) for turn in rounds} == {
        ("numpy", "native", "torch"),
        ("native", "torch", "numpy"),
        ("torch", "numpy", "native"),
    }


def test_a_ratio_is_that_of_the_medians():
    found = figures({"numpy": np.array([8.0, 6.0, 90.0]), "native": np.array([2.0, 1.0, 2.0])})
    assert found["numpy"]["p50_us"] == 8.0
    assert found["numpy_over_native"] == 4.0


def test_without_a_device_the_report_says_so():
    assert decode_gpu.run(None) == "not run: no CUDA device"
