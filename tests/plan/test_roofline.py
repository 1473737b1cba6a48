"""Time from work: the longer of operations and bytes, and the launch of every kernel."""

import pytest

from edgevla.engine.targets import Target
from edgevla.plan.roofline import Efficiency, estimate
from edgevla.plan.work import Work, linear

# 1e12 half-precision and 2e12 INT8 operations a second at half efficiency, 100 GB/s at 80 %: round numbers.
TARGET = Target(
    title="round",
    engine="tensorrt",
    memory_gb=8,
    dla_cores=0,
    int8_tops_dense=4.0,
    fp16_tflops=2.0,
    bandwidth_gb_s=125.0,
    launch_us=10.0,
    source="made up",
    compute_capability=(8, 7),
)
HALF = Efficiency(fp16=0.5, int8=0.5, bandwidth=0.8)
BUSY = Work("busy", macs=1e9, weights=1e6, activations=0.0, quantised=True)
IDLE = Work("idle", macs=1e6, weights=50e6, activations=0.0, quantised=True)


def test_many_operations_a_byte_are_bound_by_compute():
    (share,) = estimate([BUSY], TARGET, HALF, "fp16").shares
    assert share.ms == pytest.approx(2e9 / 1e12 * 1e3 + 0.010)
    assert share.bound == "compute"
    assert share.gflop == pytest.approx(2.0)


def test_weights_that_are_used_once_are_bound_by_memory():
    (share,) = estimate([IDLE], TARGET, HALF, "fp16").shares
    assert share.ms == pytest.approx(100e6 / 100e9 * 1e3 + 0.010)
    assert share.bound == "memory"


def test_many_small_kernels_are_bound_by_their_launch():
    (share,) = estimate([Work("tiny", 1e3, 1e3, 1e3, layers=50, passes=4)], TARGET, HALF, "fp16").shares
    assert share.ms == pytest.approx(200 * 0.010, rel=0.01)
    assert share.bound == "launch"


def test_int8_halves_operations_and_bytes_of_what_is_quantised_and_of_nothing_else():
    for work in (BUSY, IDLE):
        whole = estimate([work], TARGET, HALF, "fp16").ms - 0.010
        assert estimate([work], TARGET, HALF, "int8").ms - 0.010 == pytest.approx(whole / 2)
    attention = Work("attention", macs=1e9, weights=0.0, activations=1e6)
    assert estimate([attention], TARGET, HALF, "int8").ms == estimate([attention], TARGET, HALF, "fp16").ms


def test_int4_weights_are_read_faster_but_multiplied_as_fp16():
    assert estimate([BUSY], TARGET, HALF, "int4").ms == pytest.approx(estimate([BUSY], TARGET, HALF, "fp16").ms)
    assert estimate([IDLE], TARGET, HALF, "int4").ms - 0.010 == pytest.approx(50e6 * 0.625 / 100e9 * 1e3)


def test_a_component_may_have_a_precision_of_its_own():
    mixed = estimate([BUSY, IDLE], TARGET, HALF, "fp16", {"idle": "int8"})
    alone = [estimate([BUSY], TARGET, HALF, "fp16").ms, estimate([IDLE], TARGET, HALF, "int8").ms]
    assert [share.ms for share in mixed.shares] == pytest.approx(alone)
    assert mixed.ms == pytest.approx(sum(alone))


def test_memory_is_every_weight_once_and_the_largest_working_set():
    work = [
        linear("step", tokens=10, inputs=1000, outputs=2000, layers=3, passes=10),
        Work("table", 0.0, 1e6, 0.0, passes=0),
    ]
    found = estimate(work, TARGET, HALF, "fp16")
    assert found.memory_mb == pytest.approx((3 * 2e6 + 1e6) * 2 / 1e6 + 10 * 3000 * 2 / 1e6)
    assert found.shares[1].ms == 0.0
