"""The Dynamixel codec by its contract: frames as the vendor's package makes them, and a parser that believes nothing.

The golden frames and how they were made are in dynamixel_vectors.json.
"""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgevla.motors import dynamixel
from edgevla.motors.dynamixel import ALERT, BROADCAST, FrameError, Reply, ReplyParser, Write

VECTORS = json.loads(Path(__file__).with_name("dynamixel_vectors.json").read_text())
LIKE_HEADER = b"\xff\xff\xfd"

ids = st.integers(0, dynamixel.MAX_ID)
addresses = st.integers(0, 65535)
# Bytes of which headers are made come often.
nasty = st.lists(st.sampled_from([0xFF, 0xFF, 0xFD, 0x00, 0x55, 7]), max_size=40).map(bytes)
payloads = st.one_of(st.binary(max_size=40), nasty)


def packed(device, instruction, body):
    """A frame by the protocol's words, bit by bit and byte by byte."""
    stuffed = bytearray()
    for byte in bytes((instruction,)) + bytes(body):
        stuffed.append(byte)
        if stuffed.endswith(LIKE_HEADER):
            stuffed.append(0xFD)
    frame = b"\xff\xff\xfd\x00" + bytes((device,)) + (len(stuffed) + 2).to_bytes(2, "little") + stuffed
    crc = 0
    for byte in frame:
        for bit in range(7, -1, -1):
            top = crc >> 15 ^ byte >> bit & 1
            crc = crc << 1 & 0xFFFF ^ (0x8005 if top else 0)
    return frame + crc.to_bytes(2, "little")


def reply(device, data=b"", error=0):
    return packed(device, 0x55, bytes((error,)) + data)


def parse(devices, length, *pieces):
    parser = ReplyParser(devices, length)
    for piece in pieces:
        parser.feed(piece)
    return parser


# Golden frames


def requests():
    return {
        "ping 1": dynamixel.ping(1),
        "read 1 132 4": dynamixel.read(1, 132, 4),
        "write 1 116 00080000": dynamixel.write(1, 116, b"\x00\x08\x00\x00"),
        "write 1 116 fffffdff": dynamixel.write(1, 116, b"\xff\xff\xfd\xff"),
        "write 252 65 fffffdfffffd": dynamixel.write(252, 65, b"\xff\xff\xfd\xff\xff\xfd"),
        "write 3 100 fffffffdfd00": dynamixel.write(3, 100, b"\xff\xff\xff\xfd\xfd\x00"),
        "sync_read 1,2,3 128 8": dynamixel.sync_read((1, 2, 3), 128, 8),
        "sync_write 116 1:00080000 2:ff0f0000": dynamixel.sync_write(116, {1: b"\0\x08\0\0", 2: b"\xff\x0f\0\0"}),
        "sync_write 64 1:01 2:00": dynamixel.sync_write(64, {1: b"\1", 2: b"\0"}),
        "sync_write 98 1:05 6:05": dynamixel.sync_write(98, {1: b"\5", 6: b"\5"}),
        "bulk_read 1:132,4 2:144,3": dynamixel.bulk_read({1: (132, 4), 2: (144, 3)}),
        "bulk_write 1:116:00080000 2:64:01": dynamixel.bulk_write([Write(1, 116, b"\0\x08\0\0"), Write(2, 64, b"\1")]),
    }


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: vector["name"])
def test_requests_are_the_vendor_s(vector):
    assert requests()[vector["name"]].hex() == vector["wire"]


def test_every_golden_request_is_compared():
    assert requests().keys() == {vector["name"] for vector in VECTORS["requests"]}


@pytest.mark.parametrize("vector", VECTORS["crcs"], ids=lambda vector: vector["data"][:20])
def test_the_crc_is_the_vendor_s(vector):
    assert dynamixel.crc16(bytes.fromhex(vector["data"])) == vector["crc"]


def test_the_crc_of_one_byte_follows_from_the_polynomial():
    for byte in range(256):
        assert dynamixel._crc_of_byte(byte) == dynamixel.crc16(bytes((byte,)))


@pytest.mark.parametrize("vector", VECTORS["replies"], ids=lambda vector: vector["name"])
def test_replies_are_read_as_the_vendor_reads_them(vector):
    data = bytes.fromhex(vector["data"])
    parser = parse((vector["device"],), len(data) or 4, bytes.fromhex(vector["wire"]))
    assert parser.replies == {vector["device"]: Reply(vector["device"], vector["error"], data)}
    assert parser.discarded_bytes == 0


