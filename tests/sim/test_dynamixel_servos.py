"""The simulated Dynamixels by the vendor's manual: what they answer, what they refuse, when they stop by themselves."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.motors import dynamixel, x_series
from edgevla.motors.dynamixel import ALERT, Write
from edgevla.motors.x_series import Fault, Refusal
from edgevla.sim.dynamixel_servos import SimulatedDynamixels
from edgevla.sim.servos import TURNAROUND_S
from tests.motors.fakes import FakeBody

COUNT_RAD = math.tau / 4096
DEVICES = (1, 2, 3)
GOAL, TORQUE, WATCHDOG = x_series.GOAL_POSITION, x_series.TORQUE_ENABLE, x_series.BUS_WATCHDOG


class Bench:
    """Three servos on a table, spoken to in frames."""

    def __init__(self):
        self.body = FakeBody(len(DEVICES))
        self.servos = SimulatedDynamixels(self.body, DEVICES)

    def say(self, frame):
        return self.servos.handle(frame).data

    def ask(self, frame, device=1, length=0):
        """The reply to a frame; a refusal comes back with its error."""
        parser = dynamixel.ReplyParser((device,), length)
        parser.feed(self.say(frame))
        return parser.replies.get(device)

    def set(self, register, value, device=1):
        """Write, and return the error."""
        return self.ask(dynamixel.write(device, register.address, register.pack(value)), device).error

    def get(self, register, device=1):
        reply = self.ask(dynamixel.read(device, register.address, register.length), device, register.length)
        return register.unpack(reply.data, register.address)

    def steps(self, seconds, follow=False):
        for _ in range(round(seconds / self.body.timestep_s)):
            self.servos.apply()
            if follow:
                self.body.position_rad[:] = self.body.goal_rad


@pytest.fixture
def bench():
    return Bench()


# The bus


def test_a_ping_is_answered_with_model_and_firmware(bench):
    assert bench.ask(dynamixel.ping(2), 2, 3).data == (1020).to_bytes(2, "little") + b"\x2d"
    assert bench.say(dynamixel.ping(9)) == b""


def test_a_sync_read_is_answered_in_the_order_asked(bench):
    bench.body.position_rad[:] = (0.1, 0.2, 0.3)
    reply = bench.say(dynamixel.sync_read((3, 1), 132, 4))
    assert [reply[4], reply[19]] == [3, 1]
    parser = dynamixel.ReplyParser((1, 3), 4)
    parser.feed(reply)
    assert not parser.missing
    assert x_series.PRESENT_POSITION.unpack(parser.replies[3].data, 132) == 2048 + round(0.3 / COUNT_RAD)


def test_a_bulk_read_gives_each_its_own(bench):
    parser = dynamixel.ReplyParser((1, 2), 2)
    parser.feed(bench.say(dynamixel.bulk_read({2: (144, 2), 1: (0, 2)})))
    assert (parser.replies[1].data, parser.replies[2].data) == (b"\xfc\x03", b"\x78\x00")


def test_writes_to_one_are_acknowledged_those_to_several_are_not(bench):
    assert bench.say(dynamixel.write(1, 116, b"\0\x08\0\0")) == bytes.fromhex("fffffd000104005500a10c")
    assert bench.say(dynamixel.sync_write(116, {1: b"\x10\x08\0\0", 2: b"\x20\x08\0\0"})) == b""
    assert bench.say(dynamixel.bulk_write([Write(3, 116, b"\x30\x08\0\0"), Write(2, 64, b"\1")])) == b""
    assert [bench.get(GOAL, device) for device in DEVICES] == [0x0810, 0x0820, 0x0830]
    assert [bench.get(TORQUE, device) for device in DEVICES] == [0, 1, 0]


def test_the_response_level_says_what_is_answered(bench):
    bench.say(dynamixel.write(1, 68, b"\1"))
    assert bench.say(dynamixel.write(1, 65, b"\1")) == b""
    assert bench.get(x_series.ID) == 1
    bench.say(dynamixel.write(1, 68, b"\0"))
    assert bench.say(dynamixel.read(1, 7, 1)) == b""
    assert bench.say(dynamixel.ping(1)) != b""


def test_an_unplugged_servo_leaves_a_gap_not_an_error(bench):
    bench.servos.servos[1].connected = False
    parser = dynamixel.ReplyParser(DEVICES, 4)
    parser.feed(bench.say(dynamixel.sync_read(DEVICES, 132, 4)))
    assert parser.missing == (2,)


def test_an_unknown_instruction_is_refused_and_a_damaged_frame_ignored(bench):
    reboot = bytearray(dynamixel.ping(1))
    reboot[7] = 8
    assert bench.say(bytes(reboot)) == b"", "the CRC does not fit any more"
    reboot[-2:] = dynamixel.crc16(bytes(reboot[:-2])).to_bytes(2, "little")
    assert bench.ask(bytes(reboot)).error == Refusal.INSTRUCTION


@given(st.binary(max_size=60), st.lists(st.integers(1, 30), max_size=6))
@settings(max_examples=50)
def test_a_request_is_found_behind_noise_and_in_pieces(noise, cuts):
    bench = Bench()
    frame = bytes(7) + dynamixel.write(1, 116, b"\xff\x0f\0\0")
    bench.say(noise)
    bench.servos.hush()
    for cut in cuts:
        bench.say(frame[:cut])
        frame = frame[cut:]
    bench.say(frame)
    assert bench.get(GOAL) == 4095


@given(st.lists(st.sampled_from([0xFF, 0xFF, 0xFD, 0xFD, 0]), min_size=1, max_size=12).map(bytes))
@settings(max_examples=50)
def test_what_looks_like_a_header_is_stuffed_on_the_way_in_and_out(data):
    bench = Bench()
    bench.servos.servos[0].write = lambda address, stored: bench.body.__dict__.update(stored=stored) or 0
    bench.servos.servos[0].read = lambda address, length: data
    bench.say(dynamixel.write(1, 0, data))
    assert bench.body.stored == data
    assert bench.ask(dynamixel.read(1, 0, len(data)), 1, len(data)).data == data


def test_a_reply_takes_its_return_delay(bench):
    bench.servos.servos[0].return_delay_s = 5e-4
    assert bench.servos.handle(dynamixel.sync_read((1, 2), 132, 4)).delay_s == pytest.approx(5e-4 + 2 * TURNAROUND_S)


# What it refuses


@pytest.mark.parametrize(
    ("address", "data", "refusal"),
    [
        (132, b"\0\0\0\0", Refusal.ACCESS),  # a reading
        (0, b"\0\0", Refusal.ACCESS),
        (146, b"\0\0", Refusal.ACCESS),  # beyond the table
        (116, (4096).to_bytes(4, "little"), Refusal.DATA_LIMIT),
        (116, b"\xff\xff\xff\xff", Refusal.DATA_LIMIT),
        (64, b"\2", Refusal.DATA_RANGE),
        (98, b"\x80", Refusal.DATA_RANGE),
        (98, b"\xff", Refusal.DATA_RANGE),
    ],
)
def test_a_write_that_cannot_be_is_refused_and_changes_nothing(bench, address, data, refusal):
    before = bench.servos.servos[0].read(0, 147)
    assert bench.ask(dynamixel.write(1, address, data)).error == refusal
    assert bench.servos.servos[0].read(0, 120) == before[:120]


def test_settings_are_locked_while_the_torque_is_on(bench):
    assert bench.set(x_series.MAX_POSITION, 3000) == 0
    bench.set(TORQUE, 1)
    assert bench.set(x_series.MAX_POSITION, 4000) == Refusal.ACCESS
    assert bench.set(GOAL, 3001) == Refusal.DATA_LIMIT
    assert bench.set(GOAL, 3000) == 0


# What it does to the arm


def test_without_torque_the_joint_is_free(bench):
    bench.body.position_rad[0] = 0.4
    bench.set(GOAL, 3000)
    bench.steps(0.01)
    assert not bench.body.torque_on.any()
    assert bench.body.goal_rad[0] == pytest.approx(0.4)


def test_with_torque_it_drives_to_its_goal(bench):
    bench.set(TORQUE, 1)
    bench.set(GOAL, 2048 + 500)
    bench.steps(0.01)
    assert list(bench.body.torque_on) == [True, False, False]
    assert bench.body.goal_rad[0] == pytest.approx(500 * COUNT_RAD)


def test_a_profile_velocity_makes_the_goal_a_ramp(bench):
    bench.set(x_series.PROFILE_VELOCITY, 20)  # 4.58 turns a minute
    bench.set(TORQUE, 1)
    bench.set(GOAL, 2048 + 500)
    bench.steps(0.5, follow=True)
    assert bench.body.position_rad[0] == pytest.approx(0.5 * 20 * x_series.VELOCITY_RAD_S, rel=0.02)


def test_what_it_measures_is_in_its_registers(bench):
    bench.body.position_rad[0], bench.body.velocity_rad_s[0], bench.body.load[0] = -0.5, -1.0, -0.5
    assert bench.get(x_series.PRESENT_POSITION) == 2048 - round(0.5 / COUNT_RAD)
    assert bench.get(x_series.PRESENT_VELOCITY) == -round(1 / x_series.VELOCITY_RAD_S)
    assert bench.get(x_series.PRESENT_CURRENT) == -596
    assert bench.get(x_series.PRESENT_VOLTAGE) == 120
    assert bench.get(x_series.PRESENT_TEMPERATURE) == 30


def test_heat_cuts_the_torque_and_raises_the_alert(bench):
    bench.set(TORQUE, 1)
    bench.servos.servos[0].temperature_c = 85.0
    bench.steps(0.01)
    assert not bench.body.torque_on[0]
    assert bench.ask(dynamixel.read(1, 70, 1), 1, 1) == (1, ALERT, bytes((Fault.TEMPERATURE,)))


def test_a_voltage_out_of_range_raises_the_alert_but_keeps_the_torque(bench):
    bench.set(TORQUE, 1)
    bench.servos.servos[0].supply_v = 9.0
    bench.steps(0.01)
    assert bench.body.torque_on[0]
    assert bench.get(x_series.HARDWARE_ERROR) == Fault.VOLTAGE


def test_power_up_forgets_what_is_not_kept(bench):
    bench.set(x_series.MIN_POSITION, 100)
    bench.set(TORQUE, 1)
    bench.body.position_rad[0] = 0.5
    bench.servos.power_up()
    assert (bench.get(TORQUE), bench.get(x_series.MIN_POSITION)) == (0, 100)
    assert bench.get(GOAL) == 2048 + round(0.5 / COUNT_RAD)


# The bus watchdog


def armed(bench, ticks=5):
    bench.set(TORQUE, 1)
    bench.set(WATCHDOG, ticks)
    return bench


def test_silence_trips_the_watchdog(bench):
    armed(bench)
    bench.steps(0.098)
    assert not bench.servos.servos[0].tripped
    bench.steps(0.006)
    assert bench.servos.servos[0].tripped
    assert bench.get(WATCHDOG) == x_series.WATCHDOG_TRIPPED


@pytest.mark.parametrize("frame", [dynamixel.ping(1), dynamixel.read(1, 132, 4), dynamixel.sync_write(65, {1: b"\1"})])
def test_every_request_to_it_counts_as_a_word(bench, frame):
    armed(bench)
    for _ in range(10):
        bench.steps(0.09)
        bench.say(frame)
    assert not bench.servos.servos[0].tripped


def test_a_word_to_another_does_not_count(bench):
    armed(bench)
    for _ in range(3):
        bench.steps(0.05)
        bench.say(dynamixel.ping(2))
    assert bench.servos.servos[0].tripped


def test_a_tripped_servo_stands_keeps_its_torque_and_refuses_goals_until_cleared(bench):
    bench.set(x_series.PROFILE_VELOCITY, 20)
    armed(bench)
    bench.set(GOAL, 4000)
    bench.steps(0.2, follow=True)
    stands = bench.body.position_rad[0]
    bench.steps(0.5, follow=True)
    assert bench.body.position_rad[0] == pytest.approx(stands, abs=COUNT_RAD)
    assert bench.body.torque_on[0]
    assert bench.set(GOAL, 2100) == Refusal.DATA_RANGE
    assert bench.set(x_series.PROFILE_VELOCITY, 0) == 0
    assert bench.set(WATCHDOG, 0) == 0
    assert bench.set(GOAL, 2100) == 0


def test_without_torque_or_with_the_watchdog_off_nothing_trips(bench):
    bench.set(WATCHDOG, 1)
    bench.set(TORQUE, 1, device=2)
    bench.steps(0.2)
    assert not any(servo.tripped for servo in bench.servos.servos)
