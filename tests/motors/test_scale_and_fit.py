"""Counts of the Dynamixel X and the MCU protocol, their registers, and what a joint must be like to be driven."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.config.units import AngleRad
from edgevla.motors import x_series
from edgevla.motors.errors import GoalInvalid, ServoRefused
from edgevla.motors.fit import refuse_narrow, refuse_outside
from edgevla.motors.scale import CountScale
from tests.motors.fakes import joint

SCALES = [CountScale(4096), CountScale(65536)]
scales = pytest.mark.parametrize("scale", SCALES, ids=lambda scale: str(scale.per_turn))


def middle(scale, **changes):
    return joint("pan", 1, zero_counts=scale.per_turn // 2, **changes)


@scales
@pytest.mark.parametrize("sign", [1, -1])
def test_a_quarter_turn_is_a_quarter_of_the_counts(scale, sign):
    quarter = scale.per_turn // 4
    assert scale.goal(middle(scale, sign=sign), math.pi / 2) == scale.per_turn // 2 + sign * quarter
    assert scale.angle_rad(middle(scale, sign=sign), scale.per_turn // 2 + quarter) == pytest.approx(sign * math.pi / 2)
    assert scale.speed_rad_s(middle(scale, sign=sign), quarter) == pytest.approx(sign * math.pi / 2)


@given(st.sampled_from(SCALES), st.sampled_from([1, -1]), st.floats(-3.0, 3.0))
def test_an_angle_comes_back_within_half_a_count(scale, sign, angle):
    each = middle(scale, sign=sign)
    assert scale.angle_rad(each, scale.goal(each, angle)) == pytest.approx(angle, abs=0.5 / scale.per_rad + 1e-12)


@scales
@pytest.mark.parametrize(("goal", "why"), [(math.nan, "not finite"), (math.inf, "not finite"), (3.2, "outside 0 .. ")])
def test_an_angle_that_cannot_be_counted_is_refused(scale, goal, why):
    with pytest.raises(GoalInvalid, match=rf"^pan: the goal {goal:.3g}.*{why}"):
        scale.goal(middle(scale), goal)


@scales
def test_a_goal_for_each_joint(scale):
    assert scale.goals((middle(scale), middle(scale)), (0.0, 0.0)) == (scale.per_turn // 2,) * 2
    with pytest.raises(GoalInvalid, match="3 goals for 1 joints"):
        scale.goals((middle(scale),), (0.0, 0.0, 0.0))


@scales
def test_the_envelope_is_rounded_inwards(scale):
    each = middle(scale)
    low, high = scale.envelope(each)
    assert each.position_hard[0] <= scale.angle_rad(each, low) < each.position_hard[0] + 1 / scale.per_rad
    assert each.position_hard[1] - 1 / scale.per_rad < scale.angle_rad(each, high) <= each.position_hard[1]


@scales
@pytest.mark.parametrize("changes", [{"zero_counts": 100}, {"zero_counts": 100, "sign": -1}])
def test_an_envelope_that_cannot_be_counted_is_refused(scale, changes):
    with pytest.raises(ServoRefused, match=r"pan: position_hard is .* counts at zero_counts 100"):
        scale.envelope(joint("pan", 1, **changes))


@scales
def test_a_joint_that_stands_outside_is_refused_by_name_one_at_the_edge_is_not(scale):
    each = middle(scale)
    for standing in (-2.0 + 0.6 / scale.per_rad, 0.0, 1.5 - 0.6 / scale.per_rad):
        refuse_outside(scale, each, standing)
    for standing in (-2.01, 1.51, 4.0):
        with pytest.raises(ServoRefused, match=r"pan stands at .* outside its position_hard -114\.592 \.\. 85\.94"):
            refuse_outside(scale, each, standing)


@scales
def test_a_device_must_leave_room_for_every_plan(scale):
    each = middle(scale, position_soft=(AngleRad(-1.0), AngleRad(1.0)))
    refuse_narrow(scale, each, (-1.0, 1.0))
    refuse_narrow(scale, each, (-1.0 + 0.4 / scale.per_rad, 1.0))
    for limits in ((-0.9, 1.0), (-1.0, 0.9)):
        with pytest.raises(ServoRefused, match="pan: the device's own limits"):
            refuse_narrow(scale, each, limits)


# The registers of Dynamixel X


REGISTERS = {name: value for name, value in vars(x_series).items() if isinstance(value, x_series.Register)}


@pytest.mark.parametrize("name", REGISTERS)
def test_a_register_gives_back_what_was_put_in(name):
    register = REGISTERS[name]
    bits = 8 * register.length - register.signed
    for value in (0, 1, (1 << bits) - 1, *((-1, -(1 << bits)) if register.signed else ())):
        block = b"\xaa" * 3 + register.pack(value)
        assert register.unpack(block, register.address - 3) == value
    with pytest.raises(OverflowError):
        register.pack(1 << bits)


def test_registers_do_not_overlap():
    ordered = sorted(REGISTERS.values())
    assert all(first.end <= second.address for first, second in itertools.pairwise(ordered))
    assert ordered[-1].end == x_series.TABLE_BYTES
