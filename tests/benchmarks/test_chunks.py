"""Chunk execution: the measures on made-up commands, and what the real timeline and limits promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.chunks import APART_RAD, figures, lag_ms, largest_of_limits, play, robot_for
from benchmarks.perfect import RATE_HZ, Case, ideal
from benchmarks.playing import STRATEGIES

TICK_MS = 1e3 / RATE_HZ
T_S = np.arange(1, 1000) / RATE_HZ


@pytest.mark.parametrize("late_s", [0.0, 0.02, 0.137, 1.0])
def test_the_lag_of_a_delayed_trajectory_is_its_delay(late_s):
    assert lag_ms(T_S, ideal(T_S - late_s)) == pytest.approx(late_s * 1e3, abs=1.0)


def test_a_step_at_the_velocity_limit_takes_all_of_it_and_more_of_the_others():
    robot = robot_for(Case(50, 50.0, 0.1))
    slow = np.outer(np.arange(50), [joint.velocity / RATE_HZ for joint in robot.joints])
    everywhere = np.ones(50, bool)
    assert largest_of_limits(slow, everywhere, robot) == pytest.approx(1.0)
    jump = slow.copy()
    jump[30:] += 0.1
    assert largest_of_limits(jump, everywhere, robot) > 10.0
    elsewhere = np.arange(50) < 30
    assert largest_of_limits(jump, elsewhere, robot) == pytest.approx(1.0)


@pytest.mark.parametrize(("horizon", "chunk_hz"), [(50, 50.0), (8, 10.0)])
@pytest.mark.parametrize("latency_s", [0.1, 0.3])
def test_ours_lags_by_no_tick_and_no_seam_takes_more_than_the_limits_allow(horizon, chunk_hz, latency_s):
    for apart_rad in (0.0, APART_RAD):
        case = Case(horizon, chunk_hz, latency_s, apart_rad)
        found = figures(case, play(case, STRATEGIES["ours"]))
        assert found["seams"] > 50
        assert abs(found["lag_ms"]) <= TICK_MS
        assert found["seam_of_limits"] <= 1.0
        assert found["any_of_limits"] <= 1.0


def test_the_others_lag_by_the_inference_or_jump_at_the_seam():
    case = Case(50, 50.0, 0.3, APART_RAD)
    found = {name: figures(case, play(case, make)) for name, make in STRATEGIES.items()}
    assert found["start at index 0"]["lag_ms"] == pytest.approx(300.0, abs=TICK_MS)
    assert found["stale FIFO"]["lag_ms"] > 300.0
    assert found["overwrite queue"]["seam_of_limits"] > 5.0


@pytest.mark.parametrize("fault", ["nan", "raises"])
def test_a_policy_that_breaks_brings_ours_to_a_stand_inside_the_limits(fault):
    case = Case(50, 50.0, 0.1, fault=fault)
    found = figures(case, play(case, STRATEGIES["ours"]))
    assert found["nan_commands"] == 0
    assert found["any_of_limits"] <= 1.0
    assert found["still_after_fault_ms"] <= 1e3 * (case.latency_s + case.hold_after_s) + 150.0


def test_a_nan_reaches_the_wire_where_nobody_checks():
    case = Case(50, 50.0, 0.1, fault="nan")
    assert figures(case, play(case, STRATEGIES["overwrite queue"]))["nan_commands"] > 100


@pytest.mark.parametrize(("horizon", "chunk_hz"), [(50, 50.0), (8, 10.0)])
@pytest.mark.parametrize("latency_s", [0.1, 0.3])
def test_where_chunks_are_joined_the_seam_is_within_the_limits_before_they_are_asked(horizon, chunk_hz, latency_s):
    latest = Case(horizon, chunk_hz, latency_s, APART_RAD)
    found = {
        kind: figures(case, play(case, STRATEGIES["ours"]))
        for kind in ("latest", "fade", "rtc")
        for case in (replace(latest, execution=kind),)
    }
    assert found["latest"]["seam_asked_of_limits"] > 2.0
    for kind in ("fade", "rtc"):
        assert found[kind]["seam_asked_of_limits"] <= 1.0
        assert found[kind]["seam_of_limits"] <= 1.0
        assert abs(found[kind]["lag_ms"]) <= TICK_MS


@pytest.mark.parametrize("execution", ["ensemble", "blend", "fade", "rtc"])
def test_a_chunk_that_is_not_finite_still_ends_in_a_stand(execution):
    case = Case(50, 50.0, 0.1, fault="nan", execution=execution)
    found = figures(case, play(case, STRATEGIES["ours"]))
    assert found["nan_commands"] == 0
    assert found["any_of_limits"] <= 1.0
    assert found["still_after_fault_ms"] <= 1e3 * (case.latency_s + case.hold_after_s) + 150.0
