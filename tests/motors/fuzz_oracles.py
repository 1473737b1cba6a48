"""For each codec, what the fuzz driver compares it with: frames made and checked by a second, slower reading."""

import struct
import zlib
from dataclasses import dataclass

from edgevla.motors import dynamixel, feetech, mcu, mcu_frame
from edgevla.motors.dynamixel import Write as DynamixelWrite
from edgevla.motors.mcu import Kind
from edgevla.motors.mcu_frame import Frame


def _crc_step(byte):
    for _ in range(8):
        byte = byte << 1 ^ (0x800500 if byte & 0x800000 else 0)
    return byte & 0xFFFFFF


_CRC_STEPS = [_crc_step(byte << 16) >> 8 for byte in range(256)]


def crc16(data):
    """Polynomial 8005, most significant bit first, on a 24-bit register."""
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _CRC_STEPS[crc >> 8 ^ byte]
    return crc


@dataclass(frozen=True)
class Oracle:
    """One codec.

    Args:
        sure_flips: so many flipped bits in one frame never go unnoticed, by the checksum's arithmetic.
        keeps_bytes: what its reply parser may hold back at most.
    """

    name: str
    sure_flips: int
    keeps_bytes: int

    def request(self, rng):
        """Any well-formed request."""
        raise NotImplementedError

    def accepts(self, frame):
        """Whether the codec takes this for a request; anything but a ValueError is a crash."""
        raise NotImplementedError

    def is_sound(self, frame):
        """Whether checksum and length of a frame that was taken are right, counted anew."""
        raise NotImplementedError

    def reply(self, rng):
        """A reply as a device would send it."""
        raise NotImplementedError

    def parser(self):
        """The codec's parser for the replies that `reply` makes."""
        raise NotImplementedError

    def replies(self, parser):
        """The replies that the parser has found, as a device would have sent them."""
        raise NotImplementedError


class Feetech(Oracle):
    devices = (1, 2, 3, 0xFD)
    length = 6

    def request(self, rng):
        ids = rng.sample(range(feetech.MAX_ID + 1), rng.randint(1, 6))
        size, address = rng.randint(1, 6), rng.randrange(256)
        return (
            lambda: feetech.ping(ids[0]),
            lambda: feetech.read(ids[0], address, size),
            lambda: feetech.write(ids[0], address, rng.randbytes(size)),
            lambda: feetech.sync_read(ids, address, size),
            lambda: feetech.sync_write(address, {each: rng.randbytes(size) for each in ids}),
        )[rng.randrange(5)]()

    def accepts(self, frame):
        return feetech.writes_in(frame) is not None

    def is_sound(self, frame):
        return frame[:2] == b"\xff\xff" and frame[3] == len(frame) - 4 and sum(frame[2:]) % 256 == 255

    def reply(self, rng):
        return self._packed(rng.choice(self.devices), rng.randrange(256), rng.randbytes(self.length))

    def parser(self):
        return feetech.ReplyParser(self.devices, self.length)

    def replies(self, parser):
        return [self._packed(*each) for each in parser.replies.values()]

    def _packed(self, device, error, data):
        body = bytes((device, len(data) + 2, error)) + data
        return b"\xff\xff" + body + bytes((255 - sum(body) % 256,))