def test_the_frames_of_a_tick_have_the_size_that_wire_time_is_planned_with():
    assert len(dynamixel.sync_write(116, dict.fromkeys(range(1, 7), bytes(4)))) == 44
    assert len(dynamixel.sync_read(range(1, 7), 128, 8)) + 6 * len(reply(1, bytes(8))) == 134


# Requests


@pytest.mark.parametrize("device", [-1, 253, BROADCAST, 0xFF])
def test_a_request_goes_to_a_servo_not_to_everybody(device):
    with pytest.raises(ValueError) as refused:
        dynamixel.write(device, 64, b"\x01")
    assert str(refused.value) == f"servo id {device} is outside 0 .. 252"


@pytest.mark.parametrize("device", [0, 252])
def test_the_first_and_the_last_id_are_servos(device):
    assert dynamixel.ping(device)[4] == device


@pytest.mark.parametrize(("data", "lengths"), [({}, "[]"), ({1: b"\0\0", 2: b"\0"}, "[1, 2]")])
def test_a_sync_write_has_data_of_one_length(data, lengths):
    with pytest.raises(ValueError) as refused:
        dynamixel.sync_write(116, data)
    assert str(refused.value) == f"a sync write needs data of one length, not of {lengths}"


# What a frame writes


@given(ids, addresses, payloads.filter(bool))
@example(1, 116, LIKE_HEADER)
@example(1, 0xFDFF, b"\0")
@example(1, 0xFFFF, b"\xfd\x00")
def test_a_write_is_read_back_as_it_was_meant(device, address, data):
    frame = dynamixel.write(device, address, data)
    assert frame == packed(device, 3, address.to_bytes(2, "little") + data)
    assert dynamixel.writes_in(frame) == (Write(device, address, data),)


@given(addresses, st.dictionaries(ids, st.binary(min_size=3, max_size=3), min_size=1, max_size=20))
@example(0, {1: LIKE_HEADER, 2: LIKE_HEADER})
def test_a_sync_write_is_read_back_device_by_device(address, data):
    writes = dynamixel.writes_in(dynamixel.sync_write(address, data))
    assert writes == tuple(Write(device, address, each) for device, each in data.items())


@given(st.dictionaries(ids, st.tuples(addresses, payloads.filter(bool)), min_size=1, max_size=8))
def test_a_bulk_write_is_read_back_device_by_device(data):
    meant = tuple(Write(device, address, each) for device, (address, each) in data.items())
    assert dynamixel.writes_in(dynamixel.bulk_write(meant)) == meant


@given(payloads)
def test_nothing_on_the_wire_looks_like_a_header_but_the_header(data):
    frame = dynamixel.write(1, 100, data + b"\0")
    assert frame[:-2].find(dynamixel.HEADER, 1) == -1


def test_reading_writes_nothing():
    for frame in (
        dynamixel.ping(3),
        dynamixel.read(3, 0, 86),
        dynamixel.sync_read((1, 2), 128, 8),
        dynamixel.sync_read((1,), 128, 8),
        dynamixel.bulk_read({1: (0, 10)}),
    ):
        assert dynamixel.writes_in(frame) == ()


def test_a_broadcast_write_names_the_broadcast_id_so_that_no_list_can_miss_it():
    assert dynamixel.writes_in(packed(BROADCAST, 3, (64, 0, 1))) == (Write(BROADCAST, 64, b"\x01"),)


@pytest.mark.parametrize("instruction", sorted(set(range(256)) - {*dynamixel.Instruction}))
def test_an_unknown_instruction_is_no_frame(instruction):
    # Among them: register-and-act-later, factory reset, reboot, clear, backup, and a servo's own replies.
    with pytest.raises(FrameError) as refused:
        dynamixel.writes_in(packed(1, instruction, (64, 0, 1, 0)))
    assert str(refused.value) == f"instruction {instruction:#04x} to 1 with 4 parameters is not known"


