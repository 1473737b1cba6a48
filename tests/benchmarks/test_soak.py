"""The soak: a leak shows, noise does not, and a short slice of the real one runs."""

from __future__ import annotations

import copy
import os

import numpy as np
import pytest

from benchmarks.processes import Looks, growth
from benchmarks.soak import complaints, drift, soak, soak_lockstep


def rows(slope_mb_h=0.0, *, minutes=30.0, noise_mb=0.02, files=10):
    t_s = np.linspace(0.0, minutes * 60.0, 200)
    noise = np.random.default_rng(0).normal(0.0, noise_mb, len(t_s))
    return np.stack([t_s + 1e5, 100.0 + slope_mb_h * t_s / 3600.0 + noise, np.full(len(t_s), files)], axis=1)


def ticks(count=3000, *, period_s=0.02, skipped=(), stretched=1.0):
    skips = np.zeros(count)
    skips[list(skipped)] = 1
    t_s = 100.0 + np.cumsum(1 + skips) * period_s * stretched
    return {"t_s": t_s, "skipped": skips, "lateness_us": np.full(count, 60.0)}


def report(**processes):
    clean = {"seconds": 1800.0, "ended": "engaged", "reason": "", "processes": {"control": growth(rows())}}
    clean["processes"] |= processes
    clean["ticks"] = drift(ticks())
    return {"real": clean, "lockstep": {"simulated_s": 7200, "episodes": 1, "process": growth(rows())}}


@pytest.mark.parametrize("slope_mb_h", [0.0, 0.5, 3.0])
def test_the_slope_of_a_leak_is_found_through_the_noise(slope_mb_h):
    found = growth(rows(slope_mb_h))
    assert found["slope_mb_h"] == pytest.approx(slope_mb_h, abs=0.05)
    assert found["slope_error_mb_h"] < 0.05


def test_a_clean_run_gives_no_complaint():
    assert complaints(report()) == []


def test_a_leak_is_named_with_its_process():
    (found,) = complaints(report(policy=growth(rows(3.0))))
    assert found.startswith("policy: memory grows by 2.9")


def test_a_short_run_does_not_complain_about_one_step_of_the_allocator():
    assert complaints(report(policy=growth(rows(6.0, minutes=2.0)))) == []


def test_files_left_open_a_fault_and_too_few_looks_are_named():
    leaky = rows()
    leaky[150:, 2] += 1
    broken = copy.deepcopy(report(policy=growth(leaky), camera=growth(rows()[:2])))
    broken["real"] |= {"ended": "fault", "reason": "serial lost"}
    found = complaints(broken)
    assert any("serial lost" in each for each in found)
    assert any("policy: between 10 and 11 open files" in each for each in found)
    assert any("camera: too few" in each for each in found)


def test_skipped_ticks_keep_the_grid_and_a_stretched_clock_leaves_it():
    assert drift(ticks(skipped=(100, 700)))["off_grid_us"] < 1.0
    assert drift(ticks(skipped=(100, 700)))["missed"] == 2
    drifting = ticks()
    drifting["t_s"][1500:] += 0.003
    assert drift(drifting)["off_grid_us"] == pytest.approx(3000.0, rel=0.01)


def test_looking_at_a_process_takes_no_memory_and_stops_at_its_capacity():
    looks = Looks(os.getpid(), 3)
    for t_s in range(5):
        looks.look(float(t_s))
    assert looks.rows.shape == (3, 3)
    assert looks.rows[0, 1] > 1.0
    assert looks.rows[0, 2] >= 3


@pytest.mark.realtime
def test_a_short_slice_of_the_real_thing_looks_at_every_process():
    found = soak(3.0)
    assert found["ended"] != "fault", found["reason"]
    assert {"control", "policy", "operator", "simulator"} <= found["processes"].keys()
    assert all(held["looks"] >= 3 for held in found["processes"].values())
    assert found["ticks"]["count"] > 50


def test_a_short_slice_in_lockstep_counts_its_episodes():
    found = soak_lockstep(10.0)
    assert found["episodes"] >= 1
    assert found["simulated_s"] >= 10
