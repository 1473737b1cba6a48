from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.config.units import AccelerationRadS2, AngleRad, JerkRadS3, Quantity, RateHz, SizeBytes, SpeedRadS, TimeS

KINDS = [AngleRad, SpeedRadS, AccelerationRadS2, JerkRadS3, TimeS, RateHz, SizeBytes]


CASES = [
    (AngleRad, "180 deg", math.pi),
    (AngleRad, "-1.5 rad", -1.5),
    (SpeedRadS, "90 deg/s", math.pi / 2),
    (SpeedRadS, "2 rad/s", 2.0),
    (AccelerationRadS2, "360 deg/s^2", math.tau),
    (AccelerationRadS2, "9 rad/s^2", 9.0),
    (JerkRadS3, "18000 deg/s^3", 100 * math.pi),
    (JerkRadS3, "300 rad/s^3", 300.0),
    (TimeS, "5 ms", 0.005),
    (TimeS, "1.5 s", 1.5),
    (RateHz, "50 Hz", 50.0),
    (SizeBytes, "250 MB", 250_000_000.0),
    (SizeBytes, "2 GB", 2_000_000_000.0),
    (SizeBytes, "1 TB", 1_000_000_000_000.0),
    (AngleRad, "  1e2   deg ", math.radians(100)),
]


@pytest.mark.parametrize(("kind", "text", "si"), CASES)
def test_every_unit_becomes_si(kind, text, si):
    value = kind.parse(text)
    assert type(value) is kind
    assert value == pytest.approx(si, rel=1e-15)


def test_the_cases_above_name_every_unit():
    assert {(kind, text.split()[1]) for kind, text, _ in CASES} == {
        (kind, unit) for kind in KINDS for unit in kind.units
    }


@pytest.mark.parametrize("raw", ["120", "deg/s", "", "120deg/s", "fast deg/s", "1,5 deg/s", 120, 1.5, True, None, []])
def test_anything_but_number_space_unit_is_refused_with_an_example(raw):
    with pytest.raises(ValueError, match=r'^must be a number, .* unit \(deg/s or rad/s\), such as "1\.5 deg/s"$'):
        SpeedRadS.parse(raw)


@pytest.mark.parametrize("text", ["2 m/s", "2 deg", "2 Deg/s", "2 deg/s^2", "2 deg / s"])
def test_a_foreign_unit_is_named(text):
    with pytest.raises(ValueError, match=r"must be in deg/s or rad/s, not in "):
        SpeedRadS.parse(text)


@pytest.mark.parametrize("text", ["nan deg", "inf deg", "-inf deg", "1e999 deg"])
def test_what_is_not_finite_is_refused(text):
    with pytest.raises(ValueError, match="must be finite"):
        AngleRad.parse(text)


@given(st.sampled_from(KINDS), st.integers(-999_999, 999_999))
def test_written_is_read_back(kind: type[Quantity], number: int):
    value = kind.parse(f"{number} {next(iter(kind.units))}")
    assert value.written() == f"{number} {next(iter(kind.units))}"
    assert kind.parse(value.written()) == value
