"""The figures of the loop benchmark, from made-up command times, and one short slice of the real one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.loops import after_stalls, pace
from benchmarks.pacing import Commands, catch_up, relative_sleep, run_loop, ticker

RATE_HZ = 100.0


def commands(t_s, *, stalls_s=()):
    return Commands(np.asarray(t_s), np.full(len(t_s), 1e-4), np.array(stalls_s), "other")


def test_a_perfect_loop_misses_nothing_and_does_not_jitter():
    found = pace([commands(np.arange(300) / RATE_HZ)], RATE_HZ)
    assert found["missed"] == found["closer"] == 0
    assert found["rate_hz"] == RATE_HZ
    assert found["jitter_us"]["max"] == pytest.approx(0.0, abs=0.01)


def test_a_skipped_tick_is_a_missed_one():
    t_s = np.delete(np.arange(300) / RATE_HZ, [100, 101, 200])
    assert pace([commands(t_s)], RATE_HZ)["missed"] == 3


def test_a_loop_that_drifts_misses_ticks_without_ever_skipping_one():
    found = pace([commands(np.arange(300) / RATE_HZ * 1.1)], RATE_HZ)
    assert found["rate_hz"] == pytest.approx(RATE_HZ / 1.1, rel=1e-3)
    assert found["missed"] == pytest.approx(27, abs=2)


def test_the_time_between_two_slices_is_no_interval():
    t_s = np.arange(300) / RATE_HZ
    found = pace([commands(t_s), commands(t_s + 100.0)], RATE_HZ)
    assert found["missed"] == 0
    assert found["jitter_us"]["max"] < 1.0


def test_a_burst_after_a_stall_is_counted_and_one_elsewhere_is_not():
    before, stall_s = np.arange(100) / RATE_HZ, 2.0
    burst = stall_s + np.arange(1, 28) * 0.001
    after = burst[-1] + np.arange(1, 100) / RATE_HZ
    found = after_stalls(commands(np.r_[before, before[-1] + 0.001, burst, after], stalls_s=[stall_s]), RATE_HZ)
    assert found["stalls"] == 1
    assert found["closer"] == 26, "the first command after the stall is far from the one before it"
    assert found["closest"] == pytest.approx(0.1)


class Clock:
    """Simulated time in the place of the module `time`."""

    def __init__(self):
        self.now_s = 50.0

    def monotonic(self):
        return self.now_s

    perf_counter = monotonic

    def sleep(self, seconds):
        self.now_s += seconds

    def sleep_until(self, deadline_s):
        self.now_s = max(self.now_s, deadline_s)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("benchmarks.pacing.time", clock)
    monkeypatch.setattr("benchmarks.pacing.realtime.sleep_until", clock.sleep_until)
    return clock


def times(clock, loop, works_s):
    found = []
    for _, work_s in zip(loop, works_s, strict=False):
        clock.now_s += work_s
        found.append(clock.now_s)
    return np.diff(found)


def test_after_a_stall_ours_keeps_its_distance_relative_sleep_shifts_and_catching_up_bursts(clock):
    works_s = [0.001] * 10 + [0.5] + [0.001] * 60
    ours = times(clock, ticker(0.01), works_s)
    assert ours.min() >= 0.9 * 0.01
    assert np.allclose(ours[12:], 0.01)
    burst = times(clock, catch_up(0.01), works_s)
    assert (burst < 0.9 * 0.01).sum() > 40
    shifted = times(clock, relative_sleep(0.01), works_s)
    assert (shifted < 0.9 * 0.01).sum() == 1, "the tick after the stall starts at once"
    assert shifted.sum() == pytest.approx(0.69 + 0.5, abs=0.02), "the time that was lost is lost for good"


@pytest.mark.realtime
def test_a_short_slice_of_the_real_thing_has_stalls_commands_and_a_scheduler():
    run = run_loop("ours, unprivileged", 50.0, 1.8, stall_every_s=0.6)
    assert len(run.stalls_s) >= 1
    assert 5 < len(run.t_s) < 100
    assert run.scheduler == "other"
    assert all(later > earlier for earlier, later in itertools.pairwise(run.t_s))
