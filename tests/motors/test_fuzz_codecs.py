"""A slice of the fuzz driver on every run of the tests, and proof that it would see a codec that believes too much."""

from types import SimpleNamespace

import pytest

from edgevla.motors import dynamixel, feetech, mcu_frame
from tests.motors.fuzz_codecs import Broken, fuzz
from tests.motors.fuzz_oracles import ORACLES

BY_NAME = {oracle.name: oracle for oracle in ORACLES}


@pytest.mark.parametrize("name", BY_NAME)
def test_whatever_comes_nothing_corrupt_is_taken_that_its_checksum_can_see(name):
    figures = fuzz(BY_NAME[name], 20_000, seed=7)
    assert figures["whole"] > 3_000
    assert figures["damaged"] > 10_000
    assert figures["replies"] > 3_000
    if name == "mcu":
        assert figures["damaged_taken"] == figures["damaged_replies_found"] == 0


def test_the_same_seed_gives_the_same_cases():
    first, second = (fuzz(BY_NAME["feetech"], 500, seed=3) for _ in range(2))
    assert {**first, "cases_per_s": 0} == {**second, "cases_per_s": 0}


@pytest.mark.parametrize(
    ("name", "module", "attribute", "value"),
    [
        ("feetech", feetech, "checksum", lambda body: 0),
        ("dynamixel", dynamixel, "crc16", lambda data: 0),
        ("mcu", mcu_frame, "zlib", SimpleNamespace(crc32=lambda data: 0)),
    ],
)
def test_a_wrong_checksum_is_seen(monkeypatch, name, module, attribute, value):
    monkeypatch.setattr(module, attribute, value)
    with pytest.raises(Broken, match="bad checksum"):
        fuzz(BY_NAME[name], 2_000, seed=1)


def test_a_parser_that_keeps_too_much_is_seen(monkeypatch):
    monkeypatch.setattr(feetech.ReplyParser, "_match", lambda self, head: None)
    with pytest.raises(Broken, match="keeps"):
        fuzz(BY_NAME["feetech"], 2_000, seed=1)


def test_a_crash_is_seen_with_its_bytes(monkeypatch):
    monkeypatch.setattr(dynamixel, "_open", lambda frame: frame[99])
    with pytest.raises(Broken, match="IndexError"):
        fuzz(BY_NAME["dynamixel"], 2_000, seed=1)
