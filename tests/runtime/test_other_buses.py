"""The whole control side on each of the other buses: arm, engage, follow, and never a byte outside the envelope."""

import math
from types import SimpleNamespace

import pytest

from edgevla.config.load import load_robot
from edgevla.control.gate import GateBlocked
from edgevla.messages import Mode
from edgevla.motors.dynamixel_bus import DynamixelBus
from edgevla.motors.mcu import CONTROLLER, Virtual
from edgevla.motors.mcu_bus import McuBus
from edgevla.runtime.wiring import assemble, make_gate
from edgevla.sim.dynamixel_servos import SimulatedDynamixels
from edgevla.sim.loopback import LoopbackTransport
from edgevla.sim.mcu_controller import SimulatedController
from edgevla.sim.world import World
from tests.runtime.conftest import ROBOT_YAML, Rig

DEADMAN_S = 0.1
BUSES = {
    "dynamixel": SimpleNamespace(
        bus=DynamixelBus,
        motors=SimulatedDynamixels,
        stopped=lambda servos: all(servo.tripped for servo in servos.servos),
        zero=2048,
        per_turn=4096,
        goal=116,
    ),
    "mcu": SimpleNamespace(
        bus=McuBus,
        motors=SimulatedController,
        stopped=lambda controller: controller.drives.expired,
        zero=32768,
        per_turn=65536,
        goal=Virtual.GOAL,
    ),
}


def robot_on(name):
    robot = load_robot(ROBOT_YAML)
    zeros = {f"joints.{joint}.zero_counts": str(BUSES[name].zero) for joint in robot.joint_names}
    return load_robot(ROBOT_YAML, {"motors.bus": name, "motors.deadman": "100 ms", **zeros})


class OtherRig(Rig):
    """The rig of this folder with another bus in it; `frames` are cut off while `cut` is set."""

    def __init__(self, name):
        self.kind = BUSES[name]
        self.robot = robot_on(name)
        self.world = World()
        self.world.reset(1)
        self.servos = self.kind.motors(self.world)
        self.wire = []
        self.cut = False
        rig = assemble(self.robot, self.kind.bus, lambda: self.world.t_s, self._open)
        self.controller, self.bus = rig.controller, rig.bus
        self.heartbeats = True
        self.outcome = None

    def _open(self, guard):
        def recording_guard(frame):
            guard(frame)
            self.wire.append(frame)

        transport = LoopbackTransport(self, recording_guard)
        return self.kind.bus(self.robot.joints, transport, 0.005, DEADMAN_S, lambda: self.world.t_s)

    def handle(self, data):
        return SimpleNamespace(data=b"") if self.cut else self.servos.handle(data)

    @property
    def writes(self):
        return [frame for frame in self.wire if self.bus.decode_writes(frame)]

    def goals(self):
        """Every goal that left, by joint."""
        sent = [write for frame in self.writes for write in self.bus.decode_writes(frame)]
        return {
            joint.name: [each.value for each in sent if (each.device, each.address) == (joint.id, self.kind.goal)]
            for joint in self.robot.joints
        }

    def nature(self, seconds):
        """Time passes for the arm, not for the control process."""
        for _ in range(round(seconds / self.world.timestep_s)):
            self.servos.apply()
            self.world.step()


@pytest.fixture(params=sorted(BUSES))
def rig(request):
    return OtherRig(request.param)


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


def test_an_engaged_arm_follows_the_plan(rig):
    rig.engaged(shift_rad=0.3)
    before = rig.controller.state.position_rad[0]
    rig.tick(14)
    assert rig.controller.state.position_rad[0] - before > 0.04
    assert rig.outcome.mode is Mode.ENGAGED


def test_plans_one_after_the_other_take_the_arm_along(rig):
    rig.engaged(shift_rad=0.05)
    before = rig.controller.state.position_rad
    for _ in range(5):
        for _ in range(5):
            rig.tick()
        rig.offer(shift_rad=0.2)
    moved = [now - then for now, then in zip(rig.controller.state.position_rad, before, strict=True)]
    assert rig.controller.mode is Mode.ENGAGED, rig.controller.reason
    assert min(moved) > 0.02


def test_every_goal_on_the_wire_is_inside_the_hard_limits_whatever_is_planned(rig):
    rig.engaged()
    for sign in (1, -1) * 5:
        for _ in range(10):
            rig.offer(shift_rad=sign * 50.0)
            rig.tick()
    goals = rig.goals()
    assert rig.controller.mode is Mode.ENGAGED, rig.controller.reason
    for joint in rig.robot.joints:
        low, high = (rig.kind.zero + bound * rig.kind.per_turn / math.tau for bound in joint.position_hard)
        assert goals[joint.name]
        assert all(low <= raw <= high for raw in goals[joint.name])


