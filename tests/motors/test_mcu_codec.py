"""EdgeVLA MCU protocol 1 by its specification, mcu.md: frames, messages, and a parser that believes nothing.

mcu_vectors.json is for firmware too; how its frames were made stands in it.
"""

import contextlib
import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgevla.motors import mcu, mcu_frame
from edgevla.motors.mcu import CONTROLLER, Kind, Message, MessageError, Virtual, Write
from edgevla.motors.mcu_frame import AnswerParser, Frame, FrameError

VECTORS = json.loads(Path(__file__).with_name("mcu_vectors.json").read_text())

tags = st.integers(0, 0xFFFF)
payloads = st.one_of(
    st.binary(max_size=mcu_frame.MAX_PAYLOAD_BYTES),
    st.lists(st.sampled_from([0, 1, 255]), max_size=60).map(bytes),
)
goals = st.dictionaries(st.integers(0, 252), st.integers(0, 0xFFFF), min_size=1, max_size=mcu.MAX_JOINTS)


def ack(tag, request=Kind.COMMAND, result=0, accepted=0, version=1):
    return mcu_frame.pack(Frame(version, Kind.ACK, tag, struct.pack("<BBH", request, result, accepted)))


def parse(tag, *pieces, kinds=(Kind.ACK,)):
    parser = AnswerParser(kinds, tag, mcu.ACK_BYTES + mcu_frame.OVERHEAD_BYTES)
    for piece in pieces:
        parser.feed(piece)
    return parser


# Frames


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda vector: vector["name"])
def test_frames_are_those_of_the_specification(vector):
    frame = Frame(vector["version"], vector["kind"], vector["tag"], bytes.fromhex(vector["payload"]))
    assert mcu_frame.pack(frame).hex() == vector["wire"]
    assert mcu_frame.unpack(bytes.fromhex(vector["wire"])) == frame


def requests():
    return {
        "hello": mcu.HELLO,
        "look": mcu.LOOK,
        "command to two joints": mcu.command(1, 100, {1: 0x8000, 2: 0x8084}),
        "command full of zeros": mcu.command(0, 256, {0: 0, 1: 0}),
        "torque on": mcu.torque(True),
        "torque off": mcu.torque(False),
        "clear": mcu.CLEAR,
    }


@pytest.mark.parametrize("name", requests())
def test_requests_are_those_of_the_specification(name):
    vector = next(each for each in VECTORS["frames"] if each["name"] == name)
    assert requests()[name] == Message(vector["kind"], bytes.fromhex(vector["payload"]))


def test_the_numbers_that_firmware_is_written_with_are_those_of_the_specification():
    assert (mcu_frame.VERSION, mcu.MAX_JOINTS, mcu.MAX_TTL_MS, mcu.COUNTS_PER_TURN) == (1, 16, 500, 65536)
    assert [each.value for each in mcu.Flag] == [each.value for each in mcu.Fault] + [8] == [1, 2, 4, 8]
    assert [each.value for each in mcu.Result] == list(range(11))
    assert [each.value for each in Virtual] == [0, 16, 18, 20, 21]


@pytest.mark.parametrize("vector", VECTORS["damaged"], ids=lambda vector: vector["name"])
def test_damage_is_seen(vector):
    wire = bytes.fromhex(vector["wire"])
    with pytest.raises(FrameError):
        mcu_frame.unpack(wire)
    parser = parse(7, wire, kinds=tuple(range(256)))
    assert parser.answer is None
    assert parser.discarded_bytes == len(wire) - 2


@given(st.integers(0, 255), st.integers(0, 255), tags, payloads)
@example(1, 2, 0x0101, b"\1" * 245)
@example(0, 0, 0, bytes(245))
@example(1, 1, 1, b"")
def test_a_frame_comes_back_as_it_went(version, kind, tag, payload):
    frame = Frame(version, kind, tag, payload)
    wire = mcu_frame.pack(frame)
    assert wire[0] == wire[-1] == 0
    assert 0 not in wire[1:-1]
    assert len(wire) == len(payload) + mcu_frame.OVERHEAD_BYTES
    assert mcu_frame.unpack(wire) == frame


def test_a_payload_that_is_too_long_is_refused():
    with pytest.raises(ValueError) as refused:
        mcu_frame.pack(Frame(1, 1, 1, bytes(246)))
    assert str(refused.value) == "a payload of 246 bytes, 245 allowed"


