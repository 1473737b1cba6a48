"""The bus of a motor controller by its contract, on a simulated one: never half-armed, and a command dies of age."""

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.errors import EdgeVLAError
from edgevla.motors import mcu, mcu_frame
from edgevla.motors.deadman import DeadmanTripped
from edgevla.motors.errors import BadReply, GoalInvalid, NoReply, PortLost, ReplyError, ServoRefused
from edgevla.motors.mcu import CONTROLLER, Kind, Virtual
from edgevla.motors.mcu_bus import CommandNotTaken, McuBus
from edgevla.motors.mcu_frame import Frame
from edgevla.motors.port import SerialPort
from edgevla.motors.registry import bus_class
from edgevla.sim.bus_server import BusServer
from edgevla.sim.loopback import LoopbackTransport
from edgevla.sim.mcu_controller import SimulatedController
from tests.motors.fakes import FakeBody, ScriptedTransport, joint

COUNT_RAD = math.tau / 65536
JOINTS = (
    joint("pan", 1, zero_counts=32768),
    joint("lift", 2, zero_counts=30000, sign=-1),
    joint("roll", 7, zero_counts=32768),
)
IDS = [each.id for each in JOINTS]
DEADMAN_S = 0.1


class Blocked(EdgeVLAError):
    """What the guard of these tests raises."""


class Rig:
    """A bus on a simulated controller; the guard records every frame, blocks what `blocks` and loses what `loses`."""

    def __init__(self):
        self.body = FakeBody(len(JOINTS))
        self.mcu = SimulatedController(self.body, IDS)
        self.frames = []
        self.blocks = lambda writes: False
        self.now_s = 0.0
        self.bus = McuBus(JOINTS, LoopbackTransport(self.mcu, self.guard), 0.005, DEADMAN_S, lambda: self.now_s)

    def guard(self, frame):
        writes = McuBus.decode_writes(frame)
        if self.blocks(writes):
            raise Blocked("not this one")
        self.frames.append(frame)

    def writes(self):
        return [write for frame in self.frames for write in self.bus.decode_writes(frame)]

    def pass_time(self, seconds):
        """The arm follows at once."""
        for _ in range(round(seconds / self.body.timestep_s)):
            self.mcu.apply()
            self.body.position_rad[:] = self.body.goal_rad

    @property
    def torque(self):
        return self.mcu.drives.torque_on


@pytest.fixture
def rig():
    return Rig()


def switches_on(writes):
    return any(write.address == Virtual.TORQUE and write.value for write in writes)


def test_every_reading_tells_of_a_hot_joint_and_of_a_bad_supply(rig):
    assert rig.bus.read().faults == (0, 0, 0)
    rig.mcu.drives.each[1].temperature_c = 120.0
    assert [rig.bus.explain_status(each) for each in rig.bus.read().faults] == ["", "too hot", ""]
    rig.mcu.supply_v = 3.0
    assert all("voltage" in rig.bus.explain_status(each) for each in rig.bus.read().faults)


# Angles and counts


def test_reading_gives_joint_angles_and_speeds_from_one_request(rig):
    rig.body.position_rad[:] = (0.5, -0.25, 1.0)
    rig.body.velocity_rad_s[:] = (1.0, 0.5, -0.5)
    rig.now_s = 12.5
    state = rig.bus.read()
    assert len(rig.frames) == 1
    assert state.t_s == 12.5
    # The second joint is counted the other way round, 2768 counts off the middle.
    assert state.position_rad == pytest.approx((0.5, 0.25 - 2768 * COUNT_RAD, 1.0), abs=COUNT_RAD)
    assert state.velocity_rad_s == pytest.approx((1.0, -0.5, -0.5), abs=COUNT_RAD)


@given(st.tuples(*[st.floats(-1.3, 1.3)] * 3))
def test_a_goal_arrives_where_it_was_meant_to_within_half_a_count(goal):
    rig = Rig()
    rig.bus.arm()
    rig.bus.write(goal)
    rig.pass_time(0.004)
    for _ in range(8):
        rig.pass_time(0.05)
        rig.bus.write(goal)
    assert rig.bus.read().position_rad == pytest.approx(goal, abs=COUNT_RAD)