class Dynamixel(Oracle):
    devices = (1, 2, 3, 0xFC)
    length = 8

    def request(self, rng):
        ids = rng.sample(range(dynamixel.MAX_ID + 1), rng.randint(1, 6))
        size, address = rng.randint(1, 6), rng.choice((rng.randrange(65536), 0xFFFF, 0xFDFF))
        data = {each: self._data(rng, size) for each in ids}
        return (
            lambda: dynamixel.ping(ids[0]),
            lambda: dynamixel.read(ids[0], address, size),
            lambda: dynamixel.write(ids[0], address, data[ids[0]]),
            lambda: dynamixel.sync_read(ids, address, size),
            lambda: dynamixel.sync_write(address, data),
            lambda: dynamixel.bulk_read(dict.fromkeys(ids, (address, size))),
            lambda: dynamixel.bulk_write([DynamixelWrite(each, address, data[each]) for each in ids]),
        )[rng.randrange(7)]()

    def accepts(self, frame):
        return dynamixel.writes_in(frame) is not None

    def is_sound(self, frame):
        counted = frame[5] + 256 * frame[6]
        header_once = frame.startswith(b"\xff\xff\xfd\x00") and frame.find(b"\xff\xff\xfd\x00", 1, -2) < 0
        return header_once and counted == len(frame) - 7 and crc16(frame[:-2]) == frame[-2] + 256 * frame[-1]

    def reply(self, rng):
        return self._packed(rng.choice(self.devices), rng.choice((0, 0x80)), self._data(rng, self.length))

    def parser(self):
        return dynamixel.ReplyParser(self.devices, self.length)

    def replies(self, parser):
        return [self._packed(*each) for each in parser.replies.values()]

    def _data(self, rng, size):
        return bytes(rng.choice((0xFF, 0xFF, 0xFD, rng.randrange(256))) for _ in range(size))

    def _packed(self, device, error, data):
        body = bytearray()
        for byte in bytes((0x55, error)) + data:
            body.append(byte)
            if body[-3:] == b"\xff\xff\xfd":
                body.append(0xFD)
        frame = b"\xff\xff\xfd\x00" + bytes((device, len(body) + 2, 0)) + bytes(body)
        return frame + crc16(frame).to_bytes(2, "little")


class Mcu(Oracle):
    tag = 0x0107
    payload_bytes = 29

    def request(self, rng):
        ids = rng.sample(range(253), rng.randint(1, mcu.MAX_JOINTS))
        goals = {each: rng.choice((0, 32768, rng.randrange(65536))) for each in ids}
        message = rng.choice(
            (mcu.HELLO, mcu.LOOK, mcu.CLEAR, mcu.torque(True), mcu.command(rng.randrange(65536), 100, goals))
        )
        return mcu_frame.pack(Frame(1, message.kind, rng.randrange(65536), message.payload))

    def accepts(self, frame):
        version, kind, _, payload = mcu_frame.unpack(frame)
        return version == mcu_frame.VERSION and mcu.writes_in(mcu.Message(kind, payload)) is not None

    def is_sound(self, frame):
        plain = self._plain(frame[1:-1])
        zeros_outside = frame[0] == frame[-1] == 0 and 0 not in frame[1:-1]
        return zeros_outside and zlib.crc32(plain[:-4]).to_bytes(4, "little") == plain[-4:]

    def reply(self, rng):
        return self._packed(self.tag, bytes(rng.choice((0, rng.randrange(256))) for _ in range(self.payload_bytes)))

    def parser(self):
        wire_bytes = self.payload_bytes + mcu_frame.OVERHEAD_BYTES
        return mcu_frame.AnswerParser((Kind.STATE, Kind.ACK), self.tag, wire_bytes)

    def replies(self, parser):
        answer = parser.answer
        return [] if answer is None else [self._packed(answer.tag, answer.payload, answer.version, answer.kind)]

    def _packed(self, tag, payload, version=1, kind=Kind.STATE):
        plain = struct.pack("<BBH", version, kind, tag) + payload
        plain += zlib.crc32(plain).to_bytes(4, "little")
        coded, code_at = bytearray(2), 1
        for byte in plain:
            coded.append(byte)
            if not byte:
                coded[code_at], code_at = len(coded) - 1 - code_at, len(coded) - 1
        coded[code_at] = len(coded) - code_at
        return bytes(coded) + b"\0"

    def _plain(self, coded):
        plain, at = bytearray(), 0
        while at < len(coded):
            plain += coded[at + 1 : at + coded[at]] + b"\0"
            at += coded[at]
        return bytes(plain[:-1])


ORACLES = (
    Feetech("feetech", sure_flips=1, keeps_bytes=11),
    Dynamixel("dynamixel", sure_flips=3, keeps_bytes=21),
    Mcu("mcu", sure_flips=1, keeps_bytes=254),
)
