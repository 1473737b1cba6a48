"""Requests to servos on one shared `Transport`, and their answers; what is missing becomes an error that says who."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from edgevla.motors.errors import BadReply
from edgevla.motors.missing import missing_replies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgevla.motors.bus import Transport


class Reply(Protocol):
    """What one servo answered."""

    @property
    def error(self) -> int:
        """Its error byte, 0 for none; what the bits mean depends on the codec."""
        ...

    @property
    def data(self) -> bytes:
        """The registers that were asked for; fewer bytes when it refused."""
        ...


class ReplyParser(Protocol):
    """Collects awaited replies from a stream that may hold anything."""

    discarded_bytes: int

    @property
    def replies(self) -> Mapping[int, Reply]:
        """By servo id."""
        ...

    @property
    def missing(self) -> tuple[int, ...]:
        """The servos that have not replied."""
        ...

    @property
    def missing_bytes(self) -> int:
        """How many more bytes complete the replies, if all of them are good."""
        ...

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrive, in pieces of any size."""
        ...


class Codec(Protocol):
    """A module of this folder that knows the frames of one kind of servo, without any I/O."""

    @property
    def PING_BYTES(self) -> int:  # noqa: N802 - a constant of the module
        """How much data the reply to a ping carries."""
        ...

    def ping(self, device: int) -> bytes:
        """Return the request for a sign of life."""
        ...

    def read(self, device: int, address: int, length: int) -> bytes:
        """Return the request for one servo's registers."""
        ...

    def sync_read(self, devices: Iterable[int], address: int, length: int) -> bytes:
        """Return the request for the same registers of several servos."""
        ...

    def sync_write(self, address: int, data: Mapping[int, bytes]) -> bytes:
        """Return the order that sets registers of several servos."""
        ...

    def ReplyParser(self, devices: Sequence[int], length: int) -> ReplyParser:  # noqa: N802 - a class of the module
        """Collect the replies of `devices`, each with `length` bytes of data."""
        ...


class ServoLine:
    """Asks and tells servos.

    Args:
        codec: how they are spoken to.
        transport: the line; its guard sees every frame.
        names: servo id -> joint name, in bus order, for the messages.
    """

    def __init__(self, codec: Codec, transport: Transport, names: Mapping[int, str]) -> None:
        self._codec = codec
        self._transport = transport
        self._names = dict(names)
        self._ids = tuple(names)

    def ping_all(self, timeout_s: float) -> None:
        """Ask every servo, one by one, whether it is there.

        Raises:
            ReplyError: names all that do not answer.
        """
        length = self._codec.PING_BYTES
        answers = [self._exchange(self._codec.ping(device), (device,), length, timeout_s) for device in self._ids]
        missing = [device for answer in answers for device in answer.missing]
        if missing:
            raise missing_replies(self._names, missing, sum(each.discarded_bytes for each in answers), timeout_s)

    def read_one(self, device: int, address: int, length: int, timeout_s: float) -> bytes:
        """Return `length` bytes of one servo's registers from `address` on.

        Raises:
            ReplyError: no good answer in time.
        """
        return self._ask(self._codec.read(device, address, length), (device,), length, timeout_s)[device].data

    def read_all(self, address: int, length: int, timeout_s: float) -> Mapping[int, Reply]:
        """Return every servo's reply with `length` bytes of its registers from `address` on, from one request.

        Raises:
            ReplyError: no good answer in time, from one of them or all.
        """
        return self._ask(self._codec.sync_read(self._ids, address, length), self._ids, length, timeout_s)

    def write_all(self, address: int, data: Mapping[int, bytes]) -> None:
        """Write into several servos in the same moment. None of them confirms it."""
        self._transport.send(self._codec.sync_write(address, data))

    def _ask(self, request: bytes, devices: tuple[int, ...], length: int, timeout_s: float) -> Mapping[int, Reply]:
        answer = self._exchange(request, devices, length, timeout_s)
        if answer.missing:
            raise missing_replies(self._names, answer.missing, answer.discarded_bytes, timeout_s)
        for device, reply in answer.replies.items():
            if len(reply.data) != length:
                raise BadReply(
                    f"servo {device} ({self._names[device]}) refused to be read, with error {reply.error:#04x}",
                    devices=(device,),
                    fix="check that motors.bus is right for its model",
                )
        return answer.replies

    def _exchange(self, request: bytes, devices: tuple[int, ...], length: int, timeout_s: float) -> ReplyParser:
        parser = self._codec.ReplyParser(devices, length)
        self._transport.send(request)
        deadline_s = time.monotonic() + timeout_s
        while parser.missing:
            data = self._transport.receive(parser.missing_bytes, deadline_s)
            if not data:
                break
            parser.feed(data)
        return parser
