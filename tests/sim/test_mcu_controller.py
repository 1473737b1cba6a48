"""The simulated motor controller by mcu.md, in frames: what it answers, what it refuses, when it stops by itself."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.motors import mcu, mcu_frame
from edgevla.motors.mcu import Fault, Flag, Kind, Result
from edgevla.motors.mcu_frame import AnswerParser, Frame
from edgevla.sim.mcu_controller import SimulatedController
from tests.motors.fakes import FakeBody

VECTORS = json.loads((Path(__file__).parents[1] / "motors" / "mcu_vectors.json").read_text())
COUNTS_PER_RAD = 65536 / math.tau
HOME = 32768
DEVICES = (1, 2)
STEP_S = FakeBody.timestep_s


class Bench:
    """A controller with two joints, spoken to in frames. The arm follows at once."""

    def __init__(self):
        self.body = FakeBody(len(DEVICES))
        self.mcu = SimulatedController(self.body, DEVICES)
        self.sequence = 0

    def say(self, wire):
        return self.mcu.handle(wire).data

    def ask(self, message, kind, tag=77):
        parser = AnswerParser((kind,), tag, 0)
        parser.feed(self.say(mcu_frame.pack(Frame(1, message.kind, tag, message.payload))))
        return parser.answer.payload

    def order(self, message):
        return mcu.read_ack(self.ask(message, Kind.ACK)).result

    def go(self, *goals, ttl_ms=100):
        self.sequence += 1
        return self.order(mcu.command(self.sequence, ttl_ms, dict(zip(DEVICES, goals, strict=True))))

    def state(self):
        return mcu.read_state(self.ask(mcu.LOOK, Kind.STATE))

    def steps(self, seconds):
        for _ in range(round(seconds / STEP_S)):
            self.mcu.apply()
            self.body.velocity_rad_s[:] = (self.body.goal_rad - self.body.position_rad) / STEP_S
            self.body.position_rad[:] = self.body.goal_rad


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def on(bench):
    bench.order(mcu.torque(True))
    return bench


# The protocol


def test_the_dialogue_of_the_specification_byte_by_byte(bench):
    for vector in VECTORS["dialogue"]:
        assert bench.say(bytes.fromhex(vector["request"])).hex() == vector["answer"], vector["name"]


@pytest.mark.parametrize("vector", VECTORS["damaged"], ids=lambda vector: vector["name"])
def test_damage_is_met_with_silence(on, vector):
    assert on.say(bytes.fromhex(vector["wire"])) == b""
    assert on.go(HOME, HOME) == Result.DONE, "and the next frame is heard"


@given(st.binary(max_size=600), st.lists(st.integers(1, 20), max_size=5))
@settings(max_examples=50)
def test_a_request_is_found_behind_noise_and_in_pieces(noise, cuts):
    bench = Bench()
    wire = mcu_frame.pack(Frame(1, Kind.HELLO, 5, b""))
    bench.say(noise)
    answer = b""
    for cut in cuts:
        answer += bench.say(wire[:cut])
        wire = wire[cut:]
    answer += bench.say(wire)
    parser = AnswerParser((Kind.INFO,), 5, 0)
    parser.feed(answer)
    assert parser.answer is not None


def test_glued_requests_are_all_answered(bench):
    wires = b"".join(mcu_frame.pack(Frame(1, Kind.LOOK, tag, b"")) for tag in (1, 2, 3))
    answers = [each for each in bench.say(wires).split(b"\0") if each]
    assert len(answers) == 3


def test_who_it_is(bench):
    info = mcu.read_info(bench.ask(mcu.HELLO, Kind.INFO))
    assert (info.max_ttl_ms, [each.device for each in info.joints]) == (500, [1, 2])


def test_how_things_stand(on):
    on.body.position_rad[:] = (0.5, -0.25)
    on.body.velocity_rad_s[:] = (1.0, -1.0)
    on.body.load[:] = (0.1, -0.2)
    on.mcu.supply_v, on.mcu.drives.each[1].temperature_c = 8.0, 81.0
    state = on.state()
    assert state.flags == Flag.TORQUE_ON | Flag.VOLTAGE
    assert state.voltage_mv == 8000
    assert state.joints[0] == (1, HOME + round(0.5 * COUNTS_PER_RAD), round(COUNTS_PER_RAD), 100, 30, 0)
    assert state.joints[1][4:] == (81, Fault.TEMPERATURE)


def test_an_unplugged_controller_is_silent(bench):
    bench.mcu.connected = False
    assert bench.say(mcu_frame.pack(Frame(1, Kind.HELLO, 5, b""))) == b""


@pytest.mark.parametrize("devices", [range(17), (1, 255)])
def test_joints_that_the_protocol_cannot_name_are_refused(devices):
    with pytest.raises(ValueError, match="at most 16 joints"):
        SimulatedController(FakeBody(len(devices)), devices)


# Motion


def test_it_drives_to_its_goals_no_faster_than_its_limit(on):
    on.mcu.drives.each[0].velocity = 10000
    on.go(HOME + 3000, HOME - 500, ttl_ms=500)
    on.steps(0.1)
    assert on.body.position_rad[0] * COUNTS_PER_RAD == pytest.approx(1000, abs=1)
    assert on.body.position_rad[1] * COUNTS_PER_RAD == pytest.approx(-500, abs=1)
    assert on.state().flags & Flag.MOVING
    on.steps(0.22)
    assert on.body.position_rad[0] * COUNTS_PER_RAD == pytest.approx(3000, abs=1)
    on.steps(STEP_S)
    assert not on.state().flags & Flag.MOVING


def test_torque_comes_on_where_the_joints_stand_and_goes_off_always(bench):
    bench.body.position_rad[:] = (0.4, 0.1)
    bench.order(mcu.torque(True))
    bench.steps(0.1)
    assert bench.body.torque_on.all()
    assert bench.body.position_rad == pytest.approx((0.4, 0.1))
    bench.order(mcu.torque(False))
    bench.steps(STEP_S)
    assert not bench.body.torque_on.any()


def test_torque_on_twice_changes_nothing(on):
    on.go(HOME + 1000, HOME, ttl_ms=500)
    on.order(mcu.torque(True))
    on.steps(0.2)
    assert on.body.position_rad[0] * COUNTS_PER_RAD == pytest.approx(1000, abs=1)


# The time to live


def test_a_command_dies_of_age_and_the_joints_brake(on):
    for drive in on.mcu.drives.each:
        drive.velocity, drive.deceleration = 20000, 400_000  # 50 ms and 500 counts to a stop
    on.go(HOME + 20000, HOME - 20000)
    on.steps(0.1)
    at_expiry = on.body.position_rad[0] * COUNTS_PER_RAD
    assert not on.state().flags & Flag.EXPIRED
    on.steps(0.002 + 0.05)
    stopped = on.body.position_rad[0] * COUNTS_PER_RAD
    on.steps(1.0)
    assert at_expiry == pytest.approx(2000, abs=1)
    assert stopped - at_expiry == pytest.approx(500, abs=50)
    assert on.body.position_rad[0] * COUNTS_PER_RAD == pytest.approx(stopped, abs=1)
    assert on.state().flags == Flag.TORQUE_ON | Flag.EXPIRED


def test_newer_commands_keep_it_alive_older_ones_do_not(on):
    for _ in range(5):
        assert on.go(HOME, HOME) == Result.DONE
        on.steps(0.09)
    on.sequence -= 1
    assert on.go(HOME, HOME) == Result.OLD_SEQUENCE
    on.steps(0.02)
    assert on.mcu.drives.expired


def test_a_refused_command_does_not_prolong_a_life(on):
    on.go(HOME, HOME)
    on.steps(0.09)
    assert on.go(0, 0) == Result.BEYOND_LIMITS
    on.steps(0.02)
    assert on.mcu.drives.expired


def test_after_an_expiry_commands_and_torque_are_refused_until_cleared_at_rest(on):
    for drive in on.mcu.drives.each:
        drive.velocity, drive.deceleration = 20000, 100_000
    on.go(HOME + 20000, HOME)
    on.steps(0.11)
    assert on.go(HOME, HOME) == Result.EXPIRED
    assert on.order(mcu.torque(True)) == Result.EXPIRED
    assert on.order(mcu.CLEAR) == Result.MOVING
    on.steps(0.5)
    assert on.order(mcu.CLEAR) == Result.DONE
    on.steps(1.0)
    assert not on.mcu.drives.expired, "no command, no life to end"
    assert on.go(HOME, HOME) == Result.DONE


def test_braking_ends_at_a_limit(on):
    drive = on.mcu.drives.each[0]
    drive.velocity, drive.deceleration = 60000, 1000
    on.go(drive.high, HOME, ttl_ms=500)
    on.steps(0.5)
    on.steps(1.0)
    assert on.body.position_rad[0] * COUNTS_PER_RAD + HOME <= drive.high + 1


def test_power_up_forgets_everything(on):
    on.go(HOME, HOME)
    on.mcu.power_up()
    state = on.state()
    assert (state.accepted, state.flags, state.refused) == (0, 0, 0)
