"""A short measurement of the real thing: nothing here says how fast it must be."""

from __future__ import annotations

import json

import pytest

from edgevla.evaluate.latency import LatencyOptions, run_latency
from edgevla.evaluate.latency_baseline import BaselineRefused, load_baseline
from edgevla.evaluate.quantiles import SHARES
from edgevla.runtime.ticklog import TICKS_FILE


def options(report, **changes):
    given = {"robot_path": None, "overrides": {}, "blinks": 3, "seconds": 1.0, "reads": 50, "rounds": 1, "seed": 5}
    return LatencyOptions(**{**given, "report": report, "variant": "fp32", "baseline": None, **changes})


@pytest.mark.realtime
def test_every_change_before_the_lens_is_answered_on_the_wire_and_all_parts_are_timed(tmp_path):
    went = []
    report = run_latency(options(tmp_path), went.append)
    results = report["results"]
    assert results["unanswered"]["blinks"] == 0
    assert results["glass_to_motor_ms"]["n"] == 3
    # No command can answer before a picture was taken and a policy has run; a second is what gave up looks like.
    assert 1.0 < results["glass_to_motor_ms"]["p50"] < 1000.0
    assert results["serial_rtt_us"]["n"] + results["unanswered"]["reads"] == 50
    # 6 servos of 1 Mbaud: the request and the replies alone take 0.6 ms on the wire.
    assert results["serial_rtt_us"]["p50"] > 600.0
    for stage in ("capture", "preprocess", "engine", "decode", "hand_over", "total"):
        assert set(results["policy_ms"][stage]) == {*SHARES, "max", "n"}
        assert results["policy_ms"][stage]["n"] > 0
    assert sum(went) == pytest.approx(1.0)
    assert json.loads((tmp_path / "latency.json").read_bytes())["results"]["glass_to_motor_ms"]["n"] == 3
    assert (tmp_path / "latency.png").exists()
    assert load_baseline(tmp_path / "latency.json")["command"] == "latency"
    assert not (tmp_path / TICKS_FILE).exists()


def test_a_baseline_that_is_no_report_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(BaselineRefused):
        run_latency(options(tmp_path, baseline=tmp_path / "missing.json"), lambda _: None)
