"""The tick log keeps the newest rows in order, and the report's figures are those of its rows."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgevla.control.ticker import Tick
from edgevla.messages import Bounds, Chunk, Mode, StageTimes
from edgevla.runtime.controller import Outcome
from edgevla.runtime.plots import draw_latency
from edgevla.runtime.report import WARM_UP_TICKS, run_results
from edgevla.runtime.ticklog import TICKS_FILE, Ring, TickLog


def log_of(count, capacity=10_000, lateness_us=50.0):
    log = TickLog(capacity)
    for number in range(count):
        outcome = Outcome(number * 0.02, Mode.ENGAGED, 0.1, False, False, False, False)
        log.add(Tick(number, number * 0.02, lateness_us * 1e-6, int(number == 7)), outcome, 3e-4, 1e-3)
    return log


def test_a_ring_keeps_its_newest_rows_oldest_first():
    ring = Ring(("a", "b"), 3)
    for number in range(5):
        ring.add(number, -number)
    assert ring.columns()["a"].tolist() == [2, 3, 4]
    assert ring.columns()["b"].tolist() == [-2, -3, -4]
    assert ring.newest("a", 2).tolist() == [3, 4]
    assert ring.newest("a", 99).tolist() == [2, 3, 4]


def test_a_ring_that_is_not_full_has_only_what_was_added():
    ring = Ring(("a",), 3)
    ring.add(1.0)
    assert ring.columns()["a"].tolist() == [1.0]


def test_recent_lateness_is_the_99th_percentile_of_the_last_ticks():
    log = log_of(100, lateness_us=50.0)
    log.add(Tick(100, 2.0, 0.004, 0), Outcome(2.0, Mode.HOLDING, 0.0, False, False, False, False), 0.0, 0.0)
    assert log.recent_lateness_p99_us(100) == pytest.approx(4000.0)
    assert log_of(100, lateness_us=50.0).recent_lateness_p99_us(100) == pytest.approx(50.0)
    assert TickLog(5).recent_lateness_p99_us(5) == 0.0


def test_the_report_has_the_figures_of_the_log_without_the_warm_up(tmp_path):
    log = log_of(WARM_UP_TICKS + 100)
    stages = StageTimes(capture_ms=30.0, preprocess_ms=1.0, engine_ms=4.0, decode_ms=0.5)
    chunk = Chunk(seq=1, t_obs_s=0.0, rate_hz=10.0, actions_rad=((0.0,),), valid=True, stages=stages)
    log.add_played(chunk, age_s=0.055)
    log.save(tmp_path / TICKS_FILE)
    session = SimpleNamespace(status=SimpleNamespace(bounds=Bounds(limited=3, held=1)), granted=None)
    results = run_results(session, tmp_path, [])
    assert results["ticks"]["count"] == WARM_UP_TICKS + 100
    assert results["ticks"]["missed"] == 1
    assert results["ticks"]["rate_hz"] == pytest.approx(50.0)
    assert results["ticks"]["lateness_us"]["max"] == pytest.approx(50.0)
    assert results["ticks"]["work_us"]["p50"] == pytest.approx(300.0)
    assert results["policy_ms"]["total"]["p50"] == pytest.approx(35.5)
    assert results["command_age_ms"]["max"] == pytest.approx(55.0)
    assert results["bounds"] == {"limited": 3, "blocked": 0, "held": 1}
    assert results["realtime"]["scheduler"] == "other"


def test_a_run_without_a_chunk_reports_nothing_measured_rather_than_zero(tmp_path):
    log_of(60).save(tmp_path / TICKS_FILE)
    results = run_results(SimpleNamespace(status=None, granted=None), tmp_path, [])
    assert results["policy_ms"]["engine"] == {"p50": None, "p99": None, "max": None}
    assert draw_latency(tmp_path).stat().st_size > 1000


def test_the_log_has_no_pickles(tmp_path):
    log_of(3).save(tmp_path / TICKS_FILE)
    with np.load(tmp_path / TICKS_FILE, allow_pickle=False) as saved:
        assert saved["mode"].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("lateness_us", "bucket"), [(-3.0, 0), (0.0, 0), (50.0, 0), (50.1, 1), (999.0, 4), (49_999.0, 9), (50_001.0, 10)]
)
def test_every_tick_is_counted_once_by_its_lateness(lateness_us, bucket):
    log = log_of(3, lateness_us=lateness_us)
    assert log.lateness_counts == [3 if index == bucket else 0 for index in range(11)]


def test_the_counts_go_on_when_the_ring_is_full():
    assert sum(log_of(50, capacity=5).lateness_counts) == 50
