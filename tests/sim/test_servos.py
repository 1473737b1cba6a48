"""The simulated servos by the STS manual: what they answer, what they keep to themselves, what they do to the arm."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.motors import feetech, sts3215
from edgevla.motors.sts3215 import Fault
from edgevla.sim.servo import STALL_RISE_C
from edgevla.sim.servos import TURNAROUND_S, SimulatedServos
from tests.motors.fakes import FakeBody

COUNT_RAD = math.tau / 4096
DEVICES = (1, 2, 3)


class Bench:
    """Three servos on a table, spoken to in frames."""

    def __init__(self):
        self.body = FakeBody(len(DEVICES))
        self.servos = SimulatedServos(self.body, DEVICES)

    def say(self, frame):
        return self.servos.handle(frame).data

    def set(self, register, value, device=1):
        self.say(feetech.write(device, register.address, register.pack(value)))

    def get(self, register, device=1):
        reply = self.say(feetech.read(device, register.address, register.length))
        parser = feetech.ReplyParser((device,), register.length)
        parser.feed(reply)
        return register.unpack(parser.replies[device].data, register.address)

    def steps(self, seconds):
        for _ in range(round(seconds / self.body.timestep_s)):
            self.servos.apply()


@pytest.fixture
def bench():
    return Bench()


# The bus


def test_a_ping_is_answered_by_the_servo_it_names(bench):
    assert bench.say(feetech.ping(2)) == bytes.fromhex("ff ff 02 02 00 fb")
    assert bench.say(feetech.ping(9)) == b""


def test_a_sync_read_is_answered_in_the_order_asked(bench):
    bench.body.position_rad[:] = (0.1, 0.2, 0.3)
    reply = bench.say(feetech.sync_read((3, 1), 56, 4))
    assert [reply[2], reply[12]] == [3, 1]
    parser = feetech.ReplyParser((1, 3), 4)
    parser.feed(reply)
    assert not parser.missing
    assert sts3215.PRESENT_POSITION.unpack(parser.replies[3].data, 56) == 2048 + round(0.3 / COUNT_RAD)


def test_an_unplugged_servo_leaves_a_gap_not_an_error(bench):
    bench.servos.servos[1].connected = False
    parser = feetech.ReplyParser(DEVICES, 4)
    parser.feed(bench.say(feetech.sync_read(DEVICES, 56, 4)))
    assert parser.missing == (2,)


def test_a_write_is_acknowledged_a_sync_write_is_not(bench):
    assert bench.say(feetech.write(1, 42, b"\x00\x08")) == bytes.fromhex("ff ff 01 02 00 fc")
    assert bench.say(feetech.sync_write(42, {1: b"\x10\x08", 2: b"\x20\x08"})) == b""
    assert (bench.get(sts3215.GOAL_POSITION, 1), bench.get(sts3215.GOAL_POSITION, 2)) == (0x0810, 0x0820)
    assert bench.get(sts3215.GOAL_POSITION, 3) == 2048


def test_a_servo_told_to_answer_only_reads_does_not_acknowledge(bench):
    bench.set(sts3215.RESPONSE_LEVEL, 0)
    assert bench.say(feetech.write(1, 40, b"\x01")) == b""
    assert bench.get(sts3215.TORQUE_ENABLE) == 1


def test_a_broadcast_is_obeyed_by_all_and_answered_by_none(bench):
    body = bytes((feetech.BROADCAST, 4, feetech.Instruction.WRITE, 40, 1))
    assert bench.say(feetech.HEADER + body + bytes((feetech.checksum(body),))) == b""
    assert [bench.get(sts3215.TORQUE_ENABLE, device) for device in DEVICES] == [1, 1, 1]


@given(st.integers(0, 7), st.integers(0, 7))
def test_a_damaged_request_is_met_with_silence_and_changes_nothing(byte, bit):
    bench = Bench()
    frame = bytearray(feetech.write(1, 40, b"\x01"))
    frame[byte] ^= 1 << bit
    assert bench.say(bytes(frame)) == b""
    bench.servos.hush()
    assert bench.get(sts3215.TORQUE_ENABLE) == 0


def test_an_unknown_instruction_is_met_with_silence(bench):
    body = bytes((1, 2, 0x06))  # factory reset
    assert bench.say(feetech.HEADER + body + bytes((feetech.checksum(body),))) == b""


@given(st.data())
def test_requests_come_through_in_pieces_and_behind_noise(data):
    bench = Bench()
    stream = b"\x00\xff\x07" + feetech.write(1, 42, b"\x10\x08") + b"\xff" + feetech.ping(2)
    replies = b""
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        replies += bench.say(stream[:size])
        stream = stream[size:]
    assert replies == bytes.fromhex("ff ff 01 02 00 fc ff ff 02 02 00 fb")


def test_half_a_request_is_forgotten_when_the_line_falls_quiet(bench):
    bench.say(b"\xff\xff\x01\xf0")
    assert bench.say(feetech.ping(1)) == b""
    bench.servos.hush()
    assert bench.say(feetech.ping(1)) != b""


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_no_bytes_break_it_and_none_are_hoarded(pieces):
    bench = Bench()
    for piece in pieces:
        bench.say(piece)
        bench.servos.apply()
        assert len(bench.servos._pending) < 260


def test_each_reply_costs_its_turnaround_and_return_delay(bench):
    bench.set(sts3215.RETURN_DELAY, 250, device=2)
    answer = bench.servos.handle(feetech.sync_read((1, 2), 56, 4))
    assert answer.delay_s == pytest.approx(2 * TURNAROUND_S + 500e-6)


# What they measure


def test_they_report_what_the_arm_does(bench):
    bench.body.position_rad[0], bench.body.velocity_rad_s[0], bench.body.load[0] = -0.7, -1.2, -0.25
    assert bench.get(sts3215.PRESENT_POSITION) == 2048 + round(-0.7 / COUNT_RAD)
    assert bench.get(sts3215.PRESENT_SPEED) == round(-1.2 / COUNT_RAD)
    assert bench.get(sts3215.PRESENT_LOAD) == -250
    assert bench.get(sts3215.PRESENT_CURRENT) == round(0.25 * 2.7 / sts3215.CURRENT_A)
    assert bench.get(sts3215.PRESENT_VOLTAGE) == 120
    assert bench.get(sts3215.PRESENT_TEMPERATURE) == 30


def test_what_they_measure_cannot_be_written(bench):
    bench.say(feetech.write(1, 56, bytes(8)))
    bench.say(feetech.write(1, 0, bytes(5)))
    assert bench.get(sts3215.PRESENT_POSITION) == 2048
    assert bench.get(sts3215.MODEL) == sts3215.MODEL_STS3215


def test_moving_is_told_from_arrived(bench):
    bench.set(sts3215.GOAL_POSITION, 2148)
    assert bench.get(sts3215.MOVING) == 0  # without torque it goes nowhere
    bench.set(sts3215.TORQUE_ENABLE, 1)
    assert bench.get(sts3215.MOVING) == 1
    bench.body.position_rad[0] = 100 * COUNT_RAD
    assert bench.get(sts3215.MOVING) == 0


# What they do


def test_a_goal_moves_the_joint_only_with_torque(bench):
    bench.body.position_rad[0] = 0.2
    bench.set(sts3215.GOAL_POSITION, 2148)
    bench.servos.apply()
    assert not bench.body.torque_on[0]
    assert bench.body.goal_rad[0] == pytest.approx(0.2)
    bench.set(sts3215.TORQUE_ENABLE, 1)
    bench.servos.apply()
    assert bench.body.torque_on.tolist() == [True, False, False]
    assert bench.body.goal_rad[0] == pytest.approx(100 * COUNT_RAD)


def test_goals_of_one_sync_write_reach_all_joints_at_the_next_step(bench):
    bench.say(feetech.sync_write(40, dict.fromkeys(DEVICES, b"\x01")))
    bench.servos.apply()
    bench.say(feetech.sync_write(42, dict.fromkeys(DEVICES, (2148).to_bytes(2, "little"))))
    bench.servos.apply()
    assert bench.body.goal_rad == pytest.approx([100 * COUNT_RAD] * 3)


@pytest.mark.parametrize(("raw", "kept"), [(4095, 3000), (0, 1000), (0x8000 | 2048, 1000), (2000, 2000)])
def test_a_goal_is_kept_inside_the_servo_s_own_limits(bench, raw, kept):
    bench.set(sts3215.MIN_POSITION, 1000)
    bench.set(sts3215.MAX_POSITION, 3000)
    bench.set(sts3215.TORQUE_ENABLE, 1)
    bench.say(feetech.write(1, 42, raw.to_bytes(2, "little")))
    bench.servos.apply()
    assert bench.body.goal_rad[0] == pytest.approx((kept - 2048) * COUNT_RAD)


def test_torque_is_limited_by_the_lower_of_both_registers(bench):
    bench.set(sts3215.TORQUE_LIMIT, 400)
    bench.servos.apply()
    assert bench.body.torque_limit.tolist() == pytest.approx([0.4, 1.0, 1.0])
    bench.set(sts3215.MAX_TORQUE, 300)
    bench.servos.apply()
    assert bench.body.torque_limit[0] == pytest.approx(0.3)


def way_to(distance, speed, acceleration):
    """The goal's way in counts, a physics step apart, until it has arrived."""
    bench = Bench()
    bench.set(sts3215.GOAL_SPEED, speed)
    bench.set(sts3215.ACCELERATION, acceleration)
    bench.set(sts3215.TORQUE_ENABLE, 1)
    bench.set(sts3215.GOAL_POSITION, 2048 + distance)
    way = [0.0]
    while len(way) < 3 or way[-1] != way[-2]:
        assert len(way) < 5000
        bench.servos.apply()
        way.append(bench.body.goal_rad[0] / COUNT_RAD)
    return np.array(way)


