"""Homing offset and range of every servo: the guided sweep, and what follows from it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edgevla.calibrate.errors import CalibrationError
from edgevla.calibrate.servo_memory import Memory
from edgevla.calibrate.sweep import TURN, Sweep
from edgevla.calibrate.zeroing import rehomed, servo_calibration, short_sweep, zeroed
from edgevla.motors.errors import ReplyError
from edgevla.motors.sts3215 import MAX_COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgevla.calibrate.lerobot import ServoCalibration
    from edgevla.calibrate.servo_memory import ServoMemory
    from edgevla.calibrate.zeroing import Pair, Zeroed
    from edgevla.config.robot import Joint

MIDDLE = "Hold the arm: it has no torque. Move every joint to about the middle of its range, then press Enter."
SWEEP = "Now move each joint slowly from stop to stop. Press Enter when all have been at both ends."
_LOOK_S = 0.02
_LOST_REPLIES = 25  # in a row: half a second


class Operator(Protocol):
    """The person at the terminal."""

    def step(self, words: str) -> None:
        """Say what to do and wait for Enter."""
        ...

    def tell(self, words: str) -> None:
        """Say what to do, and do not wait."""
        ...

    def show(self, sweeps: Mapping[str, Sweep]) -> None:
        """Show how far the joints have been moved, in place of what was shown before."""
        ...

    def finished(self) -> bool:
        """Whether Enter was pressed since the last call."""
        ...


class Range(NamedTuple):
    """Reported positions between the stops, under one homing offset; they may go on beyond 0 .. 4095."""

    low: int
    high: int
    offset: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What a calibration comes to. `memories`: what the servos have to be told; empty when they stay as they are."""

    memories: Mapping[str, Memory]
    joints: tuple[Zeroed, ...]
    servos: Mapping[str, ServoCalibration]


def measure(
    memory: ServoMemory,
    joints: Sequence[Joint],
    stops: Mapping[str, Pair],
    operator: Operator,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Range]:
    """Lead a person through the sweep. Nothing is written, and the arm does not move by itself.

    Raises:
        CalibrationError: a joint has torque.
        ReplyError: the servos stopped answering.
    """
    if stiff := memory.stiff():
        raise CalibrationError(
            f"the torque of {', '.join(stiff)} is on: the arm cannot be moved by hand",
            fix="support the arm, then power the servos off and on",
        )
    operator.step(MIDDLE)
    sweeps = {name: Sweep(position) for name, position in memory.positions().items()}
    operator.tell(SWEEP)
    lost = 0
    while True:
        try:
            for name, position in memory.positions().items():
                sweeps[name].see(position)
            lost = 0
        except ReplyError:
            lost += 1
            if lost == _LOST_REPLIES:
                raise
        operator.show(sweeps)
        if operator.finished():
            short = [
                words for joint in joints if (words := short_sweep(joint, sweeps[joint.name].span, stops[joint.name]))
            ]
            if not short:
                break
            operator.tell(f"Not yet: {'; '.join(short)}. Go on, then press Enter.")
        pause(_LOOK_S)
    offsets = memory.stored()
    return {name: Range(sweep.low, sweep.high, offsets[name].homing_offset) for name, sweep in sweeps.items()}


def from_lerobot(servos: Mapping[str, ServoCalibration]) -> dict[str, Range]:
    """The ranges of a LeRobot calibration."""
    return {name: Range(servo.range_min, servo.range_max, servo.homing_offset) for name, servo in servos.items()}


def to_tell(ranges: Mapping[str, Range], servos: Mapping[str, ServoCalibration]) -> dict[str, Memory]:
    """What to write into the servos: a LeRobot calibration as it is, a sweep with its middle at the count's middle."""
    if servos:
        return {name: Memory(each.homing_offset, each.range_min, each.range_max) for name, each in servos.items()}
    return {name: rehomed(*found) for name, found in ranges.items()}


def settle(
    joints: Sequence[Joint],
    ranges: Mapping[str, Range],
    stored: Mapping[str, Memory],
    stops: Mapping[str, Pair],
    *,
    inverted: Sequence[str] = (),
    told: Mapping[str, Memory] = MappingProxyType({}),
) -> Settled:
    """Work out what the servos and robot.yaml have to be told.

    Args:
        stored: what the servos remember now.
        stops: of the arm's model.
        inverted: joints whose counts fall when the angle grows, besides those that robot.yaml says.
        told: what the servos will be told; else the numbers have to suit what they have.

    Raises:
        CalibrationError: a range crosses the end of the count, and the servo is not told anything else.
    """
    kept = {name: told.get(name) or _under(name, ranges[name], stored[name]) for name in stored}
    found = tuple(
        zeroed(
            joint,
            (kept[joint.name].range_min, kept[joint.name].range_max),
            stops[joint.name],
            -1 if joint.name in inverted else joint.sign,
        )
        for joint in joints
    )
    servos = {each.joint.name: servo_calibration(each, kept[each.joint.name].homing_offset) for each in found}
    changed = {name: memory for name, memory in told.items() if memory != stored[name]}
    return Settled(changed, found, servos)


def _under(name: str, found: Range, stored: Memory) -> Memory:
    """The range as the servo reports it with the offset it has."""
    shift = found.offset - stored.homing_offset
    middle = (found.low + found.high) // 2
    shift += (middle + shift) % TURN - (middle + shift)
    low, high = found.low + shift, found.high + shift
    if low < 0 or high > MAX_COUNTS:
        raise CalibrationError(
            f"{name}: its range is {low} .. {high} counts and crosses the end of the count, where no goal can be sent",
            fix="run this again with --write-servos, which moves the servo's homing offset",
        )
    return Memory(stored.homing_offset, low, high)
