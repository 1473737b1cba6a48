"""Requests to Feetech servos and their answers over one `Transport`; what is missing becomes an error that says who."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgevla.motors import feetech
from edgevla.motors.missing import missing_replies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.motors.bus import Transport


class FeetechLine:
    """Asks and tells servos.

    Args:
        transport: the line; its guard sees every frame.
        names: servo id -> joint name, in bus order, for the messages.
    """

    def __init__(self, transport: Transport, names: Mapping[int, str]) -> None:
        self._transport = transport
        self._names = dict(names)
        self._ids = tuple(names)

    def ping_all(self, timeout_s: float) -> None:
        """Ask every servo, one by one, whether it is there.

        Raises:
            ReplyError: names all that do not answer.
        """
        answers = [self._exchange(feetech.ping(device), (device,), 0, timeout_s) for device in self._ids]
        missing = [device for answer in answers for device in answer.missing]
        if missing:
            raise missing_replies(self._names, missing, sum(answer.discarded_bytes for answer in answers), timeout_s)

    def read_one(self, device: int, address: int, length: int, timeout_s: float) -> bytes:
        """Return `length` bytes of one servo's registers from `address` on.

        Raises:
            ReplyError: no good answer in time.
        """
        return self._ask(feetech.read(device, address, length), (device,), length, timeout_s)[device].data

    def read_all(self, address: int, length: int, timeout_s: float) -> dict[int, feetech.Reply]:
        """Return every servo's reply with `length` bytes of its registers from `address` on, from one request.

        Raises:
            ReplyError: no good answer in time, from one of them or all.
        """
        return self._ask(feetech.sync_read(self._ids, address, length), self._ids, length, timeout_s)

    def write_all(self, address: int, data: Mapping[int, bytes]) -> None:
        """Write into several servos in the same moment. None of them confirms it."""
        self._transport.send(feetech.sync_write(address, data))

    def _ask(self, request: bytes, devices: tuple[int, ...], length: int, timeout_s: float) -> dict[int, feetech.Reply]:
        answer = self._exchange(request, devices, length, timeout_s)
        if answer.missing:
            raise missing_replies(self._names, answer.missing, answer.discarded_bytes, timeout_s)
        return answer.replies

    def _exchange(self, request: bytes, devices: tuple[int, ...], length: int, timeout_s: float) -> feetech.ReplyParser:
        parser = feetech.ReplyParser(devices, length)
        self._transport.send(request)
        deadline_s = time.monotonic() + timeout_s
        while parser.missing:
            data = self._transport.receive(parser.missing_bytes, deadline_s)
            if not data:
                break
            parser.feed(data)
        return parser