@pytest.mark.parametrize(
    ("device", "instruction", "parameters"),
    [
        (1, 0x83, (64, 0, 1, 0, 1, 0)),  # a sync write to one servo
        (1, 0x82, (128, 0, 8, 0, 1)),  # a sync read from one servo
        (1, 0x92, (1, 64, 0, 1, 0)),  # a bulk read from one servo
        (1, 0x93, (1, 64, 0, 1, 0, 1)),  # a bulk write to one servo
        (1, 0x03, (64, 0)),  # a write of nothing
        (1, 0x01, (64,)),  # a ping with parameters
        (1, 0x02, (64, 0, 1, 0, 0)),  # a read with too many
        (0xFE, 0x82, (128, 0, 8, 0)),  # a sync read from nobody
        (0xFE, 0x83, (116, 0, 4, 0)),  # a sync write to nobody
        (0xFE, 0x92, (1, 64, 0, 1)),  # half a bulk read
        (0xFE, 0x92, ()),  # a bulk read of nothing
        (0xFE, 0x93, ()),  # a bulk write of nothing
    ],
)
def test_a_request_of_the_wrong_form_is_not_known(device, instruction, parameters):
    with pytest.raises(FrameError) as refused:
        dynamixel.writes_in(packed(device, instruction, parameters))
    count = len(parameters)
    assert str(refused.value) == f"instruction {instruction:#04x} to {device} with {count} parameters is not known"


HALF = "a bulk write ends in the middle, or writes nothing"


@pytest.mark.parametrize(
    ("device", "instruction", "parameters", "why"),
    [
        (0xFE, 0x83, (116, 0, 2, 0, 1, 0, 8, 9), "a sync write of 2 bytes each does not divide 4"),
        (0xFE, 0x83, (116, 0, 0, 0, 1), "a sync write of 0 bytes each does not divide 1"),
        (0xFE, 0x83, (64, 0, 1, 0, 1, 0, 1, 1), "a device is named twice"),
        (0xFE, 0x93, (1, 64, 0, 1, 0, 1, 1, 64, 0, 1, 0, 0), "a device is named twice"),
        (0xFE, 0x93, (1, 64, 0, 1, 0), HALF),
        (0xFE, 0x93, (1, 64, 0, 1, 0, 1, 2), HALF),
        (0xFE, 0x93, (1, 64, 0, 2, 0, 1), HALF),
        (0xFE, 0x93, (1, 64, 0, 0, 0), HALF),
        (0xFF, 0x03, (64, 0, 1), "255 is no servo id"),
        (0xFD, 0x03, (64, 0, 1), "253 is no servo id"),
    ],
)
def test_a_malformed_request_is_no_frame(device, instruction, parameters, why):
    with pytest.raises(FrameError) as refused:
        dynamixel.writes_in(packed(device, instruction, parameters))
    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        ("", "no frame starts here"),
        ("ff ff fd 00 01 02 00 19 4e", "no frame starts here"),  # too short for an instruction
        ("ff ff fd 01 01 03 00 01 19 4e", "no frame starts here"),
        ("ff ff fd 00 01 03 00 01 18 4e", "bad CRC"),
        ("ff ff fd 00 01 04 00 01 19 4e", "length 4 in 10 bytes, not exactly one frame"),
        ("ff ff fd 00 01 03 00 01 19 4e 00", "length 3 in 11 bytes, not exactly one frame"),
    ],
)
def test_bytes_that_are_no_frame_are_told_apart(wire, why):
    with pytest.raises(FrameError) as refused:
        dynamixel.writes_in(bytes.fromhex(wire))
    assert str(refused.value) == why


def test_a_header_inside_a_frame_is_no_frame():
    body = b"\x03\x74\x00\xff\xff\xfd\x00"  # not stuffed
    frame = b"\xff\xff\xfd\x00\x01" + (len(body) + 2).to_bytes(2, "little") + body
    with pytest.raises(FrameError) as refused:
        dynamixel.writes_in(frame + dynamixel.crc16(frame).to_bytes(2, "little"))
    assert str(refused.value) == "a header inside a frame"


GOALS = dynamixel.sync_write(116, dict.fromkeys(range(1, 7), b"\xff\xff\xfd\x07"))


@given(st.integers(0, len(GOALS) - 1), st.integers(0, 7))
def test_no_single_flipped_bit_goes_unnoticed(byte, bit):
    frame = bytearray(GOALS)
    frame[byte] ^= 1 << bit
    with pytest.raises(FrameError):
        dynamixel.writes_in(bytes(frame))


@given(st.binary(max_size=12), st.integers(0, 14))
def test_only_exactly_one_frame_is_a_frame(extra, cut):
    frame = dynamixel.write(1, 116, b"\x00\x08\x00\x00")
    for other in (frame + extra, extra + frame, frame + frame, frame[:cut]):
        if other != frame:
            with pytest.raises(FrameError):
                dynamixel.writes_in(other)


@given(st.one_of(st.binary(max_size=64), nasty))
def test_any_bytes_are_either_a_frame_or_a_frame_error(data):
    with contextlib.suppress(FrameError):
        dynamixel.writes_in(data)


# Replies


