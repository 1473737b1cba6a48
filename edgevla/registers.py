"""What a frame does to the devices on a bus, in the words that the gate checks: writes of raw register values.

A codec turns its frames into `RegisterWrite`s; a bus lists as `AllowedWrite`s all it ever needs to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RegisterWrite:
    """One device's registers from `address` on shall hold `data`, least significant byte first."""

    device: int
    address: int
    data: bytes

    @property
    def value(self) -> int:
        """The raw value, unsigned. A field with its sign bit set thus reads as a large value, outside any range."""
        return int.from_bytes(self.data, "little")


@dataclass(frozen=True, slots=True)
class AllowedWrite:
    """A write that may pass: exactly `length` bytes at `address`, with `low` <= raw value <= `high`.

    `setup` writes (torque, acceleration ...) prepare a servo and have no place while a plan is played.
    """

    device: int
    address: int
    length: int
    low: int
    high: int
    phase: Literal["always", "setup"]