COMMAND = mcu_frame.pack(Frame(1, Kind.COMMAND, 5, mcu.command(300, 100, {1: 32768, 2: 0, 3: 257}).payload))


@given(st.integers(0, len(COMMAND) - 1), st.integers(0, 7))
def test_no_single_flipped_bit_goes_unnoticed(byte, bit):
    wire = bytearray(COMMAND)
    wire[byte] ^= 1 << bit
    with pytest.raises(FrameError):
        mcu_frame.unpack(bytes(wire))


@given(st.binary(max_size=12), st.integers(0, len(COMMAND) - 1))
def test_only_exactly_one_frame_is_a_frame(extra, cut):
    for other in (COMMAND + extra, extra + COMMAND, COMMAND + COMMAND, COMMAND[:cut], COMMAND[cut:]):
        if other != COMMAND:
            with pytest.raises(FrameError):
                mcu_frame.unpack(other)


def crc_behind(body):
    return body + struct.pack("<I", zlib.crc32(body))


def test_a_zero_inside_a_frame_is_no_frame_even_if_the_crc_fits():
    body = crc_behind(struct.pack("<BBH", 1, Kind.LOOK, 5))
    assert mcu_frame.unpack(b"\0" + b"\4" + body[:3] + bytes((len(body) - 3,)) + body[4:] + b"\0").tag == 5
    for uncoded in (body, crc_behind(struct.pack("<BBH", 0, Kind.LOOK, 0x0505))):  # a receiver would end it at the zero
        with pytest.raises(FrameError) as refused:
            mcu_frame.unpack(b"\0" + bytes((len(uncoded) + 1,)) + uncoded + b"\0")
        assert str(refused.value) == "bad COBS"


LOOK = mcu_frame.pack(Frame(1, Kind.LOOK, 0x0505, b""))


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (LOOK[:-2] + b"\0", "not one frame between two zeros"),  # too short for a head and a CRC
        (b"\1" + LOOK[1:], "not one frame between two zeros"),
        (LOOK[:-1] + b"\1", "not one frame between two zeros"),
        (b"\0" + bytes((LOOK[1] + 1,)) + LOOK[2:], "bad COBS"),  # a run beyond the end
        (LOOK[:-2] + bytes((LOOK[-2] ^ 0x80, 0)), "bad CRC"),
        (b"\0" + b"\1" * 255 + b"\0", "255 bytes are no frame"),
        (b"\0" + b"\1" * 254 + b"\0", "bad CRC"),
    ],
)
def test_bytes_that_are_no_frame_are_told_apart(wire, why):
    with pytest.raises(FrameError) as refused:
        mcu_frame.unpack(wire)
    assert str(refused.value) == why


@given(st.binary(max_size=300))
def test_any_bytes_are_either_a_frame_or_a_frame_error(data):
    with contextlib.suppress(FrameError):
        mcu_frame.unpack(b"\0" + data + b"\0")


# Requests, and what they do


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), goals)
def test_all_that_a_command_does_is_visible(sequence, ttl_ms, goals):
    writes = mcu.writes_in(mcu.command(sequence, ttl_ms, goals))
    assert {(each.device, each.address): int.from_bytes(each.data, "little") for each in writes} == {
        (CONTROLLER, Virtual.SEQUENCE): sequence,
        (CONTROLLER, Virtual.TTL_MS): ttl_ms,
        **{(device, Virtual.GOAL): goal for device, goal in goals.items()},
    }
    assert all(len(each.data) == 2 for each in writes)


def test_torque_and_clear_are_visible_too():
    assert CONTROLLER == 255, "no joint can have it: a joint's id is at most 252"
    assert Write(252, Virtual.GOAL, b"\7\0") in mcu.writes_in(mcu.command(1, 100, {252: 7}))
    assert mcu.writes_in(mcu.torque(True)) == (Write(CONTROLLER, Virtual.TORQUE, b"\1"),)
    assert mcu.writes_in(mcu.torque(False)) == (Write(CONTROLLER, Virtual.TORQUE, b"\0"),)
    assert mcu.writes_in(mcu.CLEAR) == (Write(CONTROLLER, Virtual.CLEAR, b"\1"),)


def test_asking_does_nothing():
    assert mcu.writes_in(mcu.HELLO) == mcu.writes_in(mcu.LOOK) == ()


