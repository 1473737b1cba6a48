"""The bus by its contract, on simulated servos: joint angles in and out, and never a half-armed robot."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.errors import EdgeVLAError
from edgevla.motors import feetech, sts3215
from edgevla.motors.errors import BadReply, GoalInvalid, NoReply, PortLost, ServoRefused
from edgevla.motors.feetech_bus import FeetechBus
from edgevla.motors.registry import bus_class
from edgevla.plugins import PluginUnknown
from edgevla.sim.loopback import LoopbackTransport
from edgevla.sim.servos import SimulatedServos
from tests.motors.fakes import FakeBody, ScriptedTransport, joint

COUNT_RAD = math.tau / 4096
JOINTS = (joint("pan", 1), joint("lift", 2, zero_counts=1900, sign=-1), joint("roll", 7))


class Blocked(EdgeVLAError):
    """What the guard of these tests raises."""


class Rig:
    """A bus on simulated servos whose guard records every frame and blocks what `blocks` says."""

    def __init__(self):
        self.body = FakeBody(len(JOINTS))
        self.servos = SimulatedServos(self.body, [each.id for each in JOINTS])
        self.frames = []
        self.blocks = lambda frame: False
        self.now_s = 0.0
        self.bus = FeetechBus(JOINTS, LoopbackTransport(self.servos, self.guard), 0.005, lambda: self.now_s)

    def guard(self, frame):
        if self.blocks(frame):
            raise Blocked("not this one")
        self.frames.append(frame)

    def writes(self):
        return [write for frame in self.frames for write in self.bus.decode_writes(frame)]

    def register(self, index, register):
        return register.unpack(self.servos.servos[index].read(register.address, register.length), register.address)

    def torque(self):
        return [self.register(index, sts3215.TORQUE_ENABLE) for index in range(len(JOINTS))]


@pytest.fixture
def rig():
    return Rig()


# Angles and counts


def test_reading_gives_joint_angles_and_speeds(rig):
    rig.body.position_rad[:] = (0.5, -0.25, 1.0)
    rig.body.velocity_rad_s[:] = (1.0, 0.5, -0.5)
    rig.now_s = 12.5
    state = rig.bus.read()
    assert state.t_s == 12.5
    # The second servo is mounted the other way round, 148 counts off its middle.
    assert state.position_rad == pytest.approx((0.5, 0.25 - 148 * COUNT_RAD, 1.0), abs=COUNT_RAD)
    assert state.velocity_rad_s == pytest.approx((1.0, -0.5, -0.5), abs=COUNT_RAD)


@given(st.tuples(*[st.floats(-1.3, 1.3)] * 3))
def test_a_goal_arrives_where_it_was_meant_to_within_half_a_count(goal):
    rig = Rig()
    rig.bus.write(goal)
    counts = [rig.register(index, sts3215.GOAL_POSITION) for index in range(3)]
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
    allowed = {(each.device, each.address): each for each in FeetechBus.allowed_writes(JOINTS)}
    pan, lift = allowed[1, 42], allowed[2, 42]
    assert (pan.low, pan.high) == (2048 + math.ceil(-2.0 / COUNT_RAD), 2048 + math.floor(1.5 / COUNT_RAD))
    assert (lift.low, lift.high) == (1900 + math.ceil(-1.5 / COUNT_RAD), 1900 + math.floor(2.0 / COUNT_RAD))
    assert pan.phase == lift.phase == "always"
    assert (pan.length, allowed[7, 42].length) == (2, 2)


def test_the_list_allows_motion_only_while_engaged_and_the_rest_only_before():
    always = {each.address for each in FeetechBus.allowed_writes(JOINTS) if each.phase == "always"}
    setup = {each.address for each in FeetechBus.allowed_writes(JOINTS) if each.phase == "setup"}
    assert always == {42}
    assert setup == {40, 41, 44, 46}


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


@pytest.mark.parametrize("changes", [{"zero_counts": 100}, {"zero_counts": 3500}, {"zero_counts": 100, "sign": -1}])
def test_an_envelope_beyond_the_servo_s_counts_is_refused(changes):
    with pytest.raises(ServoRefused, match=r"pan: position_hard is .* counts at zero_counts"):
        FeetechBus.allowed_writes([joint("pan", 1, **changes)])


# Arming


def test_arming_makes_the_present_position_the_goal_before_there_is_torque(rig):
    rig.body.position_rad[:] = (0.5, -0.25, 1.0)
    for servo in rig.servos.servos:
        servo.write(41, b"\x14")  # a ramp that another program left
        servo.write(46, b"\x64\x00")
    state = rig.bus.arm()
    order = [write.address for write in rig.writes() if write.device == 1]
    assert order.index(42) < order.index(40)
    assert rig.torque() == [1, 1, 1]
    goals = [rig.register(index, sts3215.GOAL_POSITION) for index in range(3)]
    assert goals == [rig.register(index, sts3215.PRESENT_POSITION) for index in range(3)]
    assert state.position_rad[0] == pytest.approx(0.5, abs=COUNT_RAD)
    for register in (sts3215.ACCELERATION, sts3215.GOAL_SPEED, sts3215.GOAL_TIME):
        assert [rig.register(index, register) for index in range(3)] == [0, 0, 0]


def test_a_joint_outside_its_envelope_is_not_armed_and_is_named(rig):
    rig.body.position_rad[0] = 1.7
    with pytest.raises(ServoRefused, match=r"pan stands at 97\.4 deg, outside .* -114\.592 \.\. 85\.9437 deg"):
        rig.bus.arm()
    assert not rig.writes()


@pytest.mark.parametrize("servo", [0, 1, 2])
@pytest.mark.parametrize("register", [sts3215.GOAL_POSITION, sts3215.ACCELERATION, sts3215.GOAL_SPEED])
def test_a_servo_that_misses_its_goal_or_keeps_a_ramp_gets_no_torque(rig, servo, register):
    deaf = rig.servos.servos[servo]
    hear = deaf.write
    hear(sts3215.ACCELERATION.address, b"\x14")
    hear(sts3215.GOAL_SPEED.address, b"\x64\x00")
    deaf.write = lambda address, data: None if address == register.address else hear(address, data)
    rig.body.position_rad[:] = 0.3
    with pytest.raises(ServoRefused, match="did not take the goal"):
        rig.bus.arm()
    assert [write for write in rig.writes() if write.address == 40 and write.data == b"\x01"] == []


def test_when_one_servo_does_not_switch_on_all_are_switched_off(rig):
    deaf = rig.servos.servos[1]
    hear = deaf.write
    deaf.write = lambda address, data: None if address == 40 else hear(address, data)
    with pytest.raises(ServoRefused, match=r"servo 2 \(lift\) did not switch its torque on"):
        rig.bus.arm()
    assert rig.torque() == [0, 0, 0]


def test_when_the_guard_blocks_a_step_of_arming_no_torque_stays(rig):
    rig.blocks = lambda frame: any(write.address == 40 and write.data == b"\x01" for write in feetech.writes_in(frame))
    with pytest.raises(Blocked):
        rig.bus.arm()
    assert rig.torque() == [0, 0, 0]


def test_when_a_servo_falls_silent_while_arming_no_torque_stays(rig):
    calls = []

    def unplug(frame):
        calls.append(frame)
        rig.servos.servos[2].connected = len(calls) < 6
        return False

    rig.blocks = unplug
    with pytest.raises(NoReply, match=r"servo 7 \(roll\)"):
        rig.bus.arm()
    assert rig.torque() == [0, 0, 0]


def test_an_arm_that_was_held_is_not_dropped_when_arming_it_again_fails(rig):
    rig.bus.arm()
    rig.blocks = lambda frame: bool(rig.bus.decode_writes(frame))
    with pytest.raises(Blocked):
        rig.bus.arm()
    rig.blocks = lambda frame: False
    assert rig.torque() == [1, 1, 1]


def test_releasing_takes_the_torque_and_makes_sure(rig):
    rig.bus.arm()
    rig.bus.release()
    assert rig.torque() == [0, 0, 0]
    rig.bus.arm()
    rig.servos.servos[0].write = lambda address, data: None
    with pytest.raises(ServoRefused, match=r"servo 1 \(pan\) did not switch its torque off"):
        rig.bus.release()


# Who is there


def test_checking_says_who_is_there_and_writes_nothing(rig):
    infos = rig.bus.check()
    assert [(each.joint, each.device, each.model) for each in infos] == [
        ("pan", 1, 777),
        ("lift", 2, 777),
        ("roll", 7, 777),
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


def test_a_servo_that_would_turn_for_ever_is_refused(rig):
    rig.servos.servos[1].write(sts3215.MODE.address, b"\x01")
    with pytest.raises(ServoRefused, match=r"servo 2 \(lift\) is in operating mode 1"):
        rig.bus.check()


def test_garbage_from_everybody_points_to_the_baud_rate():
    noise = random.Random(1).randbytes(40)
    bus = FeetechBus(JOINTS, ScriptedTransport(noise, noise, noise), 0.005)
    with pytest.raises(BadReply, match=r"check motors\.baud"):
        bus.check()


def test_garbage_from_one_points_to_the_cable():
    good = bytes.fromhex("ff ff 01 06 00 00 08 00 00 f0 ff ff 02 06 00 00 08 00 00 ef")
    bus = FeetechBus(JOINTS, ScriptedTransport(good + b"\xff\xff\x07\x06"), 0.005)
    with pytest.raises(NoReply):
        bus.read()
    bus = FeetechBus(JOINTS, ScriptedTransport(good + b"\xff\xff\x07\x06\x00\x00\x08\x00\x00\x00"), 0.005)
    with pytest.raises(BadReply, match=r"servo 7 \(roll\) - check the cable") as caught:
        bus.read()
    assert caught.value.devices == (7,)


def test_a_late_answer_to_an_earlier_question_is_not_taken():
    slow = bytes.fromhex("ff ff 01 06 00 00 08 00 00 f0")  # of a read of four bytes, asked are six
    transport = ScriptedTransport(slow)
    with pytest.raises(BadReply):
        FeetechBus(JOINTS, transport, 0.005).health("pan")


# Health and the end


def test_health_is_in_units_people_use(rig):
    servo = rig.servos.servos[1]
    servo.supply_v, servo.temperature_c = 11.3, 48.4
    rig.body.load[1] = -0.35
    health = rig.bus.health("lift")
    assert (health.joint, health.voltage_v, health.temperature_c) == ("lift", pytest.approx(11.3), 48.0)
    assert health.load == pytest.approx(-0.35)
    assert health.status == 0
    servo.supply_v = 3.0
    assert rig.bus.explain_status(rig.bus.health("lift").status) == "voltage out of range"


def test_every_reading_tells_of_the_faults_of_every_servo(rig):
    assert rig.bus.read().faults == (0, 0, 0)
    rig.servos.servos[1].supply_v = 3.0
    state = rig.bus.read()
    assert state.faults[0] == state.faults[2] == 0
    assert rig.bus.explain_status(state.faults[1]) == "voltage out of range"


def test_a_servo_whose_own_limits_lie_inside_position_soft_is_refused_before_it_is_armed(rig):
    rig.bus.check()
    rig.servos.servos[0].write(sts3215.LOCK.address, b"\0")
    rig.servos.servos[0].write(sts3215.MAX_POSITION.address, sts3215.MAX_POSITION.pack(2500))
    with pytest.raises(ServoRefused, match=r"pan.*own limits.*position_soft"):
        rig.bus.check()


def test_several_faults_are_all_named():
    assert FeetechBus.explain_status(0) == ""
    assert FeetechBus.explain_status(0b100100) == "too hot, overloaded"


def test_closing_sends_nothing():
    transport = ScriptedTransport()
    FeetechBus(JOINTS, transport, 0.005).close()
    assert transport.sent == ["closed"]


def test_a_lost_port_while_arming_is_reported_as_such():
    class Gone(ScriptedTransport):
        def send(self, frame):
            raise PortLost("serial port is lost")

    with pytest.raises(PortLost):
        FeetechBus(JOINTS, Gone(), 0.005).arm()


def test_the_bus_is_found_by_the_name_in_robot_yaml():
    assert bus_class("feetech") is FeetechBus
    with pytest.raises(PluginUnknown, match="feetech"):
        bus_class("fetech")
