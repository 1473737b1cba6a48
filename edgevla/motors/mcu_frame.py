"""Frames of EdgeVLA MCU protocol 1 without I/O, as mcu.md specifies them: what is around a message on the wire.

A frame is version, kind, tag and payload with a CRC-32 behind, COBS-coded so that no byte is zero, between two zeros.
Whoever answers repeats the tag, so an old or foreign answer is never taken for the one awaited.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

VERSION = 1
OVERHEAD_BYTES = 11  # two zeros, COBS, head and CRC
MAX_PAYLOAD_BYTES = 245  # so that COBS adds exactly one byte, in one way: no run is longer than 253

_HEAD = struct.Struct("<BBH")
_CRC = struct.Struct("<I")
_MAX_CODED_BYTES = MAX_PAYLOAD_BYTES + OVERHEAD_BYTES - 2


class FrameError(ValueError):
    """The bytes are not exactly one frame."""


class Frame(NamedTuple):
    """A frame out of its packing."""

    version: int
    kind: int
    tag: int
    payload: bytes


def pack(frame: Frame) -> bytes:
    """Return the bytes of a frame on the wire, with the zeros around it.

    Raises:
        ValueError: the payload is too long.
    """
    if len(frame.payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a payload of {len(frame.payload)} bytes, {MAX_PAYLOAD_BYTES} allowed")
    body = _HEAD.pack(frame.version, frame.kind, frame.tag) + frame.payload
    body += _CRC.pack(zlib.crc32(body))
    return b"\0" + b"".join(bytes((len(run) + 1,)) + run for run in body.split(b"\0")) + b"\0"


def unpack(wire: bytes) -> Frame:
    """Return the frame in exactly the bytes that `pack` makes of it.

    Raises:
        FrameError: it is damaged, or not exactly one.
    """
    if len(wire) < OVERHEAD_BYTES or wire[0] or wire[-1]:
        raise FrameError("not one frame between two zeros")
    return _decode(wire[1:-1])


class AnswerParser:
    """Finds the answer to one request, by its tag, in a stream that may hold anything; keeps less than one frame.

    Args:
        kinds: what an answer may be.
        tag: of the request.
        wire_bytes: how long the answer is at least.
    """

    def __init__(self, kinds: Collection[int], tag: int, wire_bytes: int) -> None:
        self.answer: Frame | None = None
        self.discarded_bytes = 0
        self._kinds = kinds
        self._tag = tag
        self._wire_bytes = wire_bytes
        self._pending = bytearray()
        self._skipping = False

    @property
    def missing_bytes(self) -> int:
        """How many more bytes complete the answer, at least; 0 when it is there."""
        return max(1, self._wire_bytes - len(self._pending) - 1) if self.answer is None else 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrive, in pieces of any size."""
        first, *others = data.split(b"\0")
        self._collect(first)
        for coded in others:
            self._finish()
            self._collect(coded)

    def _collect(self, coded: bytes) -> None:
        room = _MAX_CODED_BYTES - len(self._pending)
        if self._skipping or len(coded) > room:  # longer than any frame: wait for its end
            self.discarded_bytes += len(self._pending) + len(coded)
            self._pending.clear()
            self._skipping = True
        else:
            self._pending += coded

    def _finish(self) -> None:
        coded, self._skipping = bytes(self._pending), False
        self._pending.clear()
        if not coded:
            return
        try:
            frame = _decode(coded)
        except FrameError:
            self.discarded_bytes += len(coded)
            return
        if self.answer is None and frame.tag == self._tag and frame.kind in self._kinds:
            self.answer = frame


def _decode(coded: bytes) -> Frame:
    body = _uncobs(coded)
    if len(body) < _HEAD.size + _CRC.size:
        raise FrameError(f"{len(body)} bytes are no frame")
    if zlib.crc32(body[: -_CRC.size]) != _CRC.unpack_from(body, len(body) - _CRC.size)[0]:
        raise FrameError("bad CRC")
    version, kind, tag = _HEAD.unpack_from(body)
    return Frame(version, kind, tag, body[_HEAD.size : -_CRC.size])


def _uncobs(coded: bytes) -> bytes:
    if not 0 < len(coded) <= _MAX_CODED_BYTES:
        raise FrameError(f"{len(coded)} bytes are no frame")
    runs = []
    at = 0
    while at < len(coded):
        end = at + coded[at]
        if not at < end <= len(coded) or 0 in coded[at + 1 : end]:
            raise FrameError("bad COBS")
        runs.append(coded[at + 1 : end])
        at = end
    return b"\0".join(runs)