@pytest.mark.parametrize("count", [0, 17])
def test_a_command_is_for_one_to_sixteen_joints(count):
    with pytest.raises(ValueError) as refused:
        mcu.command(1, 100, dict.fromkeys(range(count), 32768))
    assert str(refused.value) == f"a command is for 1 .. 16 joints, not for {count}"


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {1, 2, 3, 4, 5}))
def test_an_unknown_kind_is_no_request(kind):
    with pytest.raises(MessageError) as refused:
        mcu.writes_in(Message(kind, b""))
    assert str(refused.value) == f"kind {kind:#04x} with 0 bytes is no request"


@pytest.mark.parametrize(
    ("kind", "payload", "why"),
    [
        (1, b"\0", "kind 0x01 with 1 bytes is no request"),
        (2, b"\0", "kind 0x02 with 1 bytes is no request"),
        (4, b"", "kind 0x04 with 0 bytes is no request"),
        (4, b"\2", "kind 0x04 with 1 bytes is no request"),
        (4, b"\1\1", "kind 0x04 with 2 bytes is no request"),
        (5, b"\1", "kind 0x05 with 1 bytes is no request"),
        (3, b"", "0 bytes for 0 joints"),
        (3, b"\1\1\1\1", "4 bytes for 0 joints"),
        (3, struct.pack("<HHB", 1, 100, 0), "5 bytes for 0 joints"),
        (3, struct.pack("<HHB", 1, 100, 1), "5 bytes for 1 joints"),
        (3, struct.pack("<HHBBH", 1, 100, 1, 1, 0) + b"\0", "9 bytes for 1 joints"),
        (3, struct.pack("<HHBBH", 1, 100, 2, 1, 0), "8 bytes for 2 joints"),
        (3, struct.pack("<HHB", 1, 100, 17) + bytes(range(51)), "56 bytes for 17 joints"),
        (3, struct.pack("<HHBBHBH", 1, 100, 2, 1, 0, 1, 0), "a joint is named twice, or has no id"),
        (3, struct.pack("<HHBBHBH", 1, 100, 2, 255, 0, 1, 0), "a joint is named twice, or has no id"),  # the controller
        (
            3,
            struct.pack("<HHBBHBH", 1, 100, 2, 253, 0, 1, 0),
            "a joint is named twice, or has no id",
        ),  # the first too large
    ],
)
def test_a_request_of_the_wrong_form_is_none(kind, payload, why):
    with pytest.raises(MessageError) as refused:
        mcu.writes_in(Message(kind, payload))
    assert str(refused.value) == why


# Answers

INFO = struct.pack("<HBBHB", 7, 1, 2, 500, 1) + struct.pack("<BHHII", 3, 1024, 64511, 125_161, 1_043_014)
STATE = struct.pack("<HBBHB", 9, 3, 7, 12_000, 1) + struct.pack("<BHihBB", 3, 32_768, -70_000, -350, 31, 1)


def test_an_info_is_read():
    info = mcu.read_info(INFO)
    assert (info.model, info.firmware, info.max_ttl_ms) == (7, (1, 2), 500)
    assert info.joints == (mcu.JointLimits(3, 1024, 64511, 125_161, 1_043_014),)
    assert len(INFO) == mcu.LEAST_INFO_BYTES


def test_a_state_is_read():
    state = mcu.read_state(STATE)
    assert state[:4] == (9, mcu.Flag.TORQUE_ON | mcu.Flag.EXPIRED, mcu.Result.BEYOND_LIMITS, 12_000)
    assert state.joints == (mcu.JointReading(3, 32_768, -70_000, -350, 31, mcu.Fault.TEMPERATURE),)
    assert mcu.state_bytes(1) == len(STATE)


def test_an_ack_is_read():
    assert mcu.read_ack(b"\3\5\x39\x30") == mcu.Ack(Kind.COMMAND, mcu.Result.OLD_SEQUENCE, 12345)


@pytest.mark.parametrize("read", [mcu.read_ack, mcu.read_info, mcu.read_state])
@pytest.mark.parametrize("payload", [b"", INFO[:-1], INFO + b"\0", STATE[:6], b"\0" * 5, bytes(200)])
def test_an_answer_of_the_wrong_form_is_none(read, payload):
    with pytest.raises(MessageError):
        read(payload)


