"""One tick after the other, on simulated servos: what is granted, what is refused, and how every engagement ends."""

import math

import pytest

from edgevla.control.modes import ASKABLE
from edgevla.messages import Event, Mode
from edgevla.motors import feetech, sts3215
from tests.runtime.conftest import Rig

PERIOD_S = 0.02


def test_nothing_is_written_before_a_person_arms(rig):
    rig.tick(20)
    assert rig.controller.mode is Mode.DISARMED
    assert rig.writes == []


def test_arming_takes_over_where_the_arm_stands(rig):
    rig.tick()
    before = rig.controller.state.position_rad
    rig.armed().tick(50)
    assert rig.controller.mode is Mode.HOLDING
    assert rig.world.torque_on.all()
    assert rig.controller.state.position_rad == pytest.approx(before, abs=math.radians(2.0))


def test_engaging_needs_a_fresh_plan(rig):
    rig.armed()
    rig.ask(Event.ENGAGE)
    assert rig.controller.mode is Mode.HOLDING
    assert "no fresh plan" in rig.controller.reason
    rig.offer(age_s=0.31)
    rig.ask(Event.ENGAGE)
    assert rig.controller.mode is Mode.HOLDING


def test_engaging_needs_somebody_holding_the_lease(rig):
    rig.heartbeats = False
    rig.armed()
    rig.offer()
    rig.ask(Event.ENGAGE)
    assert rig.controller.mode is Mode.HOLDING
    assert "lease" in rig.controller.reason


def test_engaging_needs_an_armed_arm(rig):
    rig.tick()
    rig.offer()
    rig.ask(Event.ENGAGE)
    assert rig.controller.mode is Mode.DISARMED


def test_an_engaged_arm_follows_the_plan(rig):
    rig.engaged(shift_rad=0.3)
    before = rig.controller.state.position_rad[0]
    rig.tick(14)
    assert rig.controller.state.position_rad[0] - before > 0.04
    assert rig.outcome.mode is Mode.ENGAGED


def test_the_first_tick_that_plays_a_chunk_is_marked_once(rig):
    rig.engaged()
    assert rig.outcome.fresh_chunk
    assert not rig.tick().fresh_chunk


def test_a_plan_that_grows_old_makes_the_arm_wait_and_then_ends_the_engagement(rig):
    rig.engaged()
    rig.tick(16)
    assert rig.outcome.mode is Mode.ENGAGED
    assert rig.outcome.held
    rig.tick(15)
    assert rig.outcome.mode in {Mode.STOPPING, Mode.HOLDING}
    assert "plan stale" in rig.controller.reason
    rig.tick(5)
    rig.offer(shift_rad=0.3)
    rig.tick(5)
    assert rig.outcome.mode is Mode.HOLDING, "a new plan must not engage by itself"


def test_a_fresh_plan_in_time_goes_on_after_a_wait(rig):
    rig.engaged()
    rig.tick(18)
    assert rig.outcome.held
    rig.offer(shift_rad=0.3)
    assert not rig.tick().held
    assert rig.outcome.mode is Mode.ENGAGED


def test_one_invalid_chunk_makes_the_arm_hold_a_second_within_a_second_is_a_fault(rig):
    rig.engaged()
    rig.offer(valid=False, reason="NaN in the output", actions_rad=())
    rig.tick()
    assert rig.outcome.mode is Mode.ENGAGED
    assert rig.outcome.held
    assert "NaN in the output" in rig.controller.reason
    rig.offer(valid=False, reason="NaN in the output", actions_rad=())
    rig.tick()
    assert rig.outcome.mode is Mode.FAULT


def test_two_invalid_chunks_far_apart_are_no_fault(rig):
    rig.engaged()
    for _ in range(2):
        rig.offer(valid=False, reason="bad", actions_rad=())
        rig.tick()
        for _ in range(60):
            rig.offer()
            rig.tick()
    assert rig.outcome.mode is Mode.ENGAGED


