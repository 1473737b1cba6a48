"""Fields of the register table: least significant byte first, sign and magnitude where the servo has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.motors import sts3215
from edgevla.motors.sts3215 import Register


@given(st.integers(-32767, 32767))
def test_a_signed_field_is_read_back_as_packed(value):
    packed = sts3215.PRESENT_SPEED.pack(value)
    assert sts3215.PRESENT_SPEED.unpack(packed, sts3215.PRESENT_SPEED.address) == value


def test_the_sign_is_a_bit_not_a_complement():
    assert sts3215.PRESENT_SPEED.pack(-1) == b"\x01\x80"
    assert sts3215.PRESENT_LOAD.unpack(b"\x05\x04", sts3215.PRESENT_LOAD.address) == -5


def test_a_field_is_found_inside_a_block():
    block = bytes(range(56, 72))
    assert sts3215.PRESENT_TEMPERATURE.unpack(block, 56) == 63
    assert sts3215.PRESENT_POSITION.unpack(block, 56) == 56 + 57 * 256


@pytest.mark.parametrize(
    ("register", "value"),
    [(sts3215.TORQUE_ENABLE, 256), (sts3215.TORQUE_ENABLE, -1), (sts3215.GOAL_POSITION, 1 << 15)],
)
def test_what_does_not_fit_is_refused(register, value):
    with pytest.raises(OverflowError):
        register.pack(value)


def test_no_two_fields_overlap():
    fields = [each for each in vars(sts3215).values() if isinstance(each, Register)]
    addresses = [address for field in fields for address in range(field.address, field.end)]
    assert len(addresses) == len(set(addresses))
    assert max(addresses) < sts3215.TABLE_BYTES