def test_an_ack_of_the_wrong_form_is_told_by_its_size():
    with pytest.raises(MessageError) as refused:
        mcu.read_ack(b"\3\5\x39")
    assert str(refused.value) == "an ACK of 3 bytes"


def test_results_have_words_even_those_of_a_newer_firmware():
    assert mcu.result_words(mcu.Result.TORQUE_IS_OFF) == "its torque is off"
    assert mcu.result_words(99) == "result 99"


# The parser


@given(tags, st.data())
def test_an_answer_comes_through_in_pieces_of_any_size(tag, data):
    stream = ack(tag, accepted=tag)
    parser = parse(tag)
    while stream:
        assert 0 < parser.missing_bytes <= len(stream)  # never waits for more than will come
        size = data.draw(st.integers(1, len(stream)))
        parser.feed(stream[:size])
        stream = stream[size:]
    assert parser.answer == Frame(1, Kind.ACK, tag, struct.pack("<BBH", 3, 0, tag))
    assert parser.missing_bytes == parser.discarded_bytes == 0


@given(st.binary(max_size=600))
def test_a_good_answer_is_found_behind_any_noise(noise):
    assert parse(7, noise, ack(7)).answer is not None


@pytest.mark.parametrize(
    "stale",
    [
        ack(6),  # of an earlier question
        mcu_frame.pack(Frame(1, Kind.STATE, 7, STATE)),  # of another kind
        mcu_frame.pack(Frame(1, Kind.COMMAND, 7, b"")),  # our own request, echoed
    ],
)
def test_an_answer_to_another_question_is_not_taken(stale):
    assert parse(7, stale).answer is None
    assert parse(7, stale, ack(7)).answer is not None
    assert parse(7, stale).discarded_bytes == 0, "it is no noise"


def test_the_first_answer_counts():
    assert parse(7, ack(7, accepted=1) + ack(7, accepted=2)).answer.payload[2:] == b"\1\0"


def test_an_answer_of_another_version_is_let_through_for_its_number():
    assert parse(7, ack(7, version=2)).answer.version == 2


def test_at_least_one_more_byte_is_waited_for_until_the_answer_is_there():
    longer = mcu_frame.pack(Frame(1, Kind.STATE, 7, STATE))
    parser = parse(7, longer[:-1], kinds=(Kind.STATE,))
    assert (parser.answer, parser.missing_bytes) == (None, 1)


def test_the_zero_in_front_of_an_answer_may_be_lost():
    assert parse(7, ack(7)[1:]).answer is not None


@given(st.integers(0, 14), st.integers(0, 7))
def test_an_answer_with_a_flipped_bit_is_refused(byte, bit):
    damaged = bytearray(ack(7, accepted=0x1234))
    damaged[byte] ^= 1 << bit
    parser = parse(7, bytes(damaged))
    assert parser.answer is None or byte in {0, 14}  # the zero in front is a courtesy, damage behind came too late


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_whatever_comes_less_than_one_frame_is_kept(pieces):
    parser = parse(7)
    for piece in pieces:
        parser.feed(piece)
        assert len(parser._pending) <= 254


def test_what_is_longer_than_any_frame_is_skipped_to_its_end():
    parser = parse(7, *[b"\1" * 100] * 20)
    assert len(parser._pending) <= 254
    parser.feed(b"\1\0")
    assert parser.discarded_bytes == 2001
    parser.feed(ack(7))
    assert parser.answer is not None


def test_the_longest_frame_is_not_yet_too_long():
    longest = mcu_frame.pack(Frame(1, Kind.STATE, 7, bytes(mcu_frame.MAX_PAYLOAD_BYTES)))
    assert parse(7, longest[:200], longest[200:], kinds=(Kind.STATE,)).answer is not None


def test_the_end_of_what_is_too_long_is_no_answer_whatever_it_looks_like():
    parser = parse(7, b"\1" * 255, ack(7)[1:])
    assert parser.answer is None
    assert parser.discarded_bytes == 255 + len(ack(7)) - 2


def test_the_bytes_of_all_damaged_frames_are_counted():
    damaged = ack(7)[:-2] + bytes((ack(7)[-2] ^ 0x80, 0))
    assert parse(7, damaged, damaged).discarded_bytes == 2 * (len(damaged) - 2)


def test_the_specification_s_crc_is_zlib_s():
    assert zlib.crc32(b"123456789") == 0xCBF43926
