"""The Dynamixel protocol 2.0 without I/O: requests to bytes, bytes to replies, and what a request writes.

A frame is `FF FF FD 00 id length instruction parameters crc`, numbers least significant byte first; length counts what
follows it, the CRC covers all before it. Wherever `FF FF FD` stands in instruction and parameters another `FD` is
stuffed in behind it, so that a header is found nowhere else. A reply (instruction 55) has no sequence number: what
tells an old or foreign one apart is its id, its length and that the line was cleared before the request.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HEADER = b"\xff\xff\xfd\x00"
BROADCAST = 0xFE
MAX_ID = 0xFC
STATUS = 0x55
ALERT = 0x80  # in the error byte: the hardware error register holds a fault
PING_BYTES = 3  # a ping is answered with model and firmware
OVERHEAD_BYTES = 10  # header, id, length, instruction, CRC
REPLY_OVERHEAD_BYTES = OVERHEAD_BYTES + 1  # and the error byte
_UNCOUNTED_BYTES = 7  # header, id and the length itself
_LIKE_HEADER = b"\xff\xff\xfd"
_STUFFED = b"\xff\xff\xfd\xfd"
_POLYNOMIAL = 0x8005


class Instruction(enum.IntEnum):
    """What a request asks for."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83
    BULK_READ = 0x92
    BULK_WRITE = 0x93


class FrameError(ValueError):
    """The bytes are not exactly one request of a known kind."""


class Reply(NamedTuple):
    """What one servo answered. `error`: 0, or why it refused (then without data), and the `ALERT` bit."""

    device: int
    error: int
    data: bytes


class Write(NamedTuple):
    """What a request writes into one device."""

    device: int
    address: int
    data: bytes


def _crc_of_byte(byte: int) -> int:
    crc = byte << 8
    for _ in range(8):
        crc = (crc << 1 ^ _POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


_CRC_TABLE = tuple(map(_crc_of_byte, range(256)))


def crc16(data: bytes) -> int:
    """Return the CRC-16 of the protocol: polynomial 8005, from 0, most significant bit first."""
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFF00) ^ _CRC_TABLE[crc >> 8 ^ byte]
    return crc


def ping(device: int) -> bytes:
    """Ask one servo whether it is there."""
    return _request(_one(device), Instruction.PING, b"")


def read(device: int, address: int, length: int) -> bytes:
    """Ask one servo for `length` bytes from `address` on."""
    return _request(_one(device), Instruction.READ, _words(address, length))


def write(device: int, address: int, data: bytes) -> bytes:
    """Tell one servo to store `data` from `address` on; it acknowledges with a reply without data."""
    return _request(_one(device), Instruction.WRITE, _words(address) + data)


def sync_read(devices: Iterable[int], address: int, length: int) -> bytes:
    """Ask several servos for the same registers; each replies, in the order given."""
    return _request(BROADCAST, Instruction.SYNC_READ, _words(address, length) + bytes(map(_one, devices)))


def sync_write(address: int, data: Mapping[int, bytes]) -> bytes:
    """Tell several servos to store data of one length from `address` on, in the same moment; none replies."""
    lengths = {len(each) for each in data.values()}
    if len(lengths) != 1:
        raise ValueError(f"a sync write needs data of one length, not of {sorted(lengths)}")
    body = b"".join(bytes((_one(device),)) + each for device, each in data.items())
    return _request(BROADCAST, Instruction.SYNC_WRITE, _words(address, lengths.pop()) + body)


def bulk_read(reads: Mapping[int, tuple[int, int]]) -> bytes:
    """Ask several servos for registers of their own, device -> (address, length); each replies, in the order given."""
    return _request(
        BROADCAST,
        Instruction.BULK_READ,
        b"".join(bytes((_one(device),)) + _words(address, length) for device, (address, length) in reads.items()),
    )


def bulk_write(writes: Iterable[Write]) -> bytes:
    """Tell several servos to store data of their own, in the same moment; none replies."""
    return _request(
        BROADCAST,
        Instruction.BULK_WRITE,
        b"".join(bytes((_one(each.device),)) + _words(each.address, len(each.data)) + each.data for each in writes),
    )


def writes_in(frame: bytes) -> tuple[Write, ...]:
    """Return what the request writes: nothing for a ping or a read.

    Raises:
        FrameError: not exactly one well-formed request of an `Instruction`.
    """
    device, instruction, body = _open(frame)
    to_all = device == BROADCAST
    only_reads: dict[int, bool] = {
        Instruction.PING: not body,
        Instruction.READ: len(body) == 4,
        Instruction.SYNC_READ: to_all and len(body) > 4,
        Instruction.BULK_READ: to_all and len(body) > 0 and len(body) % 5 == 0,
    }
    if only_reads.get(instruction):
        return ()
    if instruction == Instruction.WRITE and len(body) > 2:
        return (Write(device, _word(body, 0), body[2:]),)
    if instruction == Instruction.SYNC_WRITE and to_all and len(body) > 4:
        return _sync_writes(_word(body, 0), _word(body, 2), body[4:])
    if instruction == Instruction.BULK_WRITE and to_all and body:
        return _bulk_writes(body)
    raise FrameError(f"instruction {instruction:#04x} to {device} with {len(body)} parameters is not known")


