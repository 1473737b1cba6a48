"""One operator at most holds the arm, as long as they say so, and no longer than the engagement lasts."""

import math

import pytest

from edgevla.messages import Bounds, Mode, Status
from edgevla.runtime.holder import Holder


def status(t_s, mode=Mode.HOLDING):
    return Status(
        t_s=t_s,
        mode=mode,
        reason="",
        instruction="",
        ticks=0,
        missed=0,
        rate_hz=50.0,
        lateness_p99_us=0.0,
        chunk_age_ms=0.0,
        policy_ms=0.0,
        bounds=Bounds(),
        position_rad=(),
        setpoint_rad=(),
    )


@pytest.fixture
def holder():
    return Holder()


@pytest.fixture
def engaged(holder):
    assert holder.asks("ann", 10.0)
    assert holder.hears(status(10.02, Mode.ENGAGED)) is None
    return holder


def test_nobody_holds_the_arm_at_first(holder):
    assert holder.who is None
    assert holder.expires_s == math.inf
    assert not holder.beats("ann", 10.0, 10.0)


def test_who_asks_holds_and_only_their_heartbeat_counts(engaged):
    assert engaged.beats("ann", 10.3, 10.3)
    assert not engaged.beats("bob", 10.4, 10.4)
    assert engaged.expires_s == pytest.approx(10.8)


def test_a_second_one_cannot_take_it_over(engaged):
    assert not engaged.asks("bob", 10.1)
    assert engaged.who == "ann"


def test_who_holds_may_ask_again(engaged):
    assert engaged.asks("ann", 10.2)
    assert engaged.hears(status(10.3, Mode.ENGAGED)) is None
    assert engaged.who == "ann"


def test_a_refusal_is_told_to_who_has_asked_and_leaves_nobody(holder):
    holder.asks("ann", 10.0)
    assert holder.hears(status(10.02, Mode.HOLDING)) == "ann"
    assert holder.who is None
    assert holder.asks("bob", 10.1)


def test_what_control_said_before_it_was_asked_is_no_answer(holder):
    holder.asks("ann", 10.0)
    assert holder.hears(status(9.99, Mode.HOLDING)) is None
    assert holder.who == "ann"


@pytest.mark.parametrize("mode", [Mode.STOPPING, Mode.HOLDING, Mode.FAULT, Mode.DISARMED])
def test_however_an_engagement_ends_nobody_holds_the_arm_after_it(engaged, mode):
    assert engaged.hears(status(11.0, mode)) is None
    assert engaged.who is None
    assert not engaged.beats("ann", 11.1, 11.1)


@pytest.mark.parametrize("t_s", [math.nan, math.inf, -math.inf])
def test_a_heartbeat_at_no_time_is_none(engaged, t_s):
    assert not engaged.beats("ann", t_s, 10.3)
    assert engaged.expires_s == pytest.approx(10.5)


def test_a_heartbeat_from_the_future_counts_from_now_and_a_late_one_takes_nothing_back(engaged):
    engaged.beats("ann", 99.0, 10.2)
    assert engaged.expires_s == pytest.approx(10.7)
    engaged.beats("ann", 9.0, 10.3)
    assert engaged.expires_s == pytest.approx(10.7)


def test_letting_go_leaves_nobody(engaged):
    engaged.lets_go()
    assert engaged.who is None
    assert engaged.expires_s == math.inf
    assert engaged.asks("bob", 10.2)
