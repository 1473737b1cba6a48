"""`Limits` over whole plans: the envelope holds on the setpoints as a wire would show them, and tracking is close."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.config.units import AngleRad, SpeedRadS
from edgevla.control.limits import Limits, Shaped, StartRefused, Wanted
from tests.control.conftest import joint
from tests.examples import examples

DT_S = 0.02
JOINT = joint()
NUMBERS = st.one_of(
    st.floats(-4.0, 4.0), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0, 1.5, -1.5])
)


def limits_at(position_rad, **changes):
    limits = Limits([joint(**changes)], DT_S)
    limits.start([position_rad])
    return limits


def differences(positions):
    velocities = [(b - a) / DT_S for a, b in pairwise(positions)]
    accelerations = [(b - a) / DT_S for a, b in pairwise([0.0, *velocities])]
    jerks = [(b - a) / DT_S for a, b in pairwise([0.0, *accelerations])]
    return velocities, accelerations, jerks


@settings(max_examples=examples(600), deadline=None)
@given(
    st.floats(-1.5, 1.5),
    st.lists(st.tuples(NUMBERS, NUMBERS, st.floats(-0.6, 0.6), st.booleans()), min_size=1, max_size=80),
)
def test_no_plan_however_broken_moves_a_setpoint_out_of_the_envelope(start_rad, ticks):
    limits = limits_at(start_rad)
    positions = [start_rad]
    for wish_rad, wish_rad_s, error_rad, brakes in ticks:
        shaped = (
            limits.brake() if brakes else limits.follow(Wanted((wish_rad,), (wish_rad_s,)), [positions[-1] + error_rad])
        )
        positions.append(shaped.position_rad[0])
    velocities, accelerations, jerks = differences(positions)
    assert all(JOINT.position_soft[0] <= p <= JOINT.position_soft[1] for p in positions)
    assert max(map(abs, velocities)) <= JOINT.velocity * (1 + 1e-6)
    assert max(map(abs, accelerations)) <= JOINT.acceleration * (1 + 1e-6)
    assert max(map(abs, jerks)) <= JOINT.jerk * (1 + 1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["position", "velocity", "measured"])
def test_a_number_that_is_none_is_refused_and_the_joint_stays(bad, where):
    limits = limits_at(0.3)
    wanted = Wanted((bad if where == "position" else 0.5,), (bad if where == "velocity" else 0.0,))
    shaped = limits.follow(wanted, [bad if where == "measured" else 0.3])
    assert shaped == Shaped((0.3,), limited=True, refused=True)


@pytest.mark.parametrize("wanted", [Wanted((), ()), Wanted((0.1, 0.1), (0.0, 0.0)), Wanted((0.1,), (0.0, 0.0))])
def test_a_wish_of_the_wrong_length_is_refused(wanted):
    assert limits_at(0.3).follow(wanted, [0.3]).refused
    assert limits_at(0.3).follow(Wanted((0.3,), (0.0,)), [0.3, 0.3]).refused


def test_a_step_is_followed_to_its_end_without_swinging_past_it():
    limits = limits_at(0.0)
    path = [limits.follow(Wanted((0.4,), (0.0,)), [limits.position_rad[0]]).position_rad[0] for _ in range(100)]
    assert path[-1] == pytest.approx(0.4, abs=1e-3)
    assert max(path) <= 0.4 + 0.01


def test_a_smooth_plan_inside_the_limits_is_followed_within_one_tick():
    limits, omega = limits_at(0.0), 2 * math.pi * 0.5
    for tick in range(200):
        t = tick * DT_S
        wish, speed = 0.4 * math.sin(omega * t), 0.4 * omega * math.cos(omega * t)
        shaped = limits.follow(Wanted((wish,), (speed,)), [wish])
        if tick > 25:
            assert abs(shaped.position_rad[0] - wish) <= 0.4 * omega * DT_S
            assert not shaped.limited


def test_a_plan_beyond_the_soft_limit_ends_at_it_and_counts_as_limited():
    limits = limits_at(1.2)
    for _ in range(200):
        shaped = limits.follow(Wanted((1.7,), (0.0,)), [limits.position_rad[0]])
    assert shaped.position_rad[0] == pytest.approx(1.5, abs=1e-3)
    assert shaped.limited


def test_a_stuck_joint_is_not_wound_up():
    limits = limits_at(0.0)
    for _ in range(200):
        shaped = limits.follow(Wanted((1.4,), (0.0,)), [0.0])
    assert shaped.position_rad[0] == pytest.approx(JOINT.tracking, abs=1e-3)
    assert shaped.pulled == ("pan",)
    assert limits.follow(Wanted((JOINT.tracking * 0.99,), (0.0,)), [0.0]).pulled == ()


def test_braking_ends_at_standstill_and_stays_there():
    limits = limits_at(0.0)
    for _ in range(10):
        limits.follow(Wanted((1.4,), (0.0,)), [limits.position_rad[0]])
    assert not limits.standing
    for _ in range(20):
        limits.brake()
    assert limits.standing
    assert limits.brake().position_rad == limits.position_rad


def test_a_joint_is_pulled_when_its_setpoint_is_held_back_not_when_the_goal_is_merely_far():
    limits, tracking_rad = limits_at(0.0), float(JOINT.tracking)
    far = Wanted((1.4,), (0.0,))
    assert limits.follow(far, [0.0]).pulled == (), "just begun: the setpoint has not run ahead of the joint"
    for _ in range(200):
        limits.follow(far, [0.0])
    assert limits.follow(far, [0.0]).pulled == ("pan",), "stuck at 0"
    near = Wanted((tracking_rad * 0.99,), (0.0,))
    assert limits.follow(near, [0.0]).pulled == (), "leads less than allowed"


@pytest.mark.parametrize(
    ("at_rad", "wish_rad", "pulled"),
    [
        (-0.2, 0.75, ()),  # 0.45 rad behind its setpoint, nine tenths of tracking
        (-0.20001, 0.75, ("pan",)),
        (-0.21875, 0.28125, ()),  # 0.5 rad to the wish, all of tracking
        (-0.21875, 0.28126, ("pan",)),
    ],
)
def test_held_back_is_a_setpoint_nine_tenths_ahead_with_its_wish_out_of_reach(at_rad, wish_rad, pulled):
    limits = limits_at(0.25, position_soft=(AngleRad(-1.5), AngleRad(0.25)), tracking=AngleRad(0.5))
    shaped = limits.follow(Wanted((wish_rad,), (0.0,)), [at_rad])
    assert shaped.position_rad == (0.25,)
    assert shaped.pulled == pulled


def test_a_slow_joint_that_follows_is_never_pulled_however_far_its_goal():
    limits = limits_at(0.0, velocity=SpeedRadS(0.3))
    for _ in range(100):
        assert limits.follow(Wanted((1.4,), (0.0,)), limits.position_rad).pulled == ()


def test_a_degree_off_the_plan_is_not_yet_limited():
    degree_rad = math.radians(1.0)
    for wish_rad, limited in ((degree_rad, False), (degree_rad + 1e-9, True), (-1e-9, False)):
        at_its_end = limits_at(0.0, position_soft=(AngleRad(-1.5), AngleRad(0.0)))
        assert at_its_end.follow(Wanted((wish_rad,), (0.0,)), [0.0]).limited is limited


def test_before_its_start_the_setpoint_is_zero_and_stays_there(joints):
    limits = Limits(joints, DT_S)
    assert limits.standing
    assert limits.brake() == Shaped((0.0, 0.0))


def test_an_arm_stands_when_all_its_joints_do(joints):
    limits = Limits(joints, DT_S)
    limits.start([0.0, 0.0])
    limits.follow(Wanted((0.0, 0.5), (0.0, 0.0)), [0.0, 0.0])
    assert not limits.standing


@pytest.mark.parametrize(("at_rad", "degrees"), [(1.9, "108.9"), (-1.9, "-108.9"), (math.nan, "nan")])
def test_an_arm_outside_its_hard_limits_is_not_taken_over(at_rad, degrees):
    with pytest.raises(StartRefused) as refused:
        Limits([JOINT], DT_S).check_start([at_rad])
    assert str(refused.value) == (
        f"pan stands at {degrees} deg, outside position_hard [-103.1, 103.1] deg - "
        "move the joint by hand into its range, or correct zero_counts in robot.yaml"
    )


@pytest.mark.parametrize("at_rad", [1.8, -1.8])
def test_an_arm_just_at_its_hard_limit_is_taken_over(at_rad):
    limits = Limits([JOINT], DT_S)
    limits.check_start([at_rad])
    limits.start([at_rad])
    assert limits.position_rad == (at_rad,)


@pytest.mark.parametrize("measured_rad", [[], [0.0, 0.0]])
def test_every_joint_must_have_been_measured(measured_rad):
    with pytest.raises(ValueError, match="zip"):
        Limits([JOINT], DT_S).check_start(measured_rad)
    with pytest.raises(ValueError, match="zip"):
        Limits([JOINT], DT_S).start(measured_rad)


def test_a_start_that_is_refused_changes_nothing():
    limits = limits_at(0.3)
    with pytest.raises(StartRefused):
        limits.check_start([1.9])
    assert limits.position_rad == (0.3,)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_an_arm_between_soft_and_hard_may_only_move_inwards(side):
    limits = limits_at(side * 1.7)
    for _ in range(50):
        assert limits.follow(Wanted((side * 1.79,), (0.0,)), [side * 1.7]).position_rad == (side * 1.7,)
    for _ in range(50):
        limits.follow(Wanted((side * 1.6,), (0.0,)), limits.position_rad)
    inside_rad = abs(limits.position_rad[0])
    assert inside_rad < 1.61
    for _ in range(50):
        moved_rad = limits.follow(Wanted((side * 1.79,), (0.0,)), limits.position_rad).position_rad[0]
        assert abs(moved_rad) <= inside_rad + 1e-9


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_an_arm_that_is_back_inside_its_soft_limits_stays_there(side):
    limits = limits_at(side * 1.6)
    for _ in range(100):
        limits.follow(Wanted((0.0,), (0.0,)), limits.position_rad)
    for _ in range(200):
        limits.follow(Wanted((side * 1.79,), (0.0,)), limits.position_rad)
    assert limits.position_rad[0] == pytest.approx(side * 1.5, abs=1e-3)


def test_every_joint_has_its_own_limits():
    narrow = joint("b", 2, position_soft=(AngleRad(-0.1), AngleRad(0.1)))
    limits = Limits([joint("a", 1), narrow], DT_S)
    limits.start([0.0, 0.0])
    for _ in range(200):
        shaped = limits.follow(Wanted((1.0, 1.0), (0.0, 0.0)), limits.position_rad)
    assert shaped.position_rad == pytest.approx((1.0, 0.1), abs=1e-3)


class Fence:
    """A workspace for one joint with a tool 2 m from it; keeps the poses and speeds that it was asked about.

    The joint may not go beyond `border_rad`, nor the tool be faster than `fastest_m_s`.
    """

    def __init__(self, border_rad=math.inf, share=1.0, fastest_m_s=math.inf):
        self.border_rad = border_rad
        self.share = share
        self.fastest_m_s = fastest_m_s
        self.speeds_m_s = []
        self.asked_rad = []
        self.goals_rad_s = []
        self.shared_at_rad = []

    def trespass(self, position_rad):
        self.asked_rad.append(position_rad[0])
        return "the fence" if position_rad[0] > self.border_rad else ""

    def tool_m(self, position_rad):
        return (0.5, 2.0 * position_rad[0], 0.0)

    def speeding(self, speed_m_s):
        self.speeds_m_s.append(speed_m_s)
        return "too fast" if speed_m_s > self.fastest_m_s else ""

    def speed_share(self, position_rad, velocity_rad_s):
        self.shared_at_rad.append(position_rad)
        self.goals_rad_s.append(velocity_rad_s)
        return self.share


def fenced_at(position_rad, fence):
    limits = Limits([JOINT], DT_S, fence)
    limits.start([position_rad])
    fence.asked_rad.clear()
    return limits


def test_an_arm_behind_the_border_is_not_taken_over():
    with pytest.raises(StartRefused) as refused:
        Limits([JOINT], DT_S, Fence(border_rad=0.2)).check_start([0.3])
    assert str(refused.value) == "the arm stands outside its workspace: the fence - move it by hand into the free"


def braking_path_rad(limits):
    """Where braking from here leads, tick by tick; `limits` stays here."""
    here = limits._motions
    path_rad = []
    while not limits.standing:
        assert len(path_rad) < 1000, "braking never comes to rest"
        path_rad.append(limits.brake().position_rad[0])
    limits._motions = here
    return path_rad


def test_every_pose_of_the_braking_path_is_compared_with_the_workspace():
    fence = Fence()
    limits, free = fenced_at(0.0, fence), limits_at(0.0)
    for _ in range(12):
        fence.asked_rad.clear()
        for each in (limits, free):
            each.follow(Wanted((0.3,), (0.0,)), [each.position_rad[0]])
        assert fence.asked_rad == [free.position_rad[0], *braking_path_rad(free)]


def test_the_arm_brakes_in_front_of_the_border_and_says_which():
    limits = fenced_at(0.0, Fence(border_rad=0.3))
    shaped = [limits.follow(Wanted((1.0,), (0.0,)), limits.position_rad) for _ in range(60)]
    assert max(each.position_rad[0] for each in shaped) <= 0.3
    assert shaped[-1].position_rad[0] > 0.29
    assert {each.fenced for each in shaped} == {"", "the fence"}


def test_the_speed_of_the_tool_is_looked_at_in_every_step_of_the_braking_path():
    fence = Fence()
    limits, free = fenced_at(0.0, fence), limits_at(0.0)
    for _ in range(12):
        fence.speeds_m_s.clear()
        path_rad = [free.position_rad[0]]
        for each in (limits, free):
            each.follow(Wanted((0.3,), (0.0,)), [each.position_rad[0]])
        path_rad += [free.position_rad[0], *braking_path_rad(free)]
        assert fence.speeds_m_s == pytest.approx([2.0 * abs(b - a) / DT_S for a, b in pairwise(path_rad)])


def test_a_step_that_would_make_the_tool_too_fast_is_not_taken_and_the_arm_goes_on_below():
    limits = fenced_at(0.0, Fence(fastest_m_s=1.5))
    shaped = [limits.follow(Wanted((1.4,), (0.0,)), limits.position_rad) for _ in range(60)]
    speeds_m_s = [2.0 * (b.position_rad[0] - a.position_rad[0]) / DT_S for a, b in pairwise(shaped)]
    assert 1.2 < max(speeds_m_s) <= 1.5
    assert {each.fenced for each in shaped} == {"", "too fast"}
    assert shaped[-1].position_rad[0] > 0.6


def test_the_speed_share_of_the_tool_slows_every_joint_down():
    fence = Fence(share=0.25)
    limits = fenced_at(0.0, fence)
    path_rad = [0.0]
    for _ in range(40):
        path_rad.append(limits.follow(Wanted((1.4,), (0.0,)), limits.position_rad).position_rad[0])
    assert fence.shared_at_rad == [(rad,) for rad in path_rad[:-1]], "asked where the setpoint is"
    assert fence.goals_rad_s[0] == (2.0,)
    assert max(b - a for a, b in pairwise(path_rad)) == pytest.approx(0.25 * 2.0 * DT_S)


def test_the_joint_whose_setpoint_is_not_what_was_asked_for_is_told():
    limits = Limits([joint("pan", 1), joint("lift", 2)], DT_S)
    limits.start([0.0, 0.0])
    shaped = limits.follow(Wanted((0.0, 1.0), (0.0, 0.0)), [0.0, 0.0])
    assert shaped.limited
    assert shaped.changed == (False, True)
    shaped = limits.follow(Wanted((0.0, shaped.position_rad[1]), (0.0, 0.0)), [0.0, 0.0])
    assert not shaped.limited
    assert shaped.changed == (False, False)