def test_invalid_chunks_while_holding_are_no_fault(rig):
    rig.armed()
    for _ in range(5):
        rig.offer(valid=False, reason="an unknown word", actions_rad=())
        rig.tick()
    assert rig.outcome.mode is Mode.HOLDING


@pytest.mark.parametrize("event", [Event.STOP, Event.RELEASE])
def test_the_operator_lets_go_and_the_arm_stands_within_300_ms(rig, event):
    rig.engaged(shift_rad=1.2)
    rig.tick(12)
    assert not rig.controller.standing
    rig.ask(event)
    rig.tick(15)
    assert rig.controller.mode is Mode.HOLDING
    assert rig.controller.standing


def test_a_lost_policy_stops_the_arm_within_300_ms_and_says_why(rig):
    rig.engaged(shift_rad=1.2)
    rig.tick(12)
    rig.controller.policy_lost("the policy process is gone")
    rig.tick(15)
    assert rig.controller.mode is Mode.HOLDING
    assert rig.controller.standing
    assert "the policy process is gone" in rig.controller.reason


def test_a_lost_lease_stops_the_arm(rig):
    rig.engaged()
    rig.heartbeats = False
    for _ in range(60):
        rig.offer()
        rig.tick()
    assert rig.controller.mode is Mode.HOLDING
    assert "lease" in rig.controller.reason


def test_autonomous_needs_no_lease():
    rig = Rig(control__supervision="autonomous")
    rig.heartbeats = False
    rig.engaged()
    for _ in range(60):
        rig.offer()
        rig.tick()
    assert rig.controller.mode is Mode.ENGAGED


def test_shadow_computes_and_sends_nothing():
    rig = Rig(control__supervision="shadow")
    rig.engaged(shift_rad=0.5)
    rig.tick(10)
    assert rig.controller.mode is Mode.ENGAGED
    assert rig.controller.setpoint_rad != pytest.approx(rig.controller.state.position_rad, abs=0.01)
    assert rig.writes == []


def test_one_unanswered_read_is_bridged_three_are_a_fault_and_nothing_is_sent_any_more(rig):
    rig.engaged()
    for servo in rig.servos.servos:
        servo.connected = False
    rig.tick(2)
    assert rig.controller.mode is Mode.ENGAGED
    rig.tick()
    assert rig.controller.mode is Mode.FAULT
    assert "serial lost" in rig.controller.reason
    sent = len(rig.wire)
    for servo in rig.servos.servos:
        servo.connected = True
    rig.tick(20)
    assert len(rig.wire) == sent
    rig.ask(Event.RESET)
    assert rig.controller.mode is Mode.FAULT, "a lost line comes back only with a restart"


def test_a_setpoint_that_the_gate_blocks_never_reaches_the_wire_and_is_a_fault(rig):
    rig.engaged()
    address = sts3215.GOAL_POSITION.address
    rig.controller._limits.start([0.5, *rig.controller.setpoint_rad[1:]])  # a bug above the gate: a jump
    before = len(rig.writes)
    outcome = rig.tick()
    assert outcome.blocked
    assert rig.controller.mode is Mode.FAULT
    assert f"register {address}" in rig.controller.reason
    rig.tick(20)
    assert len(rig.writes) == before


def test_after_a_fault_only_a_reset_and_arming_anew_lead_back(rig):
    rig.engaged()
    rig.controller._limits.start([0.5, *rig.controller.setpoint_rad[1:]])
    rig.tick(5)
    fault = rig.controller.reason
    rig.ask(Event.ARM)
    rig.ask(Event.ENGAGE)
    assert (rig.controller.mode, rig.controller.reason) == (Mode.FAULT, fault), "a person has to see why"
    rig.ask(Event.RESET)
    assert rig.controller.mode is Mode.DISARMED
    rig.engaged()
    assert rig.controller.mode is Mode.ENGAGED


