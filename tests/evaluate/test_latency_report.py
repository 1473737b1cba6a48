"""The figures of a latency report, from made-up measurements: quantiles, answers, warm-up, comparison, clocks."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.evaluate.clocks import clocks
from edgevla.evaluate.latency_baseline import BaselineRefused, check_comparable, load_baseline, regressions
from edgevla.evaluate.latency_plot import draw_latency
from edgevla.evaluate.latency_results import (
    STAGES,
    WARM_UP_BLINKS,
    WARM_UP_CHUNKS,
    WARM_UP_READS,
    Measured,
    Round,
    latency_results,
    samples,
)
from edgevla.evaluate.latency_serial import RoundTrips
from edgevla.evaluate.quantiles import quantiles
from edgevla.runtime.report import WARM_UP_TICKS
from edgevla.sim.blink import Blink, BlinkLog


def test_quantiles_of_a_thousand_and_one_equally_spaced_values_are_their_shares():
    assert quantiles(np.arange(1001.0)) == {"p50": 500, "p95": 950, "p99": 990, "p999": 999, "max": 1000, "n": 1001}


def test_nothing_measured_is_null_not_zero():
    assert quantiles([]) == {"p50": None, "p95": None, "p99": None, "p999": None, "max": None, "n": 0}


@given(st.lists(st.floats(0.0, 1e6), min_size=1))
def test_quantiles_never_fall_and_end_at_the_worst(values):
    found = list(quantiles(values).values())[:-1]
    assert found == sorted(found)
    assert found[-1] == round(max(values), 3)


def answers(goals, covered=True):
    """The goals, (time, counts), of which the log says that they answer a change at 1 s."""
    log, found = BlinkLog(), []
    log.goal(0.0, 2000)
    log.goal(0.5, goals[0][1])
    log.change(covered)
    found = [t_s for t_s, counts in goals[1:] if log.goal(t_s, counts)]
    assert (log.answered_s is None) == (not found)
    return found


def test_the_answer_is_the_first_goal_towards_the_new_place():
    assert answers([(0.9, 2000), (1.1, 2000), (1.2, 2001), (1.3, 2005)]) == [1.2]
    assert answers([(0.9, 2000), (1.1, 2000), (1.2, 1999)], covered=False) == [1.2]


def test_a_goal_still_on_its_way_to_the_old_place_is_no_answer():
    assert answers([(0.9, 1990), (1.1, 1985), (1.2, 1985), (1.3, 1986)]) == [1.3]


def test_without_movement_there_is_no_answer():
    assert answers([(0.9, 2000), (1.1, 2000)]) == []


def test_a_new_change_is_not_answered_by_what_came_before_it():
    log = BlinkLog()
    log.goal(0.0, 2000)
    log.change(covered=True)
    assert log.goal(0.1, 2010)
    log.change(covered=False)
    assert log.answered_s is None
    assert not log.goal(0.2, 2015), "still going up"
    assert log.goal(0.3, 2014)


def round_of(*, latency_ms=80.0, blinks=20, ticks=200, chunks=40, warm_up_ms=9999.0, unanswered=0):
    """One round whose warm-up is far off, so that it shows wherever it is not left out."""
    late_s = [warm_up_ms / 1e3] * WARM_UP_BLINKS + [latency_ms / 1e3] * blinks
    made = [Blink(t_s=float(i), covered=i % 2 == 0, answered_s=i + late) for i, late in enumerate(late_s)]
    made += [Blink(t_s=0.0, covered=True)] * unanswered
    columns = {
        "t_s": np.arange(ticks + WARM_UP_TICKS) * 0.02,
        "lateness_us": np.r_[np.full(WARM_UP_TICKS, warm_up_ms), np.full(ticks, 60.0)],
        "skipped": np.zeros(ticks + WARM_UP_TICKS),
    }
    stages = {**dict.fromkeys(STAGES, 5.0), "total": 20.0, "command_age": 27.0}
    for name, value in stages.items():
        columns[f"chunk_{name}_ms"] = np.r_[np.full(WARM_UP_CHUNKS, warm_up_ms), np.full(chunks, value)]
    return Round(made, columns)


def measured(*rounds):
    reads = RoundTrips()
    reads.us = [9999.0] * WARM_UP_READS + [800.0] * 100
    return Measured({"robot": "r", "control_hz": 50.0}, reads, rounds, {"scheduler": "fifo 50"})


def test_the_warm_up_of_every_round_is_left_out_and_stated():
    results = latency_results(measured(round_of(), round_of()))
    assert results["glass_to_motor_ms"]["max"] == pytest.approx(80.0)
    assert results["glass_to_motor_ms"]["n"] == 40
    assert results["serial_rtt_us"] == {"p50": 800, "p95": 800, "p99": 800, "p999": 800, "max": 800, "n": 100}
    assert results["tick_lateness_us"]["max"] == 60.0
    assert all(stage["max"] < 30.0 for stage in results["policy_ms"].values())
    assert set(results["warm_up"].values()) == {WARM_UP_READS, WARM_UP_BLINKS, WARM_UP_TICKS, WARM_UP_CHUNKS}


def test_hand_over_is_what_lies_between_the_finished_chunk_and_its_first_command():
    results = latency_results(measured(round_of()))
    assert results["policy_ms"]["hand_over"]["p50"] == 7.0
    assert results["policy_ms"]["total"]["p50"] == 27.0


def test_an_unanswered_change_is_counted_and_is_no_latency():
    results = latency_results(measured(round_of(unanswered=2)))
    assert results["unanswered"]["blinks"] == 2
    assert results["glass_to_motor_ms"]["n"] == 20


def test_the_picture_is_drawn_with_and_without_glass(tmp_path):
    for blinks in (20, 0):
        path = tmp_path / f"{blinks}.png"
        draw_latency(path, samples(measured(round_of(blinks=blinks))))
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_same_again_is_no_regression():
    results = latency_results(measured(round_of()))
    assert regressions(results, results) == []


def test_what_is_within_the_scatter_of_a_repetition_passes_and_what_is_not_is_named():
    was = latency_results(measured(round_of(latency_ms=80.0)))
    assert regressions(was, latency_results(measured(round_of(latency_ms=95.0)))) == []
    slower = regressions(was, latency_results(measured(round_of(latency_ms=120.0))))
    assert [each.name for each in slower] == ["glass_to_motor_ms.p50", "glass_to_motor_ms.p95"]
    assert str(slower[0]) == "glass_to_motor_ms.p50 was 80, is 120, at most 96 allowed"


def test_faster_is_never_a_regression():
    was = latency_results(measured(round_of(latency_ms=80.0)))
    assert regressions(was, latency_results(measured(round_of(latency_ms=8.0)))) == []


def test_a_tiny_figure_may_double_below_the_floor():
    was = latency_results(measured(round_of()))
    now = msgspec.convert(msgspec.to_builtins(was), dict)
    was["policy_ms"]["decode"]["p50"], now["policy_ms"]["decode"]["p50"] = 0.06, 0.9
    assert regressions(was, now) == []


def test_what_is_not_measured_any_more_is_a_regression():
    was = latency_results(measured(round_of()))
    lost = regressions(was, latency_results(measured(round_of(blinks=0))))
    assert lost[0].now is None
    assert "not measured any more" in str(lost[0])


def test_a_baseline_on_other_terms_is_refused_with_both_sides():
    baseline = {"device": {"cpu": "a"}, "results": {"settings": {"robot": "r", "replan_hz": 10.0}}}
    check_comparable(baseline, {"robot": "r", "replan_hz": 10.0}, {"cpu": "a"})
    with pytest.raises(BaselineRefused, match=r"replan_hz 10.0 then, 30.0 now"):
        check_comparable(baseline, {"robot": "r", "replan_hz": 30.0}, {"cpu": "a"})
    with pytest.raises(BaselineRefused, match="cpu a then, b now"):
        check_comparable(baseline, {"robot": "r", "replan_hz": 10.0}, {"cpu": "b"})


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"command": "eval", "results": {}}', '{"command": "latency"}']
)
def test_a_file_that_is_no_latency_report_is_refused_by_name(tmp_path, content):
    path = tmp_path / "old.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BaselineRefused, match=r"old\.json"):
        load_baseline(path)


def test_the_clocks_of_a_jetson_are_read_and_what_is_not_there_is_left_out(tmp_path):
    assert clocks(tmp_path) == {"cpu": [], "gpu": []}
    files = {
        "devices/system/cpu/cpufreq/policy0/related_cpus": "0 1 2 3\n",
        "devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil\n",
        "devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1510400\n",
        "devices/system/cpu/cpufreq/policy0/scaling_max_freq": "2201600\n",
        "class/devfreq/17000000.gpu/cur_freq": "306000000\n",
        "class/devfreq/17000000.gpu/max_freq": "1300500000\n",
        "class/devfreq/15340000.vic/cur_freq": "115200000\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    cpu = {"cores": "0 1 2 3", "governor": "schedutil", "mhz": 1510.4, "max_mhz": 2201.6}
    gpu = {"name": "17000000.gpu", "governor": None, "mhz": 306.0, "max_mhz": 1300.5}
    assert clocks(tmp_path) == {"cpu": [cpu], "gpu": [gpu]}