@pytest.mark.parametrize("goal", [(0, 0, math.nan), (math.inf, 0, 0), (0, 0), (0, 0, 0, 0), (0, 0, 3.2), (0, -3.5, 0)])
def test_a_goal_that_cannot_be_sent_is_refused_and_nothing_is(rig, goal):
    with pytest.raises(GoalInvalid):
        rig.bus.write(goal)
    assert not rig.frames


# The list for the gate


def test_all_that_a_command_does_is_shown_to_the_gate(rig):
    rig.bus.write((0.0, 0.1, 0.2))
    goals = rig.bus.goal_writes(JOINTS, (0.0, 0.1, 0.2))
    (frame,) = rig.frames
    writes = McuBus.decode_writes(frame)
    assert {(each.device, each.address): each.value for each in writes} == {
        (CONTROLLER, Virtual.SEQUENCE): 1,
        (CONTROLLER, Virtual.TTL_MS): 100,
        **{(each.device, each.address): each.value for each in goals},
    }


def test_the_list_bounds_goals_by_position_hard_and_the_time_to_live_by_half_a_second():
    allowed = {(each.device, each.address): each for each in McuBus.allowed_writes(JOINTS)}
    pan, ttl = allowed[1, Virtual.GOAL], allowed[CONTROLLER, Virtual.TTL_MS]
    assert (pan.low, pan.high) == (32768 + math.ceil(-2.0 / COUNT_RAD), 32768 + math.floor(1.5 / COUNT_RAD))
    assert (ttl.low, ttl.high, ttl.phase) == (1, 500, "always")
    assert {each.phase for key, each in allowed.items() if key[1] in (Virtual.TORQUE, Virtual.CLEAR)} == {"setup"}


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0",
        b"\0\0",
        mcu_frame.pack(Frame(2, Kind.LOOK, 1, b"")),  # another version may mean anything
        mcu_frame.pack(Frame(1, Kind.STATE, 1, b"")),
        mcu_frame.pack(Frame(1, 0x40, 1, b"")),
        mcu_frame.pack(Frame(1, Kind.LOOK, 1, b"")) * 2,
        mcu_frame.pack(Frame(1, Kind.LOOK, 1, b""))[:-1],
    ],
)
def test_what_is_not_exactly_one_request_does_not_leave(frame):
    with pytest.raises(ValueError):  # what the gate waits for
        McuBus.decode_writes(frame)


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


def test_arming_holds_the_joints_where_they_stand(rig):
    rig.body.position_rad[:] = (0.5, -0.25, 1.0)
    state = rig.bus.arm()
    assert state.position_rad[0] == pytest.approx(0.5, abs=COUNT_RAD)
    assert rig.torque
    rig.pass_time(0.05)
    assert rig.body.position_rad == pytest.approx((0.5, -0.25, 1.0), abs=COUNT_RAD)


def test_a_joint_outside_its_envelope_is_not_armed_and_is_named(rig):
    rig.body.position_rad[0] = 1.7
    with pytest.raises(ServoRefused, match=r"pan stands at 97\.4 deg, outside .* -114\.592 \.\. 85\.9437 deg"):
        rig.bus.arm()
    assert not rig.writes()


def test_when_the_first_command_is_refused_the_torque_is_switched_off_again(rig):
    rig.mcu.drives.each[1].high = 20000  # it stands beyond its own limit
    with pytest.raises(CommandNotTaken, match="a goal is beyond its own limits"):
        rig.bus.arm()
    assert not rig.torque


def test_when_the_guard_blocks_a_step_of_arming_no_torque_stays(rig):
    rig.blocks = lambda writes: any(write.address == Virtual.TTL_MS for write in writes)
    with pytest.raises(Blocked):
        rig.bus.arm()
    assert not rig.torque


