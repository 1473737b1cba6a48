"""The Dynamixel bus by its contract, on simulated servos: angles in and out, never half-armed, and it never runs on."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.config.units import AngleRad
from edgevla.errors import EdgeVLAError
from edgevla.motors import dynamixel, x_series
from edgevla.motors.deadman import DeadmanTripped
from edgevla.motors.dynamixel_bus import DynamixelBus
from edgevla.motors.errors import BadReply, GoalInvalid, NoReply, PortLost, ReplyError, ServoRefused
from edgevla.motors.port import SerialPort
from edgevla.motors.registry import bus_class
from edgevla.sim.bus_server import BusServer
from edgevla.sim.dynamixel_servos import SimulatedDynamixels
from edgevla.sim.loopback import LoopbackTransport
from tests.motors.fakes import FakeBody, ScriptedTransport, joint

COUNT_RAD = math.tau / 4096
JOINTS = (joint("pan", 1), joint("lift", 2, zero_counts=1900, sign=-1), joint("roll", 7))
DEADMAN_S = 0.1
GOAL, TORQUE, WATCHDOG = x_series.GOAL_POSITION, x_series.TORQUE_ENABLE, x_series.BUS_WATCHDOG


class Blocked(EdgeVLAError):
    """What the guard of these tests raises."""


class Rig:
    """A bus on simulated servos whose guard records every frame and blocks what `blocks` says."""

    def __init__(self):
        self.body = FakeBody(len(JOINTS))
        self.servos = SimulatedDynamixels(self.body, [each.id for each in JOINTS])
        self.frames = []
        self.blocks = lambda frame: False
        self.now_s = 0.0
        transport = LoopbackTransport(self.servos, self.guard)
        self.bus = DynamixelBus(JOINTS, transport, 0.005, DEADMAN_S, lambda: self.now_s)

    def guard(self, frame):
        if self.blocks(frame):
            raise Blocked("not this one")
        self.frames.append(frame)

    def writes(self):
        return [write for frame in self.frames for write in self.bus.decode_writes(frame)]

    def register(self, register):
        return [
            register.unpack(servo.read(register.address, register.length), register.address)
            for servo in self.servos.servos
        ]

    def deafen(self, index, register):
        """One servo misses every write to one register."""
        servo = self.servos.servos[index]
        hear = servo.write
        servo.write = lambda address, data: 0 if address == register.address else hear(address, data)

    def pass_time(self, seconds):
        """The arm follows at once."""
        for _ in range(round(seconds / self.body.timestep_s)):
            self.servos.apply()
            self.body.position_rad[:] = self.body.goal_rad


@pytest.fixture
def rig():
    return Rig()


# Angles and counts


def test_reading_gives_joint_angles_and_speeds_from_one_request(rig):
    rig.body.position_rad[:] = (0.5, -0.25, 1.0)
    rig.body.velocity_rad_s[:] = (1.0, 0.5, -0.5)
    rig.now_s = 12.5
    state = rig.bus.read()
    assert len(rig.frames) == 1
    assert state.t_s == 12.5
    # The second servo is mounted the other way round, 148 counts off its middle.
    assert state.position_rad == pytest.approx((0.5, 0.25 - 148 * COUNT_RAD, 1.0), abs=COUNT_RAD)
    assert state.velocity_rad_s == pytest.approx((1.0, -0.5, -0.5), abs=x_series.VELOCITY_RAD_S)


def test_a_joint_pushed_below_count_0_reads_as_what_it_is(rig):
    rig.body.position_rad[0] = -math.pi - 0.1
    assert rig.bus.read().position_rad[0] == pytest.approx(-math.pi - 0.1, abs=COUNT_RAD)
    with pytest.raises(ServoRefused, match="pan stands at"):
        rig.bus.arm()


@given(st.tuples(*[st.floats(-1.3, 1.3)] * 3))
def test_a_goal_arrives_where_it_was_meant_to_within_half_a_count(goal):
    rig = Rig()
    rig.bus.write(goal)
    counts = rig.register(GOAL)
    angles = [each.sign * (raw - each.zero_counts) * COUNT_RAD for each, raw in zip(JOINTS, counts, strict=True)]
    assert angles == pytest.approx(goal, abs=0.5 * COUNT_RAD + 1e-9)


def test_all_goals_leave_in_one_frame(rig):
    rig.bus.write((0.0, 0.1, 0.2))
    assert len(rig.frames) == 1
    assert rig.writes() == list(rig.bus.goal_writes(JOINTS, (0.0, 0.1, 0.2)))


@pytest.mark.parametrize("goal", [(0, 0, math.nan), (math.inf, 0, 0), (0, 0), (0, 0, 0, 0), (0, 0, 3.2), (0, -3.4, 0)])
def test_a_goal_that_cannot_be_sent_is_refused_and_nothing_is(rig, goal):
    with pytest.raises(GoalInvalid):
        rig.bus.write(goal)
    assert not rig.frames


# The list for the gate


def test_the_list_bounds_goals_by_position_hard_rounded_inwards():
    allowed = {(each.device, each.address): each for each in DynamixelBus.allowed_writes(JOINTS)}
    pan, lift = allowed[1, 116], allowed[2, 116]
    assert (pan.low, pan.high) == (2048 + math.ceil(-2.0 / COUNT_RAD), 2048 + math.floor(1.5 / COUNT_RAD))
    assert (lift.low, lift.high) == (1900 + math.ceil(-1.5 / COUNT_RAD), 1900 + math.floor(2.0 / COUNT_RAD))
    assert (pan.length, pan.phase) == (4, "always")


def test_the_list_allows_motion_only_while_engaged_and_the_rest_only_before():
    always = {each.address for each in DynamixelBus.allowed_writes(JOINTS) if each.phase == "always"}
    setup = {each.address for each in DynamixelBus.allowed_writes(JOINTS) if each.phase == "setup"}
    assert (always, setup) == ({116}, {64, 98, 108, 112})


def test_the_list_allows_no_watchdog_longer_than_half_a_second():
    assert {each.high for each in DynamixelBus.allowed_writes(JOINTS) if each.address == 98} == {25}


def test_nothing_is_sent_that_is_not_on_the_list(rig):
    rig.bus.check()
    rig.bus.arm()
    rig.bus.write((0.1, 0.1, 0.1))
    rig.bus.read()
    rig.bus.health("lift")
    rig.bus.release()
    allowed = {(each.device, each.address, each.length): each for each in rig.bus.allowed_writes(JOINTS)}
    assert rig.writes()
    for write in rig.writes():
        rule = allowed[write.device, write.address, len(write.data)]
        assert rule.low <= write.value <= rule.high


# Arming


def test_arming_makes_the_present_position_the_goal_before_there_is_torque(rig):
    rig.body.position_rad[:] = (0.5, -0.25, 1.0)
    for servo in rig.servos.servos:
        servo.write(112, b"\x14\0\0\0")  # a profile that another program left
        servo.write(108, b"\x05\0\0\0")
    state = rig.bus.arm()
    order = [write.address for write in rig.writes() if write.device == 1]
    assert order == [98, 108, 112, 116, 64, 98]
    assert rig.register(TORQUE) == [1, 1, 1]
    assert rig.register(GOAL) == rig.register(x_series.PRESENT_POSITION)
    assert state.position_rad[0] == pytest.approx(0.5, abs=COUNT_RAD)
    assert rig.register(x_series.PROFILE_VELOCITY) == rig.register(x_series.PROFILE_ACCELERATION) == [0, 0, 0]


def test_arming_starts_the_watchdog_and_releasing_stops_it(rig):
    rig.bus.arm()
    assert rig.register(WATCHDOG) == [5, 5, 5]  # times 20 ms
    rig.bus.release()
    assert (rig.register(WATCHDOG), rig.register(TORQUE)) == ([0, 0, 0], [0, 0, 0])


def test_a_joint_outside_its_envelope_is_not_armed_and_is_named(rig):
    rig.body.position_rad[0] = 1.7
    with pytest.raises(ServoRefused, match=r"pan stands at 97\.4 deg, outside .* -114\.592 \.\. 85\.9437 deg"):
        rig.bus.arm()
    assert not rig.writes()


@pytest.mark.parametrize("servo", [0, 1, 2])
def test_a_servo_that_misses_its_goal_gets_no_torque(rig, servo):
    rig.deafen(servo, GOAL)
    rig.body.position_rad[:] = 0.3
    with pytest.raises(ServoRefused, match="did not take the goal"):
        rig.bus.arm()
    assert [write for write in rig.writes() if write.address == 64 and write.value] == []


@pytest.mark.parametrize(
    ("register", "what"), [(TORQUE, "switch its torque on"), (WATCHDOG, "switch its bus watchdog on")]
)
def test_when_one_servo_misses_a_step_all_are_switched_off(rig, register, what):
    rig.deafen(1, register)
    with pytest.raises(ServoRefused, match=rf"servo 2 \(lift\) did not {what}"):
        rig.bus.arm()
    assert rig.register(TORQUE) == [0, 0, 0]


def test_when_the_guard_blocks_a_step_of_arming_no_torque_stays(rig):
    rig.blocks = lambda frame: any(write.address == 98 and write.data != b"\0" for write in dynamixel.writes_in(frame))
    with pytest.raises(Blocked):
        rig.bus.arm()
    assert rig.register(TORQUE) == [0, 0, 0]


def test_when_a_servo_falls_silent_while_arming_no_torque_stays(rig):
    calls = []

    def unplug(frame):
        calls.append(frame)
        rig.servos.servos[2].connected = len(calls) < 8
        return False

    rig.blocks = unplug
    with pytest.raises(NoReply, match=r"servo 7 \(roll\)"):
        rig.bus.arm()
    assert rig.register(TORQUE)[:2] == [0, 0]


def test_releasing_makes_sure(rig):
    rig.bus.arm()
    rig.deafen(0, TORQUE)
    with pytest.raises(ServoRefused, match=r"servo 1 \(pan\) did not switch its torque off"):
        rig.bus.release()


# The deadman


def test_without_a_word_from_us_the_servos_stop_by_themselves_within_the_deadman(rig):
    rig.bus.arm()
    for servo in rig.servos.servos:
        servo.write(112, b"\x32\0\0\0")  # slow, so that there is motion to stop
    rig.bus.write((1.2, 1.2, 1.2))
    rig.pass_time(DEADMAN_S - 0.01)
    assert rig.register(WATCHDOG) == [5, 5, 5]
    moved = rig.body.position_rad.copy()
    rig.pass_time(0.02)
    stopped = rig.body.position_rad.copy()
    rig.pass_time(1.0)
    assert abs(moved).min() > 0.05
    assert rig.body.position_rad == pytest.approx(stopped, abs=COUNT_RAD)
    assert abs(stopped).max() < 1.0
    assert rig.body.torque_on.all(), "it holds, it does not fall"


def test_asking_is_a_word_too(rig):
    rig.bus.arm()
    for _ in range(20):
        rig.pass_time(DEADMAN_S - 0.01)
        rig.bus.read()
    assert rig.register(WATCHDOG) == [5, 5, 5]


def test_after_a_stop_of_their_own_the_servos_take_no_goal_and_health_says_why(rig):
    rig.bus.arm()
    rig.pass_time(DEADMAN_S + 0.01)
    before = rig.register(GOAL)
    rig.bus.write((0.3, 0.3, 0.3))
    assert rig.register(GOAL) == before
    health = rig.bus.health("lift")
    assert rig.bus.explain_status(health.status) == "stopped by itself, for no request came in time"


def test_arming_anew_clears_the_stop(rig):
    rig.bus.arm()
    rig.pass_time(DEADMAN_S + 0.01)
    rig.bus.arm()
    rig.bus.write((0.3, 0.3, 0.3))
    assert rig.bus.health("lift").status == 0
    assert rig.register(GOAL)[0] == 2048 + round(0.3 / COUNT_RAD)


def test_a_servo_that_does_not_get_over_its_stop_is_not_armed(rig):
    rig.bus.arm()
    rig.pass_time(DEADMAN_S + 0.01)
    rig.deafen(1, WATCHDOG)
    with pytest.raises(
        DeadmanTripped, match=r"servo 2 \(lift\) has stopped by itself and takes no goal - power it off"
    ):
        rig.bus.arm()
    assert rig.register(TORQUE) == [0, 0, 0]


# Who is there


def test_checking_says_who_is_there_and_writes_nothing(rig):
    infos = rig.bus.check()
    assert [(each.joint, each.device, each.model, each.firmware) for each in infos] == [
        ("pan", 1, 1020, "45"),
        ("lift", 2, 1020, "45"),
        ("roll", 7, 1020, "45"),
    ]
    assert infos[0].position_rad == pytest.approx((-math.pi, math.pi), abs=2 * COUNT_RAD)
    assert infos[1].position_rad[0] < infos[1].position_rad[1]
    assert not rig.writes()


def test_all_servos_that_do_not_answer_are_named_at_once(rig):
    rig.servos.servos[0].connected = rig.servos.servos[2].connected = False
    with pytest.raises(NoReply, match=r"servo 1 \(pan\), 7 \(roll\) within .* ms - check the cable") as caught:
        rig.bus.check()
    assert caught.value.devices == (1, 7)


def test_when_nobody_answers_the_power_is_the_first_suspect(rig):
    for servo in rig.servos.servos:
        servo.connected = False
    with pytest.raises(NoReply, match="switch on the servo power"):
        rig.bus.check()


@pytest.mark.parametrize(
    ("address", "data", "why"),
    [
        (11, b"\x04", r"servo 2 \(lift\) is in operating mode 4, not in position mode 3"),
        (11, b"\x01", "operating mode 1"),
        (38, b"\0\0", "current limit of 0"),
        (
            48,
            (2100).to_bytes(4, "little"),
            r"lift: the device's own limits .* are inside position_soft -108.862 .. 80.2",
        ),
    ],
)
def test_a_servo_that_is_set_up_wrong_is_refused(rig, address, data, why):
    rig.servos.servos[1].write(address, data)
    with pytest.raises(ServoRefused, match=why):
        rig.bus.check()


def test_a_servo_without_a_bus_watchdog_is_refused(rig):
    rig.servos.servos[0]._table[6] = 37
    with pytest.raises(ServoRefused, match=r"servo 1 \(pan\) has firmware 37, without a bus watchdog"):
        rig.bus.check()


def test_limits_of_the_servo_that_leave_room_for_every_plan_pass(rig):
    rig.servos.servos[0].write(48, (2048 + round(1.4 / COUNT_RAD)).to_bytes(4, "little"))
    assert rig.bus.check()[0].position_rad[1] == pytest.approx(1.4, abs=COUNT_RAD)


def test_garbage_from_everybody_points_to_the_baud_rate():
    noise = random.Random(1).randbytes(40)
    bus = DynamixelBus(JOINTS, ScriptedTransport(noise, noise, noise), 0.005, DEADMAN_S)
    with pytest.raises(BadReply, match=r"check motors\.baud"):
        bus.check()


def test_a_refusal_to_be_read_names_the_error(rig):
    refusal = bytes.fromhex("fffffd000304005504490c")
    bus = DynamixelBus([joint("pan", 3)], ScriptedTransport(refusal), 0.005, DEADMAN_S)
    with pytest.raises(BadReply, match=r"servo 3 \(pan\) refused to be read, with error 0x04") as caught:
        bus.read()
    assert isinstance(caught.value, ReplyError)


# Health and the end


def test_health_is_in_units_people_use(rig):
    servo = rig.servos.servos[1]
    servo.supply_v, servo.temperature_c = 11.3, 48.4
    rig.body.load[1] = -0.35
    health = rig.bus.health("lift")
    assert (health.joint, health.voltage_v, health.temperature_c) == ("lift", pytest.approx(11.3), 48.0)
    assert health.load == pytest.approx(-0.35, abs=1e-3)
    assert health.status == 0
    servo.supply_v = 3.0
    assert rig.bus.explain_status(rig.bus.health("lift").status) == "voltage out of range"


def test_a_model_without_a_current_sensor_tells_its_load_in_thousandths(rig):
    servo = rig.servos.servos[0]
    servo._table[0:2] = (1060).to_bytes(2, "little")
    rig.body.load[0] = 0.5
    rig.bus.health("pan")
    assert rig.bus.health("pan").load == pytest.approx(
        0.5 * 1.193, abs=1e-3
    )  # the simulated one still puts a current there


def test_several_faults_are_all_named():
    assert DynamixelBus.explain_status(0) == ""
    assert DynamixelBus.explain_status(0b100100) == "too hot, overloaded"


def test_closing_sends_nothing():
    transport = ScriptedTransport()
    DynamixelBus(JOINTS, transport, 0.005, DEADMAN_S).close()
    assert transport.sent == ["closed"]


def test_a_lost_port_while_arming_is_reported_as_such():
    class Gone(ScriptedTransport):
        def send(self, frame):
            raise PortLost("serial port is lost")

    with pytest.raises(PortLost):
        DynamixelBus(JOINTS, Gone(), 0.005, DEADMAN_S).arm()


def test_the_bus_is_found_by_the_name_in_robot_yaml():
    assert bus_class("dynamixel") is DynamixelBus


def test_the_whole_way_over_a_pty():
    body = FakeBody(len(JOINTS))
    body.position_rad[:] = AngleRad(0.25)
    server = BusServer(SimulatedDynamixels(body, [each.id for each in JOINTS]))
    try:
        bus = DynamixelBus(JOINTS, SerialPort(server.port, 1_000_000, lambda _: None), 0.5, DEADMAN_S)
        try:
            assert [each.device for each in bus.check()] == [1, 2, 7]
            state = bus.arm()
            assert state.position_rad[0] == pytest.approx(0.25, abs=COUNT_RAD)
            bus.write((0.3, -0.3, 0.3))
            assert bus.read().position_rad[2] == pytest.approx(0.25, abs=COUNT_RAD)
            assert bus.health("roll").voltage_v == pytest.approx(12.0)
            bus.release()
        finally:
            bus.close()
    finally:
        server.close()