def test_a_setpoint_that_the_gate_blocks_never_reaches_the_wire_and_is_a_fault(rig):
    rig.engaged()
    rig.controller._limits.start([0.5, *rig.controller.setpoint_rad[1:]])  # a bug above the gate: a jump
    before = len(rig.writes)
    assert rig.tick().blocked
    assert rig.controller.mode is Mode.FAULT
    rig.tick(20)
    assert len(rig.writes) == before


def test_after_a_cut_line_the_motors_stop_by_themselves_within_the_deadman(rig):
    rig.engaged(shift_rad=1.2)
    rig.tick(8)
    rig.cut = True
    rig.nature(DEADMAN_S + 0.004)  # a physics step and a half to notice
    assert rig.kind.stopped(rig.servos)
    assert rig.world.torque_on.all()
    goal = rig.world.goal_rad.copy()
    rig.nature(0.5)
    assert rig.world.goal_rad == pytest.approx(goal, abs=math.tau / 4096)


def test_motors_that_stopped_by_themselves_are_a_fault_that_says_so(rig):
    rig.engaged()
    rig.nature(DEADMAN_S + 0.05)  # the control process slept
    rig.tick(11)
    assert rig.controller.mode is Mode.FAULT
    assert "stopped by itself" in rig.controller.reason


def test_three_lost_answers_are_a_lost_line(rig):
    rig.engaged()
    rig.cut = True
    rig.tick(3)
    assert rig.controller.mode is Mode.FAULT
    assert "serial lost" in rig.controller.reason


# The gate alone, in front of each codec


@pytest.fixture(params=sorted(BUSES))
def gate(request):
    """A gate in the position that arming at home leaves it in."""
    kind, robot = BUSES[request.param], robot_on(request.param)
    home = [joint.home for joint in robot.joints]
    gate = make_gate(robot, kind.bus, lambda: 100.0)
    gate.anchor(kind.bus.goal_writes(robot.joints, home))
    frames = []
    servos = SimpleNamespace(handle=lambda _: SimpleNamespace(data=b""))

    def keep(frame):
        frames.append(frame)
        gate.check(frame)

    bus = kind.bus(robot.joints, LoopbackTransport(servos, keep), 0.005, DEADMAN_S)
    return SimpleNamespace(gate=gate, bus=bus, robot=robot, home=home, frames=frames)


def test_a_goal_at_home_passes(gate):
    gate.bus.write(gate.home)


@pytest.mark.parametrize("joint", range(6))
@pytest.mark.parametrize("end", [0, 1])
def test_a_goal_outside_position_hard_is_blocked(gate, joint, end):
    beyond = gate.robot.joints[joint].position_hard[end] + (-0.01, 0.01)[end]
    with pytest.raises(GateBlocked, match="outside"):
        gate.bus.write([*gate.home[:joint], beyond, *gate.home[joint + 1 :]])


def test_a_jump_inside_the_envelope_is_blocked(gate):
    with pytest.raises(GateBlocked, match="a step of"):
        gate.bus.write([gate.home[0] + 0.5, *gate.home[1:]])


def test_torque_is_for_setting_up_only(gate):
    with pytest.raises(GateBlocked, match="setting up"):
        gate.bus.release()


def test_half_a_frame_two_frames_and_a_flipped_bit_are_blocked(gate):
    gate.bus.write(gate.home)
    (frame,) = gate.frames
    for wrong in (frame[:-1], frame + frame, frame[:12] + bytes((frame[12] ^ 1,)) + frame[13:], b""):
        gate.gate.reset()
        with pytest.raises(GateBlocked):
            gate.gate.check(wrong)


def test_a_command_that_would_live_too_long_is_blocked():
    robot = robot_on("mcu")
    gate = make_gate(robot, McuBus, lambda: 100.0)
    home = [joint.home for joint in robot.joints]
    gate.anchor(McuBus.goal_writes(robot.joints, home))
    servos = SimpleNamespace(handle=lambda _: SimpleNamespace(data=b""))
    bus = McuBus(robot.joints, LoopbackTransport(servos, gate.check), 0.005, 0.501)
    with pytest.raises(GateBlocked, match=rf"device {CONTROLLER} register {int(Virtual.TTL_MS)}.* 501 outside"):
        bus.write(home)
