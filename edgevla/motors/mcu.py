"""Messages of EdgeVLA MCU protocol 1 without I/O, as mcu.md specifies them: requests, answers, what a request does."""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_JOINTS = 16
MAX_TTL_MS = 500
MAX_ID = 252  # of a joint
CONTROLLER = 255  # stands for the controller itself where a joint's id would stand
COUNTS_PER_TURN = 65536

_ACK = struct.Struct("<BBH")
_INFO = struct.Struct("<HBBHB")
_INFO_JOINT = struct.Struct("<BHHII")
_STATE = struct.Struct("<HBBHB")
_STATE_JOINT = struct.Struct("<BHihBB")
_COMMAND = struct.Struct("<HHB")
_COMMAND_JOINT = struct.Struct("<BH")

ACK_BYTES = _ACK.size
LEAST_INFO_BYTES = _INFO.size + _INFO_JOINT.size


class Kind(enum.IntEnum):
    """What a message is: requests below 0x80, answers from there on."""

    HELLO = 0x01
    LOOK = 0x02
    COMMAND = 0x03
    TORQUE = 0x04
    CLEAR = 0x05
    ACK = 0x80
    INFO = 0x81
    STATE = 0x82


class Result(enum.IntEnum):
    """What became of a request."""

    DONE = 0
    UNKNOWN_VERSION = 1
    UNKNOWN_KIND = 2
    BAD_PAYLOAD = 3
    WRONG_JOINTS = 4
    OLD_SEQUENCE = 5
    BAD_TTL = 6
    BEYOND_LIMITS = 7
    TORQUE_IS_OFF = 8
    EXPIRED = 9
    MOVING = 10


class Flag(enum.IntFlag):
    """Bits of `State.flags`."""

    TORQUE_ON = 1 << 0
    EXPIRED = 1 << 1
    VOLTAGE = 1 << 2
    MOVING = 1 << 3


class Fault(enum.IntFlag):
    """Bits of `JointReading.faults`."""

    TEMPERATURE = 1 << 0
    CURRENT = 1 << 1
    SENSOR = 1 << 2


class Virtual(enum.IntEnum):
    """Where the gate sees the parts of a request, for the protocol itself has no registers."""

    GOAL = 0  # of each joint
    SEQUENCE = 16  # this one and the following are of CONTROLLER
    TTL_MS = 18
    TORQUE = 20
    CLEAR = 21


_RESULT_WORDS: dict[int, str] = {
    Result.UNKNOWN_VERSION: "it speaks another protocol version",
    Result.UNKNOWN_KIND: "it does not know this kind of request",
    Result.BAD_PAYLOAD: "the request has the wrong form",
    Result.WRONG_JOINTS: "its joints are others than robot.yaml's",
    Result.OLD_SEQUENCE: "the command is not newer than the last one",
    Result.BAD_TTL: "the command's time to live is out of range",
    Result.BEYOND_LIMITS: "a goal is beyond its own limits",
    Result.TORQUE_IS_OFF: "its torque is off",
    Result.EXPIRED: "it has stopped by itself, for no command came in time",
    Result.MOVING: "it is still moving",
}
FAULT_WORDS = {
    Fault.TEMPERATURE: "too hot",
    Fault.CURRENT: "overcurrent",
    Fault.SENSOR: "position sensor failed",
}


class MessageError(ValueError):
    """The payload does not fit the kind, or the kind is not known."""


class Message(NamedTuple):
    """One request or answer."""

    kind: int
    payload: bytes


class Write(NamedTuple):
    """What a request does, as the write of a `Virtual` register."""

    device: int
    address: int
    data: bytes


class Ack(NamedTuple):
    """What became of a request, and the sequence of the last command that was taken."""

    request: int
    result: int
    accepted: int


class JointLimits(NamedTuple):
    """What the controller keeps a joint to, in counts and counts per second (squared)."""

    device: int
    low: int
    high: int
    velocity: int
    deceleration: int


class Info(NamedTuple):
    """What the controller is."""

    model: int
    firmware: tuple[int, int]
    max_ttl_ms: int
    joints: tuple[JointLimits, ...]


class JointReading(NamedTuple):
    """What the controller measured at a joint."""

    device: int
    position: int
    velocity: int
    load_permille: int
    temperature_c: int
    faults: int


class State(NamedTuple):
    """How the controller stands. `refused`: why it did not take the newest command, 0 when it did."""

    accepted: int
    flags: int
    refused: int
    voltage_mv: int
    joints: tuple[JointReading, ...]