def test_a_joint_that_does_not_follow_for_half_a_second_is_a_fault_that_names_it(rig):
    rig.engaged(shift_rad=0.0)
    standing = (rig.controller.setpoint_rad,) * 12
    for servo in rig.servos.servos:
        servo.write(sts3215.TORQUE_LIMIT.address, bytes(2))  # the motors give way, and the arm sinks
    for _ in range(150):
        rig.offer(actions_rad=standing)
        rig.tick()
    assert rig.controller.mode is Mode.FAULT
    assert "does not follow" in rig.controller.reason
    assert "shoulder_lift" in rig.controller.reason or "elbow_flex" in rig.controller.reason


def test_a_hot_servo_is_a_fault_that_names_it(rig):
    rig.engaged()
    rig.servos.servos[2].temperature_c = 90.0
    rig.offer()
    rig.tick(2)  # it is applied between two ticks, and the next reply tells
    assert rig.controller.mode is Mode.FAULT
    assert "elbow_flex reports too hot" in rig.controller.reason


def test_a_servo_that_has_cooled_down_can_be_armed_again_after_a_reset(rig):
    rig.engaged()
    rig.servos.servos[2].temperature_c = 90.0
    rig.tick(70)
    assert rig.controller.mode is Mode.FAULT
    rig.servos.servos[2].temperature_c = 40.0
    rig.ask(Event.RESET)
    rig.engaged()
    rig.offer()
    rig.tick(10)
    assert rig.controller.mode is Mode.ENGAGED


def test_an_arm_outside_its_envelope_is_not_armed_and_the_joint_is_named():
    rig = Rig(
        joints__shoulder_lift__position_hard="[-20 deg, 100 deg]",
        joints__shoulder_lift__position_soft="[-10 deg, 90 deg]",
        joints__shoulder_lift__home="0 deg",
    )
    rig.armed()
    assert rig.controller.mode is Mode.DISARMED
    assert "shoulder_lift" in rig.controller.reason
    assert not rig.world.torque_on.any()
    assert rig.writes == []


@pytest.mark.parametrize(("policy", "torque"), [("hold", True), ("release", False)])
def test_leaving_applies_the_torque_policy_of_robot_yaml(policy, torque):
    rig = Rig(motors__on_exit=policy)
    rig.armed()
    rig.controller.leave()
    rig.tick()
    assert rig.world.torque_on.all() == torque


def test_every_goal_on_the_wire_is_inside_the_hard_limits_whatever_is_planned(rig):
    rig.engaged()
    for sign in (1, -1) * 10:
        for _ in range(10):
            rig.offer(shift_rad=sign * 50.0)
            rig.tick()
    counts = {joint.id: [] for joint in rig.robot.joints}
    for frame in rig.writes:
        for write in feetech.writes_in(frame):
            if write.address == sts3215.GOAL_POSITION.address:
                counts[write.device].append(int.from_bytes(write.data, "little"))
    assert rig.controller.mode is Mode.ENGAGED
    for joint in rig.robot.joints:
        low, high = (2048 + bound * 4096 / (2 * math.pi) for bound in joint.position_hard)
        assert all(low <= raw <= high for raw in counts[joint.id])


def test_a_request_to_move_that_was_asked_long_ago_is_refused(rig):
    rig.armed()
    rig.offer()
    rig.controller.operator(Event.ENGAGE, "late", rig.now_s - 0.6, rig.now_s)
    assert rig.controller.mode is Mode.HOLDING
    assert "0.6 s ago" in rig.controller.reason


def test_a_stop_is_granted_however_old(rig):
    rig.engaged()
    rig.controller.operator(Event.STOP, "late", rig.now_s - 60.0, rig.now_s)
    assert rig.controller.mode is Mode.STOPPING


def test_a_plan_observed_before_a_stop_is_not_played_after_it(rig):
    rig.engaged()
    rig.tick(3)
    rig.ask(Event.STOP)
    rig.tick(8)
    assert rig.controller.mode is Mode.HOLDING
    rig.offer(age_s=0.25)
    rig.ask(Event.ENGAGE)
    assert rig.controller.mode is Mode.HOLDING
    rig.offer(age_s=0.0)
    rig.ask(Event.ENGAGE)
    assert rig.controller.mode is Mode.ENGAGED