def test_when_the_controller_falls_silent_while_arming_the_error_says_so(rig):
    def unplug(writes):
        rig.mcu.connected = not switches_on(writes)
        return False

    rig.blocks = unplug
    with pytest.raises(NoReply, match="no answer from the motor controller"):
        rig.bus.arm()
    assert not rig.torque


def test_releasing_takes_the_torque(rig):
    rig.bus.arm()
    rig.bus.release()
    assert not rig.torque
    rig.mcu.power_up()
    rig.bus.read()  # no command is awaited any more


def test_arming_goes_on_from_the_sequence_that_the_controller_knows(rig):
    here = rig.bus.arm().position_rad
    for _ in range(5):
        rig.bus.write(here)
    second = McuBus(JOINTS, LoopbackTransport(rig.mcu, rig.guard), 0.005, DEADMAN_S)
    second.arm()
    second.write(here)
    second.read()
    assert rig.mcu._accepted == 8


def test_the_sequence_goes_round(rig):
    rig.mcu._accepted = 65534
    rig.bus.arm()
    for _ in range(4):
        rig.bus.write((0, 0, 0))
        rig.bus.read()
    assert rig.mcu._accepted == 3


# The time to live


def test_without_a_newer_command_the_joints_stop_by_themselves_within_the_deadman(rig):
    rig.bus.arm()
    for drive in rig.mcu.drives.each:
        drive.velocity = round(2.0 / COUNT_RAD)  # so that there is motion to stop
        drive.deceleration = round(100.0 / COUNT_RAD)
    rig.bus.write((1.2, 1.2, 1.2))
    rig.pass_time(DEADMAN_S - 0.01)
    moved = rig.body.position_rad.copy()
    rig.pass_time(0.01 + 0.002 + 2.0 / 100.0)  # to its end, a step to notice, and the braking distance
    stopped = rig.body.position_rad.copy()
    rig.pass_time(1.0)
    assert abs(moved).min() > 0.05
    assert rig.body.position_rad == pytest.approx(stopped, abs=COUNT_RAD)
    assert abs(stopped).max() < 0.3
    assert rig.body.torque_on.all(), "it holds, it does not fall"


def test_asking_keeps_no_command_alive(rig):
    rig.bus.arm()
    rig.bus.write((0.1, 0.1, 0.1))
    for _ in range(5):
        rig.pass_time(0.03)
        rig.bus.read()
    assert rig.mcu.drives.expired


def test_a_stop_of_its_own_is_no_lost_line_and_health_says_why(rig):
    rig.bus.arm()
    rig.pass_time(DEADMAN_S + 0.01)
    rig.bus.write((0.3, 0.3, 0.3))
    rig.bus.read()
    assert rig.bus.explain_status(rig.bus.health("lift").status) == "stopped by itself, for no command came in time"


def test_arming_anew_clears_the_stop(rig):
    rig.bus.arm()
    rig.pass_time(DEADMAN_S + 0.01)
    rig.bus.arm()
    rig.bus.write((0.3, 0.3, 0.3))
    rig.bus.read()
    assert rig.bus.health("lift").status == 0


def test_a_controller_that_does_not_get_over_its_stop_is_not_armed(rig):
    rig.bus.arm()
    rig.pass_time(DEADMAN_S + 0.01)
    rig.mcu.drives.clear = lambda: None
    with pytest.raises(DeadmanTripped, match="did not switch its torque on: it has stopped by itself"):
        rig.bus.arm()
    assert not rig.torque


def test_a_controller_that_still_moves_is_not_armed(rig):
    rig.bus.arm()
    rig.bus.write((1.2, 1.2, 1.2))
    rig.pass_time(0.004)
    with pytest.raises(ServoRefused, match="did not forget its last stop: it is still moving"):
        rig.bus.arm()


# Commands that were not taken


def test_a_command_lost_on_the_way_shows_in_the_next_reading_and_the_one_after_is_fine(rig):
    rig.bus.arm()
    rig.mcu.connected = False
    rig.bus.write((0.1, 0.1, 0.1))
    rig.mcu.connected = True
    with pytest.raises(CommandNotTaken, match="did not take command 2") as caught:
        rig.bus.read()
    assert isinstance(caught.value, ReplyError)
    rig.bus.write((0.1, 0.1, 0.1))
    rig.bus.read()


