"""The motion of one joint: bounded in every derivative, always able to stop, whatever is asked for."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevla.control.motion import (
    Motion,
    MotionLimits,
    acceleration_towards,
    advance,
    approach_velocity,
    clamp_acceleration,
    next_acceleration,
    stoppable,
    stopping_acceleration,
)
from tests.examples import examples

DT_S = 0.02
LIMITS = MotionLimits(-1.0, 1.0, velocity_rad_s=2.0, acceleration_rad_s2=15.0, jerk_rad_s3=300.0)
ROUNDING = 1e-9

envelopes = st.builds(
    MotionLimits,
    lower_rad=st.floats(-3.0, -0.01),
    upper_rad=st.floats(0.01, 3.0),
    velocity_rad_s=st.floats(0.05, 6.0),
    acceleration_rad_s2=st.floats(0.5, 80.0),
    jerk_rad_s3=st.floats(5.0, 5000.0),
)
wishes = st.lists(
    st.one_of(st.floats(-1e9, 1e9), st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324])), min_size=1, max_size=60
)

periods = st.sampled_from([0.001, 0.005, 0.02, 0.1])


def stop(motion, limits, dt_s):
    path = [motion]
    while not path[-1].standing:
        path.append(advance(path[-1], stopping_acceleration(path[-1], limits, dt_s), dt_s))
        assert len(path) < 100_000, "the backup plan never comes to rest"
    return path


@settings(max_examples=examples(1000), deadline=None)
@given(envelopes, wishes, periods, st.floats(0.0, 1.0))
def test_whatever_is_wished_the_trajectory_keeps_every_limit_and_can_stop(limits, wished, dt_s, start):
    motion = Motion(min(limits.upper_rad, limits.lower_rad + start * (limits.upper_rad - limits.lower_rad)))
    for wish in wished:
        acceleration = next_acceleration(motion, wish, limits, dt_s)
        assert abs(acceleration - motion.acceleration_rad_s2) <= limits.jerk_rad_s3 * dt_s * (1 + ROUNDING)
        assert abs(acceleration) <= limits.acceleration_rad_s2
        motion = advance(motion, acceleration, dt_s)
        assert limits.lower_rad <= motion.position_rad <= limits.upper_rad
        assert abs(motion.velocity_rad_s) <= limits.velocity_rad_s
    for state in stop(motion, limits, dt_s):
        assert limits.lower_rad <= state.position_rad <= limits.upper_rad
        assert abs(state.velocity_rad_s) <= limits.velocity_rad_s


# Figures by hand: a tick of 0.5 s and a jerk of 2 rad/s^3 change the acceleration by 1 rad/s^2 a tick.
SLOW_S = 0.5
SLOW = MotionLimits(-100.0, 100.0, velocity_rad_s=100.0, acceleration_rad_s2=3.0, jerk_rad_s3=2.0)


def test_velocity_moves_before_position():
    assert advance(Motion(1.0, 2.0, 9.0), 4.0, SLOW_S) == Motion(3.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("acceleration", "wanted", "allowed"),
    [(0.0, 5.0, 1.0), (0.0, -5.0, -1.0), (2.5, 5.0, 3.0), (-2.5, -5.0, -3.0), (1.0, 1.5, 1.5), (3.0, 0.0, 2.0)],
)
def test_acceleration_changes_by_jerk_and_ends_at_its_limit(acceleration, wanted, allowed):
    motion = Motion(0.0, 0.0, acceleration)
    assert clamp_acceleration(motion, wanted, SLOW, SLOW_S) == allowed


@pytest.mark.parametrize(
    ("velocity", "acceleration", "goal", "chosen"),
    [
        (0.0, 0.0, 0.25, 0.5),  # half a ramp's worth: all of it now
        (0.0, 0.0, 0.475, 0.95),
        (0.0, 0.0, 0.5, 1.0),
        (0.0, 2.0, 1.5, 2.0),  # 2 + 1 makes up 1.5 rad/s / 0.5 s
        (0.0, 2.0, 2.0, 7.0 / 3.0),  # 2 + 1, and the 1 that is left over shared among three ticks
        (0.0, 3.0, 3.0, 3.0),  # 3 + 2 + 1
        (0.0, 3.0, 5.0, 3.0),  # 4 + 3 + 2 + 1 is more than the limit
        (0.0, 0.0, 5.0, 1.0),  # jerk allows no more
        (1.0, -2.0, -1.0, -7.0 / 3.0),
        (-1.5, 2.0, 0.0, 2.0),
        (0.75, 0.0, 0.75, 0.0),
    ],
)
def test_the_way_to_a_velocity_is_a_falling_stair_of_accelerations(velocity, acceleration, goal, chosen):
    motion = Motion(0.0, velocity, acceleration)
    assert acceleration_towards(motion, goal, SLOW, SLOW_S) == pytest.approx(chosen, rel=1e-12)


def test_stopping_is_the_way_to_velocity_zero():
    assert stopping_acceleration(Motion(0.0, 2.0, -2.0), SLOW, SLOW_S) == pytest.approx(-7.0 / 3.0)


@pytest.mark.parametrize(
    ("motion", "standing"),
    [
        (Motion(1.0), True),
        (Motion(1.0, 0.9e-9, -0.9e-9), True),
        (Motion(1.0, 1e-9, 0.0), False),
        (Motion(1.0, 0.0, -1e-9), False),
    ],
)
def test_standing_is_neither_moving_nor_about_to(motion, standing):
    assert motion.standing is standing


@pytest.mark.parametrize("rad", [-1.0, 1.0])
def test_standing_at_a_position_limit_is_inside_it(rad):
    assert stoppable(Motion(rad), LIMITS, DT_S)
    assert not stoppable(Motion(math.nextafter(rad, 2.0 * rad)), LIMITS, DT_S)


@pytest.mark.parametrize("rad_s", [-2.0, 2.0])
def test_the_velocity_limit_itself_is_allowed(rad_s):
    assert stoppable(Motion(0.0, rad_s), LIMITS, DT_S)
    assert not stoppable(Motion(0.0, math.nextafter(rad_s, 2.0 * rad_s)), LIMITS, DT_S)


def test_what_is_wished_is_done_where_nothing_forbids_it():
    assert next_acceleration(Motion(0.0), 0.7, SLOW, SLOW_S) == 0.7
    assert next_acceleration(Motion(0.0), 7.0, SLOW, SLOW_S) == 1.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("rad", [0.892, 0.895, 0.9, 0.905, 0.91])
def test_in_front_of_a_limit_all_but_a_64th_of_what_can_be_stopped_is_used(sign, rad):
    motion = Motion(sign * rad, sign * 1.2)
    fullest = sign * LIMITS.jerk_rad_s3 * DT_S
    assert not stoppable(advance(motion, fullest, DT_S), LIMITS, DT_S)
    safest = stopping_acceleration(motion, LIMITS, DT_S)
    chosen = next_acceleration(motion, fullest, LIMITS, DT_S)
    assert stoppable(advance(motion, chosen, DT_S), LIMITS, DT_S)
    assert not stoppable(advance(motion, chosen + (fullest - safest) / 64.0, DT_S), LIMITS, DT_S)


def test_a_joint_that_cannot_stop_in_time_at_least_brakes():
    motion = Motion(0.99, 1.5)
    assert next_acceleration(motion, 9.0, LIMITS, DT_S) == stopping_acceleration(motion, LIMITS, DT_S)


# A^3 / J^2 is 1 rad: nearer than that the acceleration limit is not reached.
ROOMY = MotionLimits(-100.0, 100.0, velocity_rad_s=100.0, acceleration_rad_s2=4.0, jerk_rad_s3=8.0)


@pytest.mark.parametrize(
    ("distance", "speed"),
    [
        (0.125, 0.5),  # v^1.5 / sqrt(8) = 0.125
        (0.512, 1.28),
        (1.0, 2.0),  # v / 2 (v / 4 + 4 / 8) = 1, and v^1.5 / sqrt(8) = 1 too
        (3.0, 4.0),  # v / 2 (v / 4 + 4 / 8) = 3
        (-3.0, -4.0),
        (0.001, 0.01),  # a tenth of a second away
    ],
)
def test_a_distance_is_closed_as_fast_as_it_can_be_stopped(distance, speed):
    assert approach_velocity(distance, ROOMY, 0.01) == pytest.approx(speed, rel=1e-12)


def test_a_distance_is_closed_no_faster_than_the_limit_or_half_of_it_a_tick():
    assert approach_velocity(3.0, ROOMY._replace(velocity_rad_s=3.5), 0.01) == 3.5
    assert approach_velocity(0.001, ROOMY, 0.1) == pytest.approx(0.005)
    assert approach_velocity(0.001, ROOMY, 0.04) == pytest.approx(0.01)


def test_full_push_reaches_the_velocity_limit_and_stays_there():
    motion = Motion(-0.99)
    fastest = 0.0
    for _ in range(30):
        motion = advance(motion, next_acceleration(motion, 1e9, LIMITS, DT_S), DT_S)
        fastest = max(fastest, motion.velocity_rad_s)
    assert fastest == pytest.approx(LIMITS.velocity_rad_s, rel=0.02)


def test_full_push_ends_just_before_the_limit():
    motion = Motion(0.0)
    for _ in range(300):
        motion = advance(motion, next_acceleration(motion, 1e9, LIMITS, DT_S), DT_S)
    assert LIMITS.upper_rad - 0.05 < motion.position_rad <= LIMITS.upper_rad


def test_a_goal_velocity_is_reached_without_overshoot_and_without_acceleration_left():
    motion, seen = Motion(0.0), []
    for _ in range(40):
        motion = advance(motion, acceleration_towards(motion, 1.5, LIMITS, DT_S), DT_S)
        seen.append(motion.velocity_rad_s)
    assert max(seen) <= 1.5 + ROUNDING
    assert motion.velocity_rad_s == pytest.approx(1.5)
    assert motion.acceleration_rad_s2 == pytest.approx(0.0, abs=1e-9)


def test_stopping_takes_the_time_the_limits_allow_and_not_much_more():
    moving = Motion(0.0, velocity_rad_s=1.5)
    ideal_s = 1.5 / LIMITS.acceleration_rad_s2 + LIMITS.acceleration_rad_s2 / LIMITS.jerk_rad_s3
    assert (len(stop(moving, LIMITS, DT_S)) - 1) * DT_S <= ideal_s + 2 * DT_S


def test_moving_towards_a_limit_that_is_too_near_is_not_stoppable():
    assert not stoppable(Motion(0.95, velocity_rad_s=1.5), LIMITS, DT_S)
    assert stoppable(Motion(0.0, velocity_rad_s=1.5), LIMITS, DT_S)


def test_acceleration_that_would_carry_beyond_the_velocity_limit_is_not_stoppable():
    assert not stoppable(Motion(0.0, velocity_rad_s=1.9, acceleration_rad_s2=15.0), LIMITS, DT_S)


@given(st.floats(-3.0, 3.0))
def test_the_approach_velocity_points_at_the_goal_and_can_still_stop_there(distance):
    speed = approach_velocity(distance, LIMITS, DT_S)
    assert math.copysign(1.0, speed) == math.copysign(1.0, distance)
    assert abs(speed) <= LIMITS.velocity_rad_s
    travelled = stop(Motion(0.0, velocity_rad_s=abs(speed)), LIMITS, DT_S)[-1].position_rad
    assert travelled <= abs(distance) + abs(speed) * 2 * DT_S


def test_the_approach_velocity_is_continuous_where_its_formula_changes():
    border = LIMITS.acceleration_rad_s2**3 / LIMITS.jerk_rad_s3**2
    below = approach_velocity(border * (1 - 1e-9), LIMITS, 1e-4)
    assert approach_velocity(border * (1 + 1e-9), LIMITS, 1e-4) == pytest.approx(below, rel=1e-6)
