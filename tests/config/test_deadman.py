"""`motors.deadman`: to be written for the buses whose motors stop by themselves, and for no other."""

from __future__ import annotations

import pytest

from edgevla.config.load import load_robot
from edgevla.config.problems import ConfigError

MCU = {
    "motors.bus": "mcu",
    "joints.shoulder.zero_counts": "32768",
    "joints.elbow.zero_counts": "32768",
}


def refusal(robot_yaml, **motors):
    overrides = {f"motors.{key}": value for key, value in motors.items()}
    with pytest.raises(ConfigError) as caught:
        load_robot(robot_yaml, {**(MCU if motors.get("bus") == "mcu" else {}), **overrides})
    return str(caught.value)


@pytest.mark.parametrize("bus", ["dynamixel", "mcu"])
def test_a_bus_that_can_stop_by_itself_must_be_told_after_how_long(robot_yaml, bus):
    message = refusal(robot_yaml, bus=bus)
    assert message.startswith('robot.yaml:4: motors: "deadman" is missing; must be a number, a space and a unit')


def test_a_bus_that_cannot_must_not_be_promised_to(robot_yaml):
    assert 'got "100 ms"; must not be there: a motor of bus "feetech" does not stop by itself' in refusal(
        robot_yaml, deadman="100 ms"
    )


@pytest.mark.parametrize(
    ("bus", "deadman", "must"),
    [
        ("dynamixel", "0 ms", "must be above 0 ms and at most 500 ms"),
        ("mcu", "501 ms", "must be above 0 ms and at most 500 ms"),
        ("mcu", "40 ms", "must be above 40 ms, two ticks at 50 Hz"),
        ("dynamixel", "90 ms", "must be a multiple of 20 ms"),
        ("mcu", "60.5 ms", "must be a multiple of 1 ms"),
        ("mcu", "100", "must be a number, a space and a unit (ms or s)"),
    ],
)
def test_a_deadman_that_cannot_be_is_refused(robot_yaml, bus, deadman, must):
    assert must in refusal(robot_yaml, bus=bus, deadman=deadman)


@pytest.mark.parametrize(
    ("bus", "deadman", "deadman_s"),
    [("dynamixel", "60 ms", 0.06), ("dynamixel", "0.1 s", 0.1), ("mcu", "41 ms", 0.041)],
)
def test_the_deadman_is_in_seconds(robot_yaml, bus, deadman, deadman_s):
    overrides = {**(MCU if bus == "mcu" else {}), "motors.bus": bus, "motors.deadman": deadman}
    assert load_robot(robot_yaml, overrides).motors.deadman == pytest.approx(deadman_s)


def test_positions_of_an_mcu_are_fractions_of_a_turn_in_16_bits(robot_yaml):
    overrides = {**MCU, "motors.deadman": "100 ms", "joints.elbow.zero_counts": "2048"}
    with pytest.raises(ConfigError, match=r"what counts 0 to 65535 mean with zero_counts 2048"):
        load_robot(robot_yaml, overrides)
