"""Ticks come on absolute deadlines; late ones are skipped and counted, and a stall is never followed by a burst."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.control.ticker import Spacing, Tick, Ticker

PERIOD_S = 0.02


class Clock:
    """Simulated time: sleeping jumps, working is advanced by hand."""

    def __init__(self):
        self.now_s = 5.0

    def __call__(self):
        return self.now_s

    def sleep_until(self, deadline_s):
        self.now_s = max(self.now_s, deadline_s)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ticker(clock):
    return Ticker(PERIOD_S, clock, clock.sleep_until)


def test_work_does_not_shift_the_deadlines(clock, ticker):
    for index in range(1, 200):
        tick = ticker.wait()
        assert tick.number == index
        assert tick.deadline_s == pytest.approx(5.0 + index * PERIOD_S)
        assert tick.skipped == 0
        clock.now_s += 0.7 * PERIOD_S


def test_a_stall_skips_deadlines_counts_them_and_keeps_the_phase(clock, ticker):
    ticker.wait()
    clock.now_s += 0.5
    tick = ticker.wait()
    assert tick.number == 27  # 5.52 s: deadline 26 is now, the first that leaves nine tenths of a period is 27
    assert tick.skipped == 25
    assert tick.deadline_s == pytest.approx(5.0 + 27 * PERIOD_S)


def test_a_deadline_that_is_just_now_is_kept(clock):
    ticker = Ticker(0.25, clock, clock.sleep_until)
    clock.now_s = 5.25
    assert ticker.wait() == Tick(number=1, deadline_s=5.25, lateness_s=0.0, skipped=0)


def test_a_deadline_that_leaves_exactly_nine_tenths_of_a_period_is_kept(clock):
    ticker = Ticker(10.0, clock, clock.sleep_until)
    clock.now_s = 5.0 + 11.0
    assert ticker.wait() == Tick(number=2, deadline_s=25.0, lateness_s=0.0, skipped=1)
    clock.now_s = 5.0 + 31.5
    assert ticker.wait() == Tick(number=5, deadline_s=55.0, lateness_s=0.0, skipped=2)


@given(st.lists(st.floats(0.0, 0.3), min_size=2, max_size=50))
def test_after_an_overrun_the_next_tick_leaves_nine_tenths_of_a_period(works_s):
    clock = Clock()
    ticker = Ticker(PERIOD_S, clock, clock.sleep_until)
    ticker.wait()
    for work_s in works_s:
        clock.now_s += work_s
        written_s = clock.now_s
        tick = ticker.wait()
        if tick.skipped:
            assert clock.now_s - written_s >= 0.9 * PERIOD_S - 1e-9
        assert tick.lateness_s >= 0.0


def test_lateness_is_what_the_sleep_overslept(clock):
    def oversleep(deadline_s):
        clock.now_s = deadline_s + 0.003

    assert Ticker(PERIOD_S, clock, oversleep).wait().lateness_s == pytest.approx(0.003)


def test_three_overruns_in_a_row_are_an_overrun_two_are_not(clock, ticker):
    for expected in (False, False, True, True):
        clock.now_s += 3 * PERIOD_S
        ticker.wait()
        assert ticker.overrun is expected
    ticker.wait()
    assert not ticker.overrun


def test_a_tick_in_time_ends_the_row_of_overruns(clock, ticker):
    for works_s in (3.0, 0.0, 3.0, 3.0):
        clock.now_s += works_s * PERIOD_S
        ticker.wait()
        assert not ticker.overrun
    clock.now_s += 3.0 * PERIOD_S
    ticker.wait()
    assert ticker.overrun


def hundred_ticks(clock, ticker, skips):
    """A hundred ticks, of which the first `skips` odd ones skip one deadline; whether it was an overrun each time."""
    overruns = []
    for tick in range(100):
        clock.now_s += 1.05 * PERIOD_S if tick % 2 and tick < 2 * skips else 0.0
        ticker.wait()
        overruns.append(ticker.overrun)
    return overruns


def test_twelve_skipped_deadlines_in_a_hundred_ticks_lag_and_eleven_do_not(clock, ticker):
    assert hundred_ticks(clock, ticker, skips=11) == [False] * 100  # 1.11 periods a tick; 1 / 0.9 = 1.111 are allowed
    assert hundred_ticks(clock, ticker, skips=12) == [False] * 99 + [True]


def test_the_rate_is_judged_anew_every_hundred_ticks(clock, ticker):
    assert hundred_ticks(clock, ticker, skips=50)[-1]
    assert hundred_ticks(clock, ticker, skips=0) == [True] * 99 + [False]
    assert hundred_ticks(clock, ticker, skips=50)[-1]


def test_exactly_nine_tenths_of_the_rate_do_not_lag():
    now_s = 0.0

    def sleep_until(deadline_s):
        nonlocal now_s
        now_s = deadline_s if deadline_s < 89.5 else 100.0

    ticker = Ticker(0.9, lambda: now_s, sleep_until)
    for _ in range(100):
        ticker.wait()
    assert now_s == 100.0
    assert not ticker.overrun


@given(st.lists(st.floats(0.0, 3.0 * PERIOD_S), min_size=2, max_size=50))
def test_commands_are_nine_tenths_of_a_period_apart_whatever_holds_up_the_work(works_s):
    clock = Clock()
    ticker = Ticker(PERIOD_S, clock, clock.sleep_until)
    spacing = Spacing(PERIOD_S, clock, clock.sleep_until)
    sent_s = []
    for work_s in works_s:
        ticker.wait()
        clock.now_s += work_s
        spacing.wait()
        sent_s.append(clock.now_s)
    assert all(after - before >= 0.9 * PERIOD_S - 1e-9 for before, after in pairwise(sent_s))


def test_a_command_in_time_is_not_held_up_and_one_after_a_late_one_waits_for_what_is_missing(clock):
    spacing = Spacing(10.0, clock, clock.sleep_until)
    for before_s, after_s in ((5.0, 5.0), (14.0, 14.0), (23.5, 23.5), (30.0, 32.5), (41.5, 41.5), (41.75, 50.5)):
        clock.now_s = before_s
        spacing.wait()
        assert clock.now_s == after_s


def test_who_comes_just_in_time_is_not_put_to_sleep(clock):
    spacing = Spacing(10.0, clock, lambda _deadline_s: pytest.fail("slept"))
    spacing.wait()
    clock.now_s += 9.0
    spacing.wait()


def test_the_first_command_waits_for_nothing(clock):
    clock.now_s = -1e9
    Spacing(10.0, clock, clock.sleep_until).wait()
    assert clock.now_s == -1e9


def test_what_overslept_counts_from_when_it_woke(clock):
    def oversleep(deadline_s):
        clock.now_s = deadline_s + 1.0

    spacing = Spacing(10.0, clock, oversleep)
    spacing.wait()
    spacing.wait()
    assert clock.now_s == 5.0 + 9.0 + 1.0
    spacing.wait()
    assert clock.now_s == 5.0 + 20.0