def test_a_far_goal_at_low_speed_is_no_fault():
    rig = Rig(joints__shoulder_pan__velocity="20 deg/s")
    rig.engaged(shift_rad=0.0)
    here = rig.controller.setpoint_rad
    for _ in range(75):
        rig.offer(actions_rad=((here[0] + 1.0, *here[1:]),) * 12)
        rig.tick()
    assert rig.controller.mode is Mode.ENGAGED


def test_an_error_inside_the_program_brakes_and_latches(rig):
    rig.engaged(shift_rad=1.2)
    rig.tick(12)
    rig.controller.fail("ZeroDivisionError: division by zero")
    rig.tick(15)
    assert rig.controller.mode is Mode.FAULT
    assert rig.controller.standing
    assert "internal error: ZeroDivisionError" in rig.controller.reason


@pytest.mark.parametrize("blocked", [True, False])
def test_release_on_exit_is_applied_after_a_fault_too_even_when_the_gate_has_latched(blocked):
    rig = Rig(motors__on_exit="release")
    rig.engaged()
    if blocked:
        rig.controller._limits.start([0.5, *rig.controller.setpoint_rad[1:]])
        rig.tick(3)
        assert rig.controller._gate.violation
    else:
        rig.controller.fail("test")
        rig.tick(20)
        rig.ask(Event.RESET)
    rig.controller.leave()
    rig.tick()
    assert not rig.world.torque_on.any()


def test_every_command_is_kept_apart_from_the_one_before_and_nothing_else_waits(rig):
    rig.armed()
    rig.paced.clear()
    begun = len(rig.wire)
    rig.tick(5)
    commands = [begun + index for index, frame in enumerate(rig.wire[begun:]) if feetech.writes_in(frame)]
    assert len(commands) == 5
    assert rig.paced == commands


def test_who_sends_nothing_waits_for_nothing():
    rig = Rig(control__supervision="shadow")
    rig.engaged()
    assert rig.paced == []


@pytest.mark.parametrize("event", sorted(set(Event) - ASKABLE, key=lambda event: event.value))
def test_nobody_can_ask_for_what_only_the_machine_knows(event):
    rig = Rig()
    rig.engaged(shift_rad=1.2)
    rig.tick(12)
    rig.ask(Event.STOP)
    rig.tick()
    rig.ask(event)
    assert rig.controller.mode is Mode.STOPPING
    assert rig.controller.reason == f"{event.value} refused: nobody can ask for it"


@pytest.mark.parametrize("asked_s", [math.nan, math.inf, -math.inf])
def test_a_request_to_move_that_was_asked_at_no_time_is_refused(rig, asked_s):
    rig.armed()
    rig.offer()
    rig.controller.operator(Event.ENGAGE, "no clock", asked_s, rig.now_s)
    assert rig.controller.mode is Mode.HOLDING


def test_a_heartbeat_at_no_time_keeps_no_lease(rig):
    rig.heartbeats = False
    rig.armed()
    rig.controller.heartbeat(math.nan)
    rig.offer()
    rig.ask(Event.ENGAGE)
    assert rig.controller.mode is Mode.HOLDING
    rig.controller.heartbeat(rig.now_s)
    rig.controller.heartbeat(rig.now_s - 60.0)  # a late one takes nothing back
    rig.ask(Event.ENGAGE)
    assert rig.controller.mode is Mode.ENGAGED


def test_the_ticks_in_which_the_bounds_changed_a_joint_are_counted_for_it(rig):
    rig.engaged(shift_rad=0.0)
    here = rig.controller.setpoint_rad
    rig.offer(actions_rad=((here[0] + 1.0, *here[1:]),) * 12)
    rig.tick(5)
    assert rig.controller.limited_joints[0] == 5
    assert rig.controller.limited_joints[1:] == [0] * 5
    rig.offer(actions_rad=((math.nan, *here[1:]),) * 12)
    rig.tick(2)
    assert len(rig.controller.limited_joints) == 6