def test_without_goal_speed_and_acceleration_the_goal_is_at_once_where_it_was_set():
    assert way_to(1000, 0, 0)[1] == pytest.approx(1000)


def test_goal_speed_is_kept_on_the_way_to_the_goal():
    speeds = np.diff(way_to(-1000, 500, 0)) / FakeBody.timestep_s
    assert speeds[:-3] == pytest.approx(-500)


@settings(deadline=None, max_examples=20)
@given(st.integers(-1500, 1500), st.integers(500, 3000) | st.just(0), st.integers(20, 254))
def test_acceleration_gives_the_way_flanks_and_it_ends_at_the_goal(distance, speed, acceleration):
    way = way_to(distance, speed, acceleration)
    # The last half count is one step.
    speeds = np.diff(way[np.abs(way - distance) > 0.5], prepend=0.0) / FakeBody.timestep_s
    assert way[-1] == pytest.approx(distance)
    assert np.max(np.abs(way)) <= abs(distance) + 1e-9
    assert np.max(np.abs(speeds), initial=0.0) <= (speed or math.inf) + 1e-6
    assert np.max(np.abs(np.diff(speeds)), initial=0.0) <= 100 * acceleration * FakeBody.timestep_s * 1.01


def test_a_ramp_starts_where_the_joint_stands_when_the_torque_comes(bench):
    bench.set(sts3215.GOAL_SPEED, 500)
    bench.set(sts3215.GOAL_POSITION, 2048)
    bench.servos.apply()
    bench.body.position_rad[0] = 0.5
    bench.set(sts3215.TORQUE_ENABLE, 1)
    bench.servos.apply()
    assert bench.body.goal_rad[0] == pytest.approx(0.5 - 500 * COUNT_RAD * 0.002, abs=COUNT_RAD)


