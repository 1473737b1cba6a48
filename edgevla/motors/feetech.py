"""The Feetech STS protocol without I/O: requests to bytes, bytes to replies, and what a request writes.

A frame is `FF FF id length instruction-or-error parameters checksum`; length counts what follows it, the checksum is
the complement of the sum from id on. A reply has no sequence number, so what tells an old or foreign reply apart is
its id, its length and that the line was cleared before the request.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HEADER = b"\xff\xff"
BROADCAST = 0xFE
MAX_ID = 0xFD
PING_BYTES = 0  # a ping is answered without data
OVERHEAD_BYTES = 6  # header, id, length, instruction or error, checksum
_UNCOUNTED_BYTES = 4  # header, id and the length byte itself
_MAX_LENGTH = 0xFC  # a length of FF or FE would look like a header or a broadcast to a receiver out of step


class Instruction(enum.IntEnum):
    """What a request asks for."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class FrameError(ValueError):
    """The bytes are not exactly one request of a known kind."""


class Reply(NamedTuple):
    """What one servo answered. `error` holds its fault bits."""

    device: int
    error: int
    data: bytes


class Write(NamedTuple):
    """What a request writes into one device."""

    device: int
    address: int
    data: bytes


def checksum(body: bytes) -> int:
    """Return the checksum of everything between header and checksum."""
    return ~sum(body) & 0xFF


def ping(device: int) -> bytes:
    """Ask one servo whether it is there. An adapter that echoes looks like a servo: a read tells them apart."""
    return _request(_one(device), Instruction.PING, b"")


def read(device: int, address: int, length: int) -> bytes:
    """Ask one servo for `length` bytes from `address` on."""
    return _request(_one(device), Instruction.READ, bytes((address, length)))


def write(device: int, address: int, data: bytes) -> bytes:
    """Tell one servo to store `data` from `address` on; it acknowledges with an empty reply."""
    return _request(_one(device), Instruction.WRITE, bytes((address,)) + data)


def sync_read(devices: Iterable[int], address: int, length: int) -> bytes:
    """Ask several servos for the same registers; each replies, in the order given."""
    ids = bytes(_one(device) for device in devices)
    return _request(BROADCAST, Instruction.SYNC_READ, bytes((address, length)) + ids)


def sync_write(address: int, data: Mapping[int, bytes]) -> bytes:
    """Tell several servos to store data of one length from `address` on, in the same moment; none replies."""
    lengths = {len(each) for each in data.values()}
    if len(lengths) != 1:
        raise ValueError(f"a sync write needs data of one length, not of {sorted(lengths)}")
    body = b"".join(bytes((_one(device),)) + each for device, each in data.items())
    return _request(BROADCAST, Instruction.SYNC_WRITE, bytes((address, lengths.pop())) + body)


def writes_in(frame: bytes) -> tuple[Write, ...]:
    """Return what the request writes: nothing for a ping or a read.

    Raises:
        FrameError: not exactly one well-formed ping, read, write, sync read or sync write.
    """
    device, instruction, parameters = _open(frame)
    if instruction == Instruction.PING and not parameters:
        return ()
    if instruction == Instruction.READ and len(parameters) == 2:
        return ()
    if instruction == Instruction.WRITE and len(parameters) > 1:
        return (Write(device, parameters[0], parameters[1:]),)
    if instruction == Instruction.SYNC_READ and device == BROADCAST and len(parameters) > 2:
        return ()
    if instruction == Instruction.SYNC_WRITE and device == BROADCAST and len(parameters) > 2:
        return _sync_writes(parameters[0], parameters[1], parameters[2:])
    raise FrameError(f"instruction {instruction:#04x} to {device} with {len(parameters)} parameters is not known")


class ReplyParser:
    """Collects the replies of `devices`, each with `length` bytes of data, from a stream that may hold anything.

    Bytes that are not part of an awaited reply are dropped one at a time, so that the next good reply is found
    whatever stands before it. It keeps less than one reply in memory.
    """

    def __init__(self, devices: Sequence[int], length: int) -> None:
        self.replies: dict[int, Reply] = {}
        self.discarded_bytes = 0
        self._awaited = set(devices)
        self._counted = length + 2
        self._frame_bytes = length + OVERHEAD_BYTES
        self._pending = bytearray()

    @property
    def missing_bytes(self) -> int:
        """How many more bytes complete the replies, if all of them are good; 0 when nothing is awaited."""
        return len(self._awaited) * self._frame_bytes - len(self._pending) if self._awaited else 0

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
            taken = self._match(bytes(pending[start : start + self._frame_bytes]))
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
        if head[:2] != HEADER[: len(head)]:
            return 0
        if len(head) > 2 and head[2] not in self._awaited:
            return 0
        if len(head) > 3 and head[3] != self._counted:
            return 0
        if len(head) < self._frame_bytes:
            return None
        if checksum(head[2:-1]) != head[-1]:
            return 0
        self._awaited.remove(head[2])
        self.replies[head[2]] = Reply(head[2], head[4], head[5:-1])
        return self._frame_bytes


def _one(device: int) -> int:
    if not 0 <= device <= MAX_ID:
        raise ValueError(f"servo id {device} is outside 0 .. {MAX_ID}")
    return device


def _request(device: int, instruction: Instruction, parameters: bytes) -> bytes:
    length = len(parameters) + 2
    if length > _MAX_LENGTH:
        raise ValueError(f"{len(parameters)} parameters do not fit into one frame")
    body = bytes((device, length, instruction)) + parameters
    return HEADER + body + bytes((checksum(body),))


def _open(frame: bytes) -> tuple[int, int, bytes]:
    if len(frame) < OVERHEAD_BYTES or not frame.startswith(HEADER) or frame[2] > BROADCAST:
        raise FrameError("no frame starts here")
    if len(frame) != frame[3] + _UNCOUNTED_BYTES:
        raise FrameError(f"length byte {frame[3]} in {len(frame)} bytes, not exactly one frame")
    if checksum(frame[2:-1]) != frame[-1]:
        raise FrameError("bad checksum")
    return frame[2], frame[4], frame[5:-1]


def _sync_writes(address: int, length: int, body: bytes) -> tuple[Write, ...]:
    if not length or len(body) % (length + 1):
        raise FrameError(f"a sync write of {length} bytes each does not divide {len(body)}")
    parts = [body[at : at + length + 1] for at in range(0, len(body), length + 1)]
    if len({part[0] for part in parts}) != len(parts):
        raise FrameError("a sync write names a device twice")
    return tuple(Write(part[0], address, part[1:]) for part in parts)