@given(st.lists(ids, unique=True, min_size=1, max_size=8), st.integers(1, 12), st.data())
def test_replies_come_through_in_pieces_of_any_size(devices, length, data):
    exact = st.one_of(st.binary(min_size=length, max_size=length), st.just((LIKE_HEADER * 5)[:length]))
    payload = {device: data.draw(exact) for device in devices}
    stream = b"".join(reply(device, payload[device], error=ALERT) for device in devices)
    parser = ReplyParser(devices, length)
    while stream:
        assert 0 < parser.missing_bytes <= len(stream)  # never waits for more than will come
        size = data.draw(st.integers(1, len(stream)))
        parser.feed(stream[:size])
        stream = stream[size:]
    assert parser.missing == ()
    assert parser.missing_bytes == parser.discarded_bytes == 0
    assert parser.replies == {device: Reply(device, ALERT, payload[device]) for device in devices}


@given(st.one_of(st.binary(max_size=60), nasty), st.one_of(st.binary(max_size=60), nasty))
def test_a_good_reply_is_found_behind_any_noise(before, between):
    silence = bytes(16)  # noise may end like the reply begins; a reply length later that has shown itself
    parser = parse((7, 8), 2, before + silence + reply(7, b"ab"), between + silence + reply(8, b"cd"))
    assert parser.replies == {7: Reply(7, 0, b"ab"), 8: Reply(8, 0, b"cd")}


def test_noise_is_counted():
    parser = parse((1,), 2, b"\x00\xff\xff\x13", reply(1, b"ab"), b"tail")
    assert parser.replies[1].data == b"ab"
    assert parser.discarded_bytes == 8


@pytest.mark.parametrize(
    "noise",
    [
        "ff ff fd 01",
        "ff ff fd 00 02",  # the id tells
        "ff ff fd 00 01 03 00",  # the length tells: no reply is as short as a request
        "ff ff fd 00 01 06 00",  # one short of a reply with 3 bytes
        "ff ff fd 00 01 09 00",  # more than it has even if all of it is stuffed
        reply(1, b"abc")[:-1].hex() + "00",  # only the CRC tells
    ],
)
def test_noise_is_dropped_and_counted_as_soon_as_it_shows(noise):
    parser = parse((1,), 3, bytes.fromhex(noise))
    assert parser.discarded_bytes == len(bytes.fromhex(noise))
    assert parser.missing_bytes == 14


@pytest.mark.parametrize("counted", [4, 7, 8])
def test_a_refusal_a_plain_and_a_stuffed_reply_are_waited_for(counted):
    assert parse((1,), 3, dynamixel.HEADER + bytes((1, counted, 0))).discarded_bytes == 0


@given(st.integers(0, 14), st.integers(0, 7))
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
        packed(1, 2, b"\x00\x00ab"),  # our own request, echoed by the adapter
        packed(1, 3, b"\x00ab"),
    ],
)
def test_an_answer_to_another_question_is_not_taken(stale):
    assert not parse((1,), 2, stale).replies
    assert parse((1,), 2, stale, reply(1, b"ok")).replies[1].data == b"ok"


def test_a_servo_answers_once():
    parser = parse((1, 2), 1, reply(1, b"a"), reply(1, b"b"), reply(2, b"c"))
    assert (parser.replies[1].data, parser.replies[2].data) == (b"a", b"c")


def test_a_refusal_is_a_reply_without_data():
    parser = parse((1, 2), 4, reply(1, error=4 | ALERT), reply(2, b"abcd"))
    assert parser.replies[1] == Reply(1, 4 | ALERT, b"")
    assert parser.missing == ()


def test_the_alert_bit_alone_is_no_refusal():
    assert not parse((1,), 4, reply(1, error=0x80)).replies


def test_a_ping_is_answered_with_model_and_firmware():
    assert parse((1,), dynamixel.PING_BYTES, reply(1, b"\x24\x04\x2a")).replies[1].data == b"\x24\x04\x2a"


def test_who_did_not_answer_is_told_in_order_of_id():
    assert ReplyParser((9, 1), 2).missing == (1, 9)


@given(st.lists(st.one_of(st.binary(max_size=200), nasty, st.just(dynamixel.HEADER + b"\x01\x0c\x00")), max_size=30))
def test_whatever_comes_less_than_one_reply_is_kept(pieces):
    parser = ReplyParser((1, 2), 8)
    for piece in pieces:
        parser.feed(piece)
        assert len(parser._pending) < 8 + dynamixel.REPLY_OVERHEAD_BYTES + 4