class ReplyParser:
    """Collects the replies of `devices`, each with `length` bytes of data, from a stream that may hold anything.

    A servo that refuses replies without data; that counts as its reply. Bytes that are not part of an awaited reply
    are dropped one at a time, so that the next good reply is found whatever stands before it. It keeps less than one
    reply in memory.
    """

    def __init__(self, devices: Sequence[int], length: int) -> None:
        self.replies: dict[int, Reply] = {}
        self.discarded_bytes = 0
        self._awaited = set(devices)
        self._length = length
        self._frame_bytes = length + REPLY_OVERHEAD_BYTES
        self._longest_bytes = self._frame_bytes + (length + 2) // len(_LIKE_HEADER)  # all of it stuffed
        self._pending = bytearray()

    @property
    def missing_bytes(self) -> int:
        """How many more bytes complete the replies, if all are good and none is stuffed; 0 when none is awaited."""
        return max(1, len(self._awaited) * self._frame_bytes - len(self._pending)) if self._awaited else 0

    @property
    def missing(self) -> tuple[int, ...]:
        """The devices that have not replied."""
        return tuple(sorted(self._awaited))

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrive, in pieces of any size."""
        pending = self._pending
        pending += data
        start = 0
        while start < len(pending) and self._awaited:
            taken = self._match(bytes(pending[start : start + self._longest_bytes]))
            if taken is None:
                break
            start += taken or 1
            self.discarded_bytes += not taken
        if not self._awaited:
            self.discarded_bytes += len(pending) - start
            start = len(pending)
        del pending[:start]

    def _match(self, head: bytes) -> int | None:
        """Return the length of the reply that starts here, 0 if none can, None if more bytes must tell."""
        if head[:4] != HEADER[: len(head)] or (len(head) > 4 and head[4] not in self._awaited):
            return 0
        if len(head) < _UNCOUNTED_BYTES:
            return None
        end = _UNCOUNTED_BYTES + _word(head, 5)
        if end != REPLY_OVERHEAD_BYTES and not self._frame_bytes <= end <= self._longest_bytes:
            return 0
        if len(head) < end:
            return None
        reply = self._reply_in(head[:end])
        if reply is not None:
            self._awaited.remove(reply.device)
            self.replies[reply.device] = reply
        return end if reply is not None else 0

    def _reply_in(self, frame: bytes) -> Reply | None:
        try:
            device, instruction, body = _open(frame)
        except FrameError:
            return None
        if instruction != STATUS or not body:
            return None
        reply = Reply(device, body[0], body[1:])
        refused = bool(reply.error & ~ALERT) and not reply.data
        return reply if refused or len(reply.data) == self._length else None


def _one(device: int) -> int:
    if not 0 <= device <= MAX_ID:
        raise ValueError(f"servo id {device} is outside 0 .. {MAX_ID}")
    return device


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "little") for value in values)


def _word(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8


def _request(device: int, instruction: Instruction, parameters: bytes) -> bytes:
    body = (bytes((instruction,)) + parameters).replace(_LIKE_HEADER, _STUFFED)
    frame = HEADER + bytes((device,)) + _words(len(body) + 2) + body
    return frame + _words(crc16(frame))


def _open(frame: bytes) -> tuple[int, int, bytes]:
    """Return id, instruction and what follows it, with the stuffing taken out."""
    if len(frame) < OVERHEAD_BYTES or not frame.startswith(HEADER):
        raise FrameError("no frame starts here")
    if frame[4] > MAX_ID and frame[4] != BROADCAST:
        raise FrameError(f"{frame[4]} is no servo id")
    if len(frame) != _word(frame, 5) + _UNCOUNTED_BYTES:
        raise FrameError(f"length {_word(frame, 5)} in {len(frame)} bytes, not exactly one frame")
    if crc16(frame[:-2]) != _word(frame, len(frame) - 2):
        raise FrameError("bad CRC")
    body = frame[_UNCOUNTED_BYTES:-2]
    plain = body.replace(_STUFFED, _LIKE_HEADER)
    if plain.replace(_LIKE_HEADER, _STUFFED) != body:
        raise FrameError("a header inside a frame")
    return frame[4], plain[0], plain[1:]


def _sync_writes(address: int, length: int, body: bytes) -> tuple[Write, ...]:
    if not length or len(body) % (length + 1):
        raise FrameError(f"a sync write of {length} bytes each does not divide {len(body)}")
    parts = (body[at : at + length + 1] for at in range(0, len(body), length + 1))
    return _each_once(Write(part[0], address, part[1:]) for part in parts)


def _bulk_writes(body: bytes) -> tuple[Write, ...]:
    writes: list[Write] = []
    at = 0
    while at < len(body):
        head, data = body[at : at + 5], at + 5
        at = data + (_word(head, 3) if len(head) == 5 else 0)
        if not data < at <= len(body):
            raise FrameError("a bulk write ends in the middle, or writes nothing")
        writes.append(Write(head[0], _word(head, 1), body[data:at]))
    return _each_once(writes)


def _each_once(writes: Iterable[Write]) -> tuple[Write, ...]:
    found = tuple(writes)
    if len({write.device for write in found}) != len(found):
        raise FrameError("a device is named twice")
    return found
