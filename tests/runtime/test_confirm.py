"""Confirm each chunk: what a person has looked at is played once, from its first row, and then the arm stands again."""

import math
from itertools import pairwise

import pytest

from edgevla.messages import Event, Mode
from tests.runtime.conftest import Rig

SEQ = 5


def proposed(rig, *, shift_rad=0.2, seq=SEQ, wait_ticks=100, **changes):
    """An armed arm that stands, with one chunk in hand that came in a while ago."""
    rig.armed()
    rig.tick(20)
    rig.offer(shift_rad=shift_rad, seq=seq, **changes)
    rig.tick(wait_ticks)
    return rig


def confirm(rig, seq=SEQ, age_s=0.0):
    rig.controller.confirm(seq, rig.now_s - age_s, rig.now_s)


def test_a_chunk_that_was_looked_at_for_seconds_is_played_from_its_first_row(rig):
    proposed(rig)
    before = rig.controller.state.position_rad[0]
    assert rig.controller.confirmable_seq(rig.now_s) == SEQ
    confirm(rig)
    assert rig.controller.mode is Mode.ENGAGED
    assert rig.controller.reason == f"engage: chunk {SEQ} is confirmed"
    rig.tick()
    assert rig.controller.setpoint_rad[0] == pytest.approx(before, abs=math.radians(1.0)), "row 0 is where it stood"
    rig.tick(54)  # the last row is 1.1 s after the first
    assert rig.controller.mode is Mode.ENGAGED
    assert rig.controller.state.position_rad[0] - before > 0.15


def test_at_its_last_row_the_engagement_ends_by_itself(rig):
    proposed(rig)
    confirm(rig)
    rig.tick(58)
    assert rig.controller.mode is not Mode.ENGAGED
    rig.tick(15)
    assert rig.controller.mode is Mode.HOLDING
    assert rig.controller.reason == "release: the confirmed chunk is over"
    assert rig.controller.standing


def test_it_is_played_once(rig):
    proposed(rig)
    confirm(rig)
    rig.tick(90)
    assert rig.controller.mode is Mode.HOLDING
    confirm(rig)
    assert rig.controller.mode is Mode.HOLDING
    assert rig.controller.reason == "confirm refused: there is no chunk to confirm"


def test_a_chunk_that_arrives_meanwhile_is_not_played(rig):
    proposed(rig)
    confirm(rig)
    for _ in range(55):
        rig.offer(shift_rad=-1.0, seq=99)
        rig.tick()
    rig.tick(18)
    assert rig.controller.mode is Mode.HOLDING
    assert rig.controller.reason == "release: the confirmed chunk is over"
    confirm(rig, 99)
    assert rig.controller.mode is Mode.HOLDING, "it was made while the arm moved"


@pytest.mark.parametrize("seq", [SEQ - 1, SEQ + 1, -1])
def test_any_other_chunk_is_refused(rig, seq):
    proposed(rig)
    confirm(rig, seq)
    assert rig.controller.mode is Mode.HOLDING
    assert "confirm refused" in rig.controller.reason


@pytest.mark.parametrize("age_s", [0.6, -0.6, math.nan, math.inf])
def test_a_confirmation_of_long_ago_or_of_another_clock_is_refused(rig, age_s):
    proposed(rig)
    confirm(rig, age_s=age_s)
    assert rig.controller.mode is Mode.HOLDING


def test_without_the_lease_it_is_refused_and_the_chunk_stays(rig):
    rig.heartbeats = False
    proposed(rig)
    confirm(rig)
    assert rig.controller.mode is Mode.HOLDING
    assert rig.controller.reason == "confirm refused: nobody holds the engage lease"
    rig.controller.heartbeat(rig.now_s)
    confirm(rig)
    assert rig.controller.mode is Mode.ENGAGED


def test_a_disarmed_arm_plays_nothing(rig):
    rig.tick()
    rig.offer(seq=SEQ)
    confirm(rig)
    assert rig.controller.mode is Mode.DISARMED
    assert rig.controller.confirmable_seq(rig.now_s) == -1


def test_what_was_looked_at_before_arming_can_be_played_if_the_arm_has_not_moved(rig):
    rig.tick()
    rig.offer(seq=SEQ)
    rig.armed()
    confirm(rig)
    assert rig.controller.mode is Mode.ENGAGED


def test_an_arm_that_sank_before_it_was_armed_is_refused(rig):
    rig.tick()
    rig.offer(seq=SEQ)
    rig.tick(50)
    rig.armed()
    confirm(rig)
    assert rig.controller.reason == "confirm refused: the arm has moved since it was planned"


def test_an_arm_that_has_been_moved_since_is_refused(rig):
    proposed(rig)
    state = rig.controller.state
    moved = (state.position_rad[0] + math.radians(2.5), *state.position_rad[1:])
    rig.controller.state = type(state)(t_s=state.t_s, position_rad=moved, velocity_rad_s=state.velocity_rad_s)
    assert rig.controller.confirmable_seq(rig.now_s) == -1
    confirm(rig)
    assert rig.controller.reason == "confirm refused: the arm has moved since it was planned"


def test_an_arm_that_still_brakes_is_refused(rig):
    rig.engaged(shift_rad=1.2)
    rig.tick(12)
    rig.ask(Event.STOP)
    rig.tick(2)
    rig.offer(seq=SEQ)
    confirm(rig)
    assert rig.controller.mode is Mode.STOPPING


@pytest.mark.parametrize("end", ["stop", "lease", "policy", "fault"])
def test_it_ends_early_like_any_other_engagement(rig, end):
    proposed(rig, shift_rad=1.0)
    confirm(rig)
    rig.tick(20)
    assert not rig.controller.standing
    if end == "stop":
        rig.ask(Event.STOP)
    elif end == "lease":
        rig.heartbeats = False
        rig.controller._lease_s = rig.now_s - 2.0
    elif end == "policy":
        rig.controller.policy_lost("gone")
    else:
        rig.controller.fail("test")
    rig.tick(15)
    assert rig.controller.mode is (Mode.FAULT if end == "fault" else Mode.HOLDING)
    assert rig.controller.standing
    confirm(rig)
    assert rig.controller.mode is not Mode.ENGAGED, "what has ended is not taken up again"


def test_an_invalid_chunk_takes_the_one_before_it_away(rig):
    proposed(rig)
    rig.offer(valid=False, reason="NaN", actions_rad=())
    confirm(rig)
    assert rig.controller.reason == "confirm refused: there is no chunk to confirm"


def test_a_confirmed_chunk_obeys_the_bounds(rig):
    proposed(rig, shift_rad=3.0)
    confirm(rig)
    setpoints = [rig.controller.setpoint_rad]
    for _ in range(80):
        rig.tick()
        setpoints.append(rig.controller.setpoint_rad)
    for index, each in enumerate(rig.robot.joints):
        steps = [abs(b[index] - a[index]) for a, b in pairwise(setpoints)]
        assert max(steps) <= each.velocity * 0.02 * (1 + 1e-6)
        assert all(each.position_soft[0] <= at[index] <= each.position_soft[1] for at in setpoints)
    assert rig.controller.bounds.limited > 0
    assert rig.controller.bounds.blocked == 0
    assert sum(rig.controller.limited_joints) > 0


def test_autonomous_needs_no_lease_to_confirm():
    rig = Rig(control__supervision="autonomous")
    rig.heartbeats = False
    proposed(rig)
    confirm(rig)
    assert rig.controller.mode is Mode.ENGAGED
