"""Requests to a motor controller and its answers over one `Transport`, each pair held together by a tag."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgevla.motors import mcu, mcu_frame
from edgevla.motors.errors import BadReply, NoReply
from edgevla.motors.mcu import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.motors.bus import Transport
    from edgevla.motors.mcu import Ack, Info, Message, State


class McuLine:
    """Asks and tells the controller.

    Args:
        transport: the line; its guard sees every frame.
        devices: the joints' ids, for the errors: without the controller all are missing.
    """

    def __init__(self, transport: Transport, devices: Sequence[int]) -> None:
        self._transport = transport
        self._devices = tuple(devices)
        self._tag = 0

    def info(self, timeout_s: float) -> Info:
        """Ask who is there.

        Raises:
            ReplyError: no good answer in time.
        """
        payload = self._ask(mcu.HELLO, Kind.INFO, mcu.LEAST_INFO_BYTES, timeout_s)
        try:
            return mcu.read_info(payload)
        except mcu.MessageError as error:
            raise self._malformed(error) from None

    def state(self, timeout_s: float) -> State:
        """Ask how things stand, and see that every joint is told of.

        Raises:
            ReplyError: no good answer in time.
        """
        payload = self._ask(mcu.LOOK, Kind.STATE, mcu.state_bytes(len(self._devices)), timeout_s)
        try:
            state = mcu.read_state(payload)
        except mcu.MessageError as error:
            raise self._malformed(error) from None
        if {reading.device for reading in state.joints} != set(self._devices):
            raise self._malformed("it tells of other joints than robot.yaml")
        return state

    def order(self, message: Message, timeout_s: float) -> Ack:
        """Ask for something to be done, and return what became of it.

        Raises:
            ReplyError: no good answer in time.
        """
        try:
            return mcu.read_ack(self._ask(message, Kind.ACK, mcu.ACK_BYTES, timeout_s))
        except mcu.MessageError as error:
            raise self._malformed(error) from None

    def tell(self, message: Message) -> None:
        """Send without waiting for the answer."""
        self._tag = (self._tag + 1) % 0x10000
        frame = mcu_frame.Frame(mcu_frame.VERSION, message.kind, self._tag, message.payload)
        self._transport.send(mcu_frame.pack(frame))

    def _ask(self, message: Message, kind: Kind, payload_bytes: int, timeout_s: float) -> bytes:
        """Return the payload of the answer, which is of this kind."""
        self.tell(message)
        parser = mcu_frame.AnswerParser((kind, Kind.ACK), self._tag, payload_bytes + mcu_frame.OVERHEAD_BYTES)
        deadline_s = time.monotonic() + timeout_s
        while parser.answer is None:
            data = self._transport.receive(parser.missing_bytes, deadline_s)
            if not data:
                raise self._silence(parser.discarded_bytes, timeout_s)
            parser.feed(data)
        answer = parser.answer
        if answer.version != mcu_frame.VERSION:
            raise BadReply(
                f"the motor controller speaks protocol version {answer.version}, this program {mcu_frame.VERSION}",
                devices=self._devices,
                fix="update its firmware or this program",
            )
        if answer.kind != kind:
            try:
                result = mcu.read_ack(answer.payload).result
            except mcu.MessageError as error:
                raise self._malformed(error) from None
            raise self._malformed(mcu.result_words(result))
        return answer.payload

    def _silence(self, discarded_bytes: int, timeout_s: float) -> BadReply | NoReply:
        if discarded_bytes:
            return BadReply(
                f"{discarded_bytes} unreadable bytes instead of an answer from the motor controller",
                devices=self._devices,
                fix="check motors.baud, the cable, and that its firmware speaks EdgeVLA MCU protocol 1",
            )
        return NoReply(
            f"no answer from the motor controller within {timeout_s * 1e3:g} ms",
            devices=self._devices,
            fix="check its power, motors.port and motors.baud",
        )

    def _malformed(self, why: object) -> BadReply:
        return BadReply(
            f"the motor controller's answer is of no use: {why}",
            devices=self._devices,
            fix="check its firmware against mcu.md",
        )