def test_a_command_beyond_the_controller_s_own_limits_is_named(rig):
    rig.bus.arm()
    rig.mcu.drives.each[0].high = 33000
    rig.bus.write((0.5, 0.0, 0.0))
    with pytest.raises(CommandNotTaken, match="a goal is beyond its own limits - check its limits"):
        rig.bus.read()


def test_a_controller_that_was_restarted_is_noticed(rig):
    rig.bus.arm()
    rig.mcu.power_up()
    rig.bus.write((0.0, 0.0, 0.0))
    with pytest.raises(CommandNotTaken, match="its torque is off"):
        rig.bus.read()


def test_a_blocked_command_leaves_no_gap(rig):
    rig.bus.arm()
    rig.blocks = lambda writes: bool(writes)
    with pytest.raises(Blocked):
        rig.bus.write((0.1, 0.1, 0.1))
    rig.bus.read()


# Who is there


def test_checking_says_who_is_there_and_writes_nothing(rig):
    infos = rig.bus.check()
    assert [(each.joint, each.device, each.model, each.firmware) for each in infos] == [
        ("pan", 1, 1, "1.0"),
        ("lift", 2, 1, "1.0"),
        ("roll", 7, 1, "1.0"),
    ]
    assert infos[1].position_rad[0] < infos[1].position_rad[1]
    assert not rig.writes()


def test_a_controller_with_other_joints_is_refused():
    body = FakeBody(2)
    controller = SimulatedController(body, (1, 2))
    bus = McuBus(JOINTS, LoopbackTransport(controller, lambda _: None), 0.005, DEADMAN_S)
    with pytest.raises(ServoRefused, match=r"has the joints \[1, 2\], robot\.yaml has the ids \[1, 2, 7\]"):
        bus.check()
    with pytest.raises(BadReply, match=r"other joints than robot\.yaml"):
        bus.read()


def test_limits_that_would_refuse_a_plan_are_refused_first(rig):
    rig.mcu.drives.each[1].high = 33000
    with pytest.raises(ServoRefused, match=r"lift: the device's own limits .* are inside position_soft"):
        rig.bus.check()


def test_a_controller_too_slow_for_the_plan_is_refused(rig):
    rig.mcu.drives.each[2].velocity = round(1.0 / COUNT_RAD)
    with pytest.raises(ServoRefused, match=r"roll: .* own limit of 0.99\d* rad/s is below its velocity of 2 rad/s"):
        rig.bus.check()


def test_a_controller_that_will_not_obey_for_so_long_is_refused():
    info = struct.pack("<HBBHB", 1, 1, 0, 50, 3) + b"".join(struct.pack("<BHHII", i, 0, 65535, 200000, 1) for i in IDS)
    bus = McuBus(JOINTS, ScriptedTransport(mcu_frame.pack(Frame(1, Kind.INFO, 1, info))), 0.005, DEADMAN_S)
    with pytest.raises(ServoRefused, match=r"obeys a command for 50 ms at most, motors\.deadman is 100 ms - set"):
        bus.check()


def test_another_protocol_version_is_said_loudly():
    answer = mcu_frame.pack(Frame(2, Kind.ACK, 1, struct.pack("<BBH", Kind.HELLO, mcu.Result.UNKNOWN_VERSION, 0)))
    with pytest.raises(BadReply, match="speaks protocol version 2, this program 1 - update"):
        McuBus(JOINTS, ScriptedTransport(answer), 0.005, DEADMAN_S).check()


def test_silence_and_noise_are_told_apart():
    with pytest.raises(NoReply, match="no answer from the motor controller within 50 ms - check its power") as caught:
        McuBus(JOINTS, ScriptedTransport(), 0.005, DEADMAN_S).check()
    assert caught.value.devices == (1, 2, 7)
    noise = random.Random(1).randbytes(200) + b"\0"
    with pytest.raises(BadReply, match=r"unreadable bytes .* check motors\.baud"):
        McuBus(JOINTS, ScriptedTransport(noise), 0.005, DEADMAN_S).check()


