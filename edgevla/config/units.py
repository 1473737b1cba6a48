"""Quantities with units, as they stand in YAML: `115 deg/s` becomes a float in the SI unit its type names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, TypeVar

from edgevla.config.problems import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEG = math.pi / 180.0

Q = TypeVar("Q", bound="Quantity")


class Quantity(float):
    """A float that can only be written with one of its units.

    `units` maps each accepted unit to its factor into the SI unit; the first one is what messages and tables use.
    """

    units: ClassVar[Mapping[str, float]] = {}

    @classmethod
    def parse(cls: type[Q], raw: object) -> Q:
        """Read `"<number> <unit>"`.

        Raises:
            ValueError: not of that form, a unit of another kind, or not finite; the message reads "must be ...".
        """
        if not isinstance(raw, str):
            raise ValueError(f"must be {cls.form()}")
        number, _, unit = raw.strip().partition(" ")
        unit = unit.strip()
        try:
            value = float(number)
        except ValueError:
            raise ValueError(f"must be {cls.form()}") from None
        if not unit:
            raise ValueError(f"must be {cls.form()}")
        if unit not in cls.units:
            raise ValueError(f"must be in {' or '.join(cls.units)}, not in {quoted(unit)}")
        if not math.isfinite(value):
            raise ValueError("must be finite")
        return cls(value * cls.units[unit])

    @classmethod
    def form(cls) -> str:
        """How a quantity of this kind is written, for messages."""
        first = next(iter(cls.units))
        return f'a number, a space and a unit ({" or ".join(cls.units)}), such as "1.5 {first}"'

    def written(self) -> str:
        """The value in the first unit of its kind, to six digits: `120 deg/s`."""
        unit, factor = next(iter(self.units.items()))
        return f"{self / factor:g} {unit}"


class AngleRad(Quantity):
    """rad."""

    units: ClassVar[Mapping[str, float]] = {"deg": _DEG, "rad": 1.0}


class SpeedRadS(Quantity):
    """rad/s."""

    units: ClassVar[Mapping[str, float]] = {"deg/s": _DEG, "rad/s": 1.0}


class AccelerationRadS2(Quantity):
    """rad/s^2."""

    units: ClassVar[Mapping[str, float]] = {"deg/s^2": _DEG, "rad/s^2": 1.0}


class JerkRadS3(Quantity):
    """rad/s^3."""

    units: ClassVar[Mapping[str, float]] = {"deg/s^3": _DEG, "rad/s^3": 1.0}


class LengthM(Quantity):
    """m."""

    units: ClassVar[Mapping[str, float]] = {"m": 1.0, "mm": 1e-3}


class SpeedMS(Quantity):
    """m/s."""

    units: ClassVar[Mapping[str, float]] = {"mm/s": 1e-3, "m/s": 1.0}


class TimeS(Quantity):
    """s."""

    units: ClassVar[Mapping[str, float]] = {"ms": 1e-3, "s": 1.0}


class RateHz(Quantity):
    """Hz."""

    units: ClassVar[Mapping[str, float]] = {"Hz": 1.0}


class SizeBytes(Quantity):
    """Bytes, in powers of ten, as disks are sold."""

    units: ClassVar[Mapping[str, float]] = {"GB": 1e9, "MB": 1e6, "TB": 1e12}