# What they survive


def test_power_up_takes_torque_and_goal_and_keeps_what_was_saved(bench):
    bench.set(sts3215.LOCK, 0)
    bench.set(sts3215.MAX_POSITION, 3000)
    bench.set(sts3215.LOCK, 1)
    bench.set(sts3215.MIN_POSITION, 1000)
    bench.set(sts3215.TORQUE_ENABLE, 1)
    bench.set(sts3215.TORQUE_LIMIT, 500)
    bench.body.position_rad[0] = 0.3
    bench.servos.power_up()
    assert bench.get(sts3215.MAX_POSITION) == 3000
    assert bench.get(sts3215.MIN_POSITION) == 0
    assert bench.get(sts3215.TORQUE_ENABLE) == 0
    assert bench.get(sts3215.TORQUE_LIMIT) == 1000
    assert bench.get(sts3215.GOAL_POSITION) == bench.get(sts3215.PRESENT_POSITION)
    bench.servos.apply()
    assert not bench.body.torque_on.any()


def test_a_wrong_voltage_shows_in_every_reply(bench):
    bench.servos.servos[0].supply_v = 3.9
    assert bench.say(feetech.ping(1))[4] == Fault.VOLTAGE
    assert bench.get(sts3215.STATUS) == Fault.VOLTAGE
    assert bench.get(sts3215.STATUS, device=2) == 0


def test_a_stalled_servo_warms_up_towards_its_limit_and_lets_go(bench):
    bench.set(sts3215.TORQUE_ENABLE, 1)
    bench.set(sts3215.PROTECTION_TIME, 0)
    servo = bench.servos.servos[0]
    before_c = servo.temperature_c
    bench.body.load[0] = 0.7
    bench.steps(4.0)
    warmer_c = servo.temperature_c
    assert before_c < warmer_c < before_c + 0.01 * STALL_RISE_C
    servo.temperature_c = 71.0
    bench.steps(0.1)
    assert bench.get(sts3215.STATUS) == Fault.TEMPERATURE
    assert not bench.body.torque_on[0]


def test_an_overload_cuts_the_torque_until_it_is_switched_anew(bench):
    bench.set(sts3215.TORQUE_ENABLE, 1)
    bench.body.load[0] = 0.9
    bench.steps(1.5)
    assert bench.get(sts3215.STATUS) == 0
    bench.steps(1.0)
    assert bench.get(sts3215.STATUS) == Fault.OVERLOAD
    assert bench.body.torque_limit[0] == pytest.approx(0.2)
    bench.set(sts3215.TORQUE_ENABLE, 1)
    bench.servos.apply()
    assert bench.get(sts3215.STATUS) == 0
    assert bench.body.torque_limit[0] == pytest.approx(1.0)
