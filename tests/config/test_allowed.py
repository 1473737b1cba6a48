from __future__ import annotations

import math

import pytest

from edgevla.config.allowed import Pattern, rule_of, within

DEG = math.pi / 180.0


@pytest.mark.parametrize(
    ("degrees", "inside"), [(10.0, True), (90.0, True), (9.9, False), (90.1, False), (-50.0, False)]
)
def test_bounds_are_in_the_unit_they_name(degrees, inside):
    rule = rule_of(within(at_least=10, at_most=90, unit="deg").extra)
    assert str(rule) == "at least 10 deg and at most 90 deg"
    assert rule.allows(degrees * DEG, DEG) is inside


def test_above_leaves_the_bound_itself_out():
    rule = rule_of(within(above=0).extra)
    assert str(rule) == "above 0"
    assert not rule.allows(0.0, 1.0)
    assert rule.allows(5e-324, 1.0)


def test_a_pattern_must_match_the_whole_text_and_hold_no_control_characters():
    pattern = Pattern(".*a", "text that ends in a")
    assert pattern.allows("ba")
    assert not pattern.allows("bab")
    assert not pattern.allows("\x1ba")
