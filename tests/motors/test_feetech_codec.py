"""The Feetech codec by its contract: frames as the manual writes them, and a parser that believes nothing."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.motors import feetech
from edgevla.motors.feetech import FrameError, Reply, ReplyParser, Write

ids = st.integers(0, feetech.MAX_ID)
addresses = st.integers(0, 255)
payloads = st.binary(max_size=40)


def framed(body):
    """The manual's frame around id, length, instruction and parameters, without the codec's help."""
    return b"\xff\xff" + bytes(body) + bytes((255 - sum(body) % 256,))


def reply(device, data=b"", error=0):
    body = bytes((device, len(data) + 2, error)) + data
    return framed(body)


def parse(devices, length, *pieces):
    parser = ReplyParser(devices, length)
    for piece in pieces:
        parser.feed(piece)
    return parser


# Requests


@pytest.mark.parametrize(
    ("build", "wire"),
    [
        (lambda: feetech.ping(1), "ff ff 01 02 01 fb"),
        (lambda: feetech.read(1, 56, 2), "ff ff 01 04 02 38 02 be"),
        (lambda: feetech.write(1, 42, b"\x00\x08"), "ff ff 01 05 03 2a 00 08 c4"),
        (lambda: feetech.sync_read((1, 2), 56, 8), "ff ff fe 06 82 38 08 01 02 36"),
        (lambda: feetech.sync_write(40, {1: b"\x01", 2: b"\x00"}), "ff ff fe 08 83 28 01 01 01 02 00 49"),
    ],
)
def test_requests_are_written_as_the_protocol_says(build, wire):
    assert build() == bytes.fromhex(wire)


def test_the_frames_of_a_tick_have_the_size_that_wire_time_is_planned_with():
    assert len(feetech.sync_write(42, dict.fromkeys(range(1, 7), b"\0\0"))) == 26
    assert len(feetech.sync_read(range(1, 7), 56, 2)) + 6 * len(reply(1, b"\0\0")) == 62


@pytest.mark.parametrize("device", [-1, 254, 255])
def test_a_request_goes_to_a_servo_not_to_everybody(device):
    with pytest.raises(ValueError) as refused:
        feetech.write(device, 40, b"\x01")
    assert str(refused.value) == f"servo id {device} is outside 0 .. 253"


@pytest.mark.parametrize("device", [0, 253])
def test_the_first_and_the_last_id_are_servos(device):
    assert feetech.ping(device)[2] == device


def test_the_length_byte_never_looks_like_a_header_or_a_broadcast():
    assert feetech.write(1, 0, bytes(249))[3] == 252
    with pytest.raises(ValueError) as refused:
        feetech.write(1, 0, bytes(250))
    assert str(refused.value) == "251 parameters do not fit into one frame"


@pytest.mark.parametrize(("data", "lengths"), [({1: b"\0\0", 2: b"\0"}, "[1, 2]"), ({}, "[]")])
def test_a_sync_write_has_one_length(data, lengths):
    with pytest.raises(ValueError) as refused:
        feetech.sync_write(42, data)
    assert str(refused.value) == f"a sync write needs data of one length, not of {lengths}"


# What a frame writes


@given(ids, addresses, st.binary(min_size=1, max_size=40))
def test_a_write_is_read_back_as_it_was_meant(device, address, data):
    assert feetech.writes_in(feetech.write(device, address, data)) == (Write(device, address, data),)


@given(addresses, st.dictionaries(ids, st.binary(min_size=3, max_size=3), min_size=1, max_size=20))
def test_a_sync_write_is_read_back_device_by_device(address, data):
    writes = feetech.writes_in(feetech.sync_write(address, data))
    assert writes == tuple(Write(device, address, each) for device, each in data.items())


def test_reading_writes_nothing():
    for frame in (feetech.ping(3), feetech.read(3, 0, 86), feetech.sync_read((1,), 56, 4)):
        assert feetech.writes_in(frame) == ()


def test_a_broadcast_write_names_the_broadcast_id_so_that_no_list_can_miss_it():
    body = bytes((feetech.BROADCAST, 4, feetech.Instruction.WRITE, 40, 1))
    frame = framed(body)
    assert feetech.writes_in(frame) == (Write(feetech.BROADCAST, 40, b"\x01"),)


@pytest.mark.parametrize("instruction", sorted(set(range(256)) - {*feetech.Instruction}))
def test_an_unknown_instruction_is_no_frame(instruction):
    body = bytes((1, 4, instruction, 40, 1))
    with pytest.raises(FrameError, match="not known"):
        feetech.writes_in(framed(body))


@pytest.mark.parametrize(
    ("device", "instruction", "parameters", "why"),
    [
        (1, 0x83, (40, 1, 1, 0), "instruction 0x83 to 1 with 4 parameters is not known"),  # a sync write to one servo
        (1, 0x82, (56, 4, 1, 2), "instruction 0x82 to 1 with 4 parameters is not known"),  # a sync read from one servo
        (0xFE, 0x82, (56, 4), "instruction 0x82 to 254 with 2 parameters is not known"),  # a sync read from nobody
        (0xFE, 0x83, (42, 2), "instruction 0x83 to 254 with 2 parameters is not known"),  # a sync write to nobody
        (1, 0x03, (40,), "instruction 0x03 to 1 with 1 parameters is not known"),  # a write of nothing
        (1, 0x01, (40,), "instruction 0x01 to 1 with 1 parameters is not known"),  # a ping with parameters
        (1, 0x02, (40, 1, 1), "instruction 0x02 to 1 with 3 parameters is not known"),  # a read with too many
        (0xFE, 0x83, (42, 2, 1, 0, 8, 9), "a sync write of 2 bytes each does not divide 4"),
        (0xFE, 0x83, (42, 0, 1), "a sync write of 0 bytes each does not divide 1"),
        (0xFE, 0x83, (40, 1, 1, 0, 1, 1), "a sync write names a device twice"),
        (0xFF, 0x03, (40, 1), "no frame starts here"),  # no id
    ],
)
def test_a_malformed_request_is_no_frame(device, instruction, parameters, why):
    body = bytes((device, len(parameters) + 2, instruction, *parameters))
    with pytest.raises(FrameError) as refused:
        feetech.writes_in(framed(body))
    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        ("ff ff 01 02 01", "no frame starts here"),
        ("ff fe 01 02 01 fb", "no frame starts here"),
        ("ff ff 01 02 01 fa", "bad checksum"),
        ("ff ff 01 03 01 fa", "length byte 3 in 6 bytes, not exactly one frame"),
        ("ff ff 01 02 01 fb 00", "length byte 2 in 7 bytes, not exactly one frame"),
    ],
)
def test_bytes_that_are_no_frame_are_told_apart(wire, why):
    with pytest.raises(FrameError) as refused:
        feetech.writes_in(bytes.fromhex(wire))
    assert str(refused.value) == why


@given(st.integers(0, 25), st.integers(0, 7))
def test_no_single_flipped_bit_goes_unnoticed(byte, bit):
    frame = bytearray(feetech.sync_write(42, dict.fromkeys(range(1, 7), b"\x12\x07")))
    frame[byte] ^= 1 << bit
    with pytest.raises(FrameError):
        feetech.writes_in(bytes(frame))


@given(st.binary(max_size=12), st.integers(0, 9))
def test_only_exactly_one_frame_is_a_frame(extra, cut):
    frame = feetech.write(1, 42, b"\x00\x08")
    for other in (frame + extra, extra + frame, frame[:cut]):
        if other != frame:
            with pytest.raises(FrameError):
                feetech.writes_in(other)


@given(st.binary(max_size=64))
def test_any_bytes_are_either_a_frame_or_a_frame_error(data):
    with contextlib.suppress(FrameError):
        feetech.writes_in(data)


# Replies


@given(st.lists(ids, unique=True, min_size=1, max_size=8), st.integers(0, 12), st.data())
def test_replies_come_through_in_pieces_of_any_size(devices, length, data):
    payload = {device: data.draw(st.binary(min_size=length, max_size=length)) for device in devices}
    stream = b"".join(reply(device, payload[device], error=device & 0x3F) for device in devices)
    parser = ReplyParser(devices, length)
    assert parser.missing_bytes == len(stream)
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        parser.feed(stream[:size])
        stream = stream[size:]
        assert parser.missing_bytes == len(stream)
    assert not parser.missing
    assert parser.discarded_bytes == 0
    assert parser.replies == {device: Reply(device, device & 0x3F, payload[device]) for device in devices}


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_good_reply_is_found_behind_any_noise(before, between):
    silence = b"\0" * 8  # noise may end like the reply begins; a reply length later that has shown itself
    parser = parse((7, 8), 2, before + silence + reply(7, b"ab"), between + silence + reply(8, b"cd"))
    assert parser.replies == {7: Reply(7, 0, b"ab"), 8: Reply(8, 0, b"cd")}


def test_noise_is_counted():
    parser = parse((1,), 2, b"\x00\xff\xff\x13", reply(1, b"ab"), b"tail")
    assert parser.replies[1].data == b"ab"
    assert parser.discarded_bytes == 8


@pytest.mark.parametrize(
    "noise",
    [
        "ff fe",
        "ff ff 02",  # the id tells
        "ff ff 01 05",  # the length byte tells
        "ff ff 01 04 00 61 62 00",  # only the checksum tells
    ],
)
def test_noise_is_dropped_and_counted_as_soon_as_it_shows(noise):
    parser = parse((1,), 2, bytes.fromhex(noise))
    assert parser.discarded_bytes == len(bytes.fromhex(noise))
    assert parser.missing_bytes == 8


def test_a_third_header_byte_is_noise_too():
    assert parse((1,), 1, b"\xff", reply(1, b"a")).replies[1].data == b"a"


@given(st.integers(0, 9), st.integers(0, 7))
def test_a_reply_with_a_flipped_bit_is_refused(byte, bit):
    damaged = bytearray(reply(5, b"\x01\x02\x03\x04"))
    damaged[byte] ^= 1 << bit
    parser = parse((5,), 4, bytes(damaged))
    assert not parser.replies
    assert parser.missing == (5,)


@pytest.mark.parametrize(
    "stale",
    [
        reply(2, b"ab"),  # another servo
        reply(1, b"abcd"),  # an answer to a longer question
        reply(1, b""),  # an acknowledgement
    ],
)
def test_an_answer_to_another_question_is_not_taken(stale):
    assert not parse((1,), 2, stale).replies
    assert parse((1,), 2, stale, reply(1, b"ok")).replies[1].data == b"ok"


def test_a_servo_answers_once():
    parser = parse((1, 2), 1, reply(1, b"a"), reply(1, b"b"), reply(2, b"c"))
    assert {device: each.data for device, each in parser.replies.items()} == {1: b"a", 2: b"c"}


def test_an_echo_of_the_request_is_not_an_answer():
    request = feetech.sync_read((1, 2), 56, 4)
    parser = parse((1, 2), 4, request, reply(1, b"abcd"), reply(2, b"efgh"))
    assert not parser.missing
    assert parser.discarded_bytes == len(request)


def test_who_did_not_answer_is_known():
    parser = parse((1, 2, 3), 2, reply(1, b"ab"), reply(3, b"ab"))
    assert parser.missing == (2,)
    assert parser.missing_bytes == 8


def test_who_did_not_answer_is_told_in_order_of_id():
    assert ReplyParser((9, 1), 2).missing == (1, 9)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_memory_is_bounded_whatever_comes(pieces):
    parser = ReplyParser((1, 2, 3), 8)
    for piece in pieces:
        parser.feed(piece)
        assert len(parser._pending) < 14
    assert parser.discarded_bytes <= sum(map(len, pieces))