HELLO = Message(Kind.HELLO, b"")  # who is there? The answer is an INFO.
LOOK = Message(Kind.LOOK, b"")  # how do things stand? The answer is a STATE.
CLEAR = Message(Kind.CLEAR, b"")  # forget that a command expired. The answer is an ACK.


def command(sequence: int, ttl_ms: int, goals: Mapping[int, int]) -> Message:
    """Send goals in counts, joint id -> goal, that hold for `ttl_ms`; the answer is an ACK.

    Raises:
        ValueError: more joints than a frame holds.
    """
    if not 0 < len(goals) <= MAX_JOINTS:
        raise ValueError(f"a command is for 1 .. {MAX_JOINTS} joints, not for {len(goals)}")
    rows = b"".join(_COMMAND_JOINT.pack(device, goal) for device, goal in goals.items())
    return Message(Kind.COMMAND, _COMMAND.pack(sequence, ttl_ms, len(goals)) + rows)


def torque(on: bool) -> Message:
    """Switch the torque of all joints; the answer is an ACK."""
    return Message(Kind.TORQUE, bytes((on,)))


def state_bytes(joints: int) -> int:
    """How long a STATE of so many joints is."""
    return _STATE.size + joints * _STATE_JOINT.size


def result_words(result: int) -> str:
    """Say why a request was refused."""
    return _RESULT_WORDS.get(result, f"result {result}")


def writes_in(message: Message) -> tuple[Write, ...]:
    """Return what a request does: nothing for HELLO and LOOK.

    Raises:
        MessageError: no well-formed request.
    """
    kind, payload = message
    if message in (HELLO, LOOK):
        return ()
    if kind == Kind.COMMAND:
        return _command_writes(payload)
    if kind == Kind.TORQUE and payload in (b"\0", b"\1"):
        return (Write(CONTROLLER, Virtual.TORQUE, payload),)
    if message == CLEAR:
        return (Write(CONTROLLER, Virtual.CLEAR, b"\1"),)
    raise MessageError(f"kind {kind:#04x} with {len(payload)} bytes is no request")


def read_ack(payload: bytes) -> Ack:
    """Return what an ACK says.

    Raises:
        MessageError: it is none.
    """
    if len(payload) != _ACK.size:
        raise MessageError(f"an ACK of {len(payload)} bytes")
    return Ack(*_ACK.unpack(payload))


def read_info(payload: bytes) -> Info:
    """Return what an INFO says.

    Raises:
        MessageError: it is none.
    """
    rows = _rows(payload, _INFO, _INFO_JOINT)
    model, major, minor, max_ttl_ms, _ = _INFO.unpack_from(payload)
    return Info(model, (major, minor), max_ttl_ms, tuple(JointLimits(*row) for row in rows))


def read_state(payload: bytes) -> State:
    """Return what a STATE says.

    Raises:
        MessageError: it is none.
    """
    rows = _rows(payload, _STATE, _STATE_JOINT)
    accepted, flags, refused, voltage_mv, _ = _STATE.unpack_from(payload)
    return State(accepted, flags, refused, voltage_mv, tuple(JointReading(*row) for row in rows))


def _command_writes(payload: bytes) -> tuple[Write, ...]:
    rows = _rows(payload, _COMMAND, _COMMAND_JOINT)
    sequence, ttl_ms, _ = _COMMAND.unpack_from(payload)
    return (
        Write(CONTROLLER, Virtual.SEQUENCE, sequence.to_bytes(2, "little")),
        Write(CONTROLLER, Virtual.TTL_MS, ttl_ms.to_bytes(2, "little")),
        *(Write(device, Virtual.GOAL, goal.to_bytes(2, "little")) for device, goal in rows),
    )


def _rows(payload: bytes, head: struct.Struct, row: struct.Struct) -> list[tuple[int, ...]]:
    """Return the rows behind a head whose last byte counts them, each beginning with a joint's id of its own."""
    count = payload[head.size - 1] if len(payload) >= head.size else 0
    if not 0 < count <= MAX_JOINTS or len(payload) != head.size + count * row.size:
        raise MessageError(f"{len(payload)} bytes for {count} joints")
    rows = list(row.iter_unpack(payload[head.size :]))
    if len({each[0] for each in rows}) != count or any(each[0] > MAX_ID for each in rows):
        raise MessageError("a joint is named twice, or has no id")
    return rows