@pytest.mark.parametrize("payload", [b"", b"\1\2\3", bytes(30)])
def test_an_answer_of_the_wrong_form_is_of_no_use(payload):
    answers = [mcu_frame.pack(Frame(1, kind, 1, payload)) for kind in (Kind.INFO, Kind.STATE, Kind.ACK)]
    for answer, ask in zip(answers, (McuBus.check, McuBus.read, McuBus.read), strict=True):
        with pytest.raises(BadReply, match="of no use"):
            ask(McuBus(JOINTS, ScriptedTransport(answer), 0.005, DEADMAN_S))


def test_a_refusal_to_be_asked_is_named():
    answer = mcu_frame.pack(Frame(1, Kind.ACK, 1, struct.pack("<BBH", Kind.LOOK, mcu.Result.UNKNOWN_KIND, 0)))
    with pytest.raises(BadReply, match="it does not know this kind of request"):
        McuBus(JOINTS, ScriptedTransport(answer), 0.005, DEADMAN_S).read()


def test_a_late_answer_to_an_earlier_question_is_not_taken(rig):
    late = []
    transport = LoopbackTransport(rig.mcu, lambda _: None)
    first = McuBus(JOINTS, transport, 0.005, DEADMAN_S)
    first._transport.send(mcu_frame.pack(Frame(1, Kind.LOOK, 1, b"")))
    late.append(transport.receive(1, 0.0))
    rig.body.position_rad[0] = 1.0
    bus = McuBus(JOINTS, ScriptedTransport(late[0], late[0]), 0.005, DEADMAN_S)
    bus.read()  # tag 1 is the awaited one
    with pytest.raises(NoReply):
        bus.read()  # tag 2 is not


# Health and the end


def test_health_is_in_units_people_use(rig):
    rig.mcu.supply_v, rig.mcu.drives.each[1].temperature_c = 11.3, 48.4
    rig.body.load[1] = -0.35
    health = rig.bus.health("lift")
    assert (health.joint, health.voltage_v, health.temperature_c) == ("lift", pytest.approx(11.3), 48.0)
    assert health.load == pytest.approx(-0.35)
    assert health.status == 0
    rig.mcu.supply_v, rig.mcu.drives.each[1].temperature_c = 3.0, 90.0
    assert rig.bus.explain_status(rig.bus.health("lift").status) == "too hot, voltage out of range"
    assert rig.bus.explain_status(rig.bus.health("pan").status) == "voltage out of range"


def test_closing_sends_nothing():
    transport = ScriptedTransport()
    McuBus(JOINTS, transport, 0.005, DEADMAN_S).close()
    assert transport.sent == ["closed"]


def test_a_lost_port_while_arming_is_reported_as_such():
    class Gone(ScriptedTransport):
        def send(self, frame):
            raise PortLost("serial port is lost")

    with pytest.raises(PortLost):
        McuBus(JOINTS, Gone(), 0.005, DEADMAN_S).arm()


def test_the_bus_is_found_by_the_name_in_robot_yaml():
    assert bus_class("mcu") is McuBus


def test_the_whole_way_over_a_pty():
    body = FakeBody(len(JOINTS))
    body.position_rad[:] = 0.25
    server = BusServer(SimulatedController(body, IDS))
    try:
        bus = McuBus(JOINTS, SerialPort(server.port, 1_000_000, lambda _: None), 0.5, DEADMAN_S)
        try:
            assert [each.device for each in bus.check()] == IDS
            assert bus.arm().position_rad[0] == pytest.approx(0.25, abs=COUNT_RAD)
            bus.write((0.3, -0.3, 0.3))
            assert bus.read().position_rad[2] == pytest.approx(0.25, abs=COUNT_RAD)
            assert bus.health("roll").voltage_v == pytest.approx(12.0)
            bus.release()
        finally:
            bus.close()
    finally:
        server.close()
