"""The sweep of a limp arm by hand: nothing moves by itself, nothing is written unasked, and zero ends up at zero."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.calibrate.arms import stops_rad
from edgevla.calibrate.errors import CalibrationError, WriteForbidden
from edgevla.calibrate.guard import only
from edgevla.calibrate.joints import MIDDLE, Range, from_lerobot, measure, settle, to_tell
from edgevla.calibrate.lerobot import ServoCalibration
from edgevla.calibrate.servo_memory import Memory, ServoMemory, allowed_writes
from edgevla.calibrate.sweep import Sweep
from edgevla.calibrate.zeroing import PER_RAD, rehomed, zeroed
from edgevla.config.load import load_robot
from edgevla.motors import feetech, sts3215
from edgevla.motors.feetech_bus import FeetechBus
from edgevla.motors.scale import CountScale
from edgevla.shipped import shipped
from tests.calibrate.arm import Hand, LimpArm, stop_to_stop
from tests.examples import examples

ROBOT = load_robot(shipped("so101-tabletop") / "robot.yaml")
STOPS = stops_rad(ROBOT)
STOPS_DEG = [np.degrees(STOPS[name]) for name in ROBOT.joint_names]
SCALE = CountScale(4096)
# Horns mounted anyhow: in three of them the end of the count lies within the joint's range.
MAGNETS = (2048, 1500, 300, 3900, 2100, 4000)


def memory_of(arm, allowed=()):
    return ServoMemory(ROBOT.joints, arm.transport(only(allowed, FeetechBus.decode_writes)))


def swept(arm, memory, enters=(180,), path=None):
    hand = Hand(arm, stop_to_stop(STOPS_DEG) if path is None else path, enters)
    arm.position_rad[:] = np.radians([0.5 * (low + high) for low, high in STOPS_DEG])
    return measure(memory, ROBOT.joints, STOPS, hand, pause=lambda _: None), hand


def test_the_sweep_finds_both_stops_of_every_joint_and_writes_nothing():
    arm = LimpArm(MAGNETS)
    ranges, hand = swept(arm, memory_of(arm))
    assert hand.said[0] == MIDDLE
    assert all(feetech.writes_in(frame) == () for frame in arm.wire)
    for (low_deg, high_deg), magnet, found in zip(STOPS_DEG, MAGNETS, ranges.values(), strict=True):
        assert found.low % 4096 == pytest.approx((magnet + round(math.radians(low_deg) * PER_RAD)) % 4096, abs=1)
        assert found.high - found.low == pytest.approx(math.radians(high_deg - low_deg) * PER_RAD, abs=2)


def test_enter_before_every_joint_was_at_both_stops_is_answered_with_which_was_not():
    arm = LimpArm()
    half = stop_to_stop(STOPS_DEG)
    half[:, 2] = 0.0  # the elbow was forgotten
    path = np.concatenate([half, stop_to_stop(STOPS_DEG)])
    ranges, hand = swept(arm, memory_of(arm), enters=(180, 360), path=path)
    assert "elbow_flex was moved by 0 deg, its stops are 194 deg apart" in hand.said[-1]
    assert "shoulder_pan" not in hand.said[-1]
    assert ranges["elbow_flex"].high - ranges["elbow_flex"].low > 2000


def test_an_arm_with_torque_is_refused():
    arm = LimpArm()
    memory = memory_of(arm)
    arm.servos.servos[2].write(sts3215.TORQUE_ENABLE.address, b"\x01")
    with pytest.raises(CalibrationError, match="the torque of elbow_flex is on"):
        swept(arm, memory)


def test_without_leave_every_write_is_stopped_at_the_guard():
    arm = LimpArm()
    with pytest.raises(WriteForbidden, match="register 55 of servo 1"):
        memory_of(arm).store({"shoulder_pan": Memory(1, 2, 3)})
    assert all(feetech.writes_in(frame) == () for frame in arm.wire)


def test_even_with_leave_no_write_passes_that_could_move_a_joint():
    guard = only(allowed_writes(ROBOT.joints), FeetechBus.decode_writes)
    for register, value in ((sts3215.TORQUE_ENABLE, 1), (sts3215.TORQUE_ENABLE, 128), (sts3215.GOAL_POSITION, 2048)):
        with pytest.raises(WriteForbidden):
            guard(feetech.write(1, register.address, register.pack(value)))
    with pytest.raises(WriteForbidden):
        guard(feetech.write(9, sts3215.LOCK.address, b"\0"))


def test_a_range_that_crosses_the_end_of_the_count_needs_the_servos_to_be_told():
    arm = LimpArm(MAGNETS)
    memory = memory_of(arm)
    ranges, _ = swept(arm, memory)
    with pytest.raises(CalibrationError, match=r"elbow_flex: its range .* crosses the end .* --write-servos"):
        settle(ROBOT.joints, ranges, memory.stored(), STOPS)


def test_told_their_new_offset_the_servos_report_what_robot_yaml_means():
    arm = LimpArm(MAGNETS)
    memory = memory_of(arm, allowed_writes(ROBOT.joints))
    ranges, _ = swept(arm, memory)
    settled = settle(ROBOT.joints, ranges, memory.stored(), STOPS, told=to_tell(ranges, {}))
    memory.store(settled.memories)
    assert all(servo.read(sts3215.LOCK.address, 1) == b"\1" for servo in arm.servos.servos)
    arm.servos.power_up()
    for pose_deg in ([0.0] * 6, [30, -20, 40, -50, 60, 70], [-90, 80, -80, 90, -140, 5]):
        arm.position_rad[:] = np.radians(pose_deg)
        positions = memory.positions()
        for found, degrees in zip(settled.joints, pose_deg, strict=True):
            counts = positions[found.joint.name]
            read_deg = math.degrees(found.sign * (counts - found.zero_counts) / SCALE.per_rad)
            assert read_deg == pytest.approx(degrees, abs=0.3), found.joint.name
    assert [servo.saved for servo in arm.servos.servos] == [tuple(each) for each in memory.stored().values()]


def test_told_nothing_robot_yaml_follows_what_the_servos_report():
    arm = LimpArm((2048, 1900, 2200, 2000, 2048, 1500))
    memory = memory_of(arm)
    ranges, _ = swept(arm, memory)
    settled = settle(ROBOT.joints, ranges, memory.stored(), STOPS)
    assert settled.memories == {}
    assert [found.zero_counts for found in settled.joints] == pytest.approx([2048, 1900, 2200, 2000, 2048, 1500], abs=2)


def test_a_servo_that_does_not_apply_its_offset_is_noticed():
    arm = LimpArm()
    memory = memory_of(arm, allowed_writes(ROBOT.joints))
    arm.servos.servos[0].__class__ = type("Deaf", (type(arm.servos.servos[0]),), {"homing_offset": 0})
    with pytest.raises(CalibrationError, match=r"servo 1 \(shoulder_pan\) reports 2048 after its homing offset"):
        memory.store({"shoulder_pan": Memory(500, 1000, 3000)})


def test_a_lerobot_calibration_gives_the_same_zero_whatever_offset_the_servo_has_now():
    arm = LimpArm(MAGNETS)
    memory = memory_of(arm, allowed_writes(ROBOT.joints))
    ranges, _ = swept(arm, memory)
    first = settle(ROBOT.joints, ranges, memory.stored(), STOPS, told=to_tell(ranges, {}))
    memory.store(first.memories)
    again = settle(ROBOT.joints, from_lerobot(first.servos), memory.stored(), STOPS)
    assert [each.zero_counts for each in again.joints] == [each.zero_counts for each in first.joints]
    moved = {name: Memory(each.homing_offset + 100, 0, 4095) for name, each in memory.stored().items()}
    shifted = settle(ROBOT.joints, from_lerobot(first.servos), moved, STOPS)
    assert [each.zero_counts for each in shifted.joints] == [each.zero_counts - 100 for each in first.joints]
    exact = to_tell(from_lerobot(first.servos), first.servos)
    assert exact == memory.stored()


def test_a_joint_that_turns_all_the_way_round_is_at_zero_where_it_was_homed():
    whole = ServoCalibration(id=5, drive_mode=0, homing_offset=7, range_min=0, range_max=4095)
    found = settle(
        [ROBOT.joints[4]], from_lerobot({"wrist_roll": whole}), {"wrist_roll": Memory(7, 0, 4095)}, STOPS
    ).joints[0]
    assert found.zero_counts == 2048
    assert found.position_hard_rad == pytest.approx(tuple(ROBOT.joints[4].position_hard))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_envelope_gets_narrower_where_the_joint_cannot_go_and_never_wider(sign):
    joint, stops = ROBOT.joints[1], STOPS["shoulder_lift"]
    whole = zeroed(joint, (2048 - 1138, 2048 + 1138), stops, sign)  # 100 deg either way
    assert np.degrees(whole.position_hard_rad) == pytest.approx((-99, 99), abs=0.1)
    assert np.degrees(whole.position_soft_rad) == pytest.approx((-95, 89), abs=0.1)
    longer = zeroed(joint, (2048 - 1300, 2048 + 1300), stops, sign)
    assert longer.position_hard_rad == pytest.approx(tuple(joint.position_hard))
    assert longer.position_soft_rad == pytest.approx(tuple(joint.position_soft))


def test_a_home_that_cannot_be_reached_is_refused():
    with pytest.raises(CalibrationError, match=r"shoulder_lift: its home, -60\.0 deg, is not within"):
        zeroed(ROBOT.joints[1], (2048 - 500, 2048 + 500), STOPS["shoulder_lift"], 1)


def test_more_than_a_turn_is_refused():
    with pytest.raises(CalibrationError, match="more than a turn"):
        rehomed(0, 4096, 0)


@settings(max_examples=examples(200))
@given(middle=st.integers(0, 4095), span=st.integers(2, 4095), offset=st.integers(-2047, 2047))
def test_a_new_offset_puts_any_range_inside_the_count(middle, span, offset):
    low, high = middle - span // 2, middle - span // 2 + span
    new, new_low, new_high = rehomed(low, high, offset)
    assert -2047 <= new <= 2047
    assert 0 <= new_low < new_high <= 4095
    assert new_high - new_low >= span - 1
    assert abs((low + offset - new - new_low + 2048) % 4096 - 2048) <= 1  # the same magnet position


@settings(max_examples=examples(100))
@given(start=st.integers(0, 4095), steps=st.lists(st.integers(-2000, 2000), max_size=30))
def test_a_sweep_is_followed_across_the_end_of_the_count(start, steps):
    sweep, position, seen = Sweep(start), start, [start]
    for step in steps:
        position += step
        seen.append(position)
        sweep.see(position % 4096)
    assert (sweep.low, sweep.high, sweep.span) == (min(seen), max(seen), max(seen) - min(seen))


def test_ranges_from_a_sweep_carry_the_offset_that_they_were_seen_under():
    arm = LimpArm()
    memory = memory_of(arm, allowed_writes(ROBOT.joints))
    memory.store({name: Memory(100, 0, 4095) for name in ROBOT.joint_names})
    ranges, _ = swept(arm, memory)
    assert {found.offset for found in ranges.values()} == {100}
    assert isinstance(ranges["gripper"], Range)
