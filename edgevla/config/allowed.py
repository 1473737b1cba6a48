"""What a field allows beyond its type, written beside it: `Annotated[SpeedRadS, within(above=0, unit="deg/s")]`.

The rules travel in the annotation's `extra`, where `convert` finds them; their `str` finishes "must be ...".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, in `unit`."""

    above: float
    at_least: float
    at_most: float
    unit: str

    def allows(self, value: float, factor: float) -> bool:
        """Whether `value`, in the SI unit, is inside; `factor` takes the bounds from `unit` into the SI unit."""
        return self.above * factor < value and self.at_least * factor <= value <= self.at_most * factor

    def __str__(self) -> str:
        named = (("above", self.above), ("at least", self.at_least), ("at most", self.at_most))
        unit = f" {self.unit}" if self.unit else ""
        return " and ".join(f"{words} {bound:.10g}{unit}" for words, bound in named if math.isfinite(bound))


@dataclass(frozen=True, slots=True)
class Pattern:
    """The form of a text."""

    regex: str
    words: str

    def allows(self, value: str) -> bool:
        """Whether the whole text has the form; control characters and line breaks never do."""
        return value.isprintable() and re.fullmatch(self.regex, value) is not None

    def __str__(self) -> str:
        return self.words


def within(
    *, above: float = -math.inf, at_least: float = -math.inf, at_most: float = math.inf, unit: str = ""
) -> msgspec.Meta:
    """Annotate a number or a quantity with its bounds; `unit` is one of the quantity's units, or words for a number."""
    return msgspec.Meta(extra={"allowed": Range(above, at_least, at_most, unit)})


def matching(regex: str, words: str) -> msgspec.Meta:
    """Annotate a text with the form it must have; `words` finish the sentence "must be ..."."""
    return msgspec.Meta(extra={"allowed": Pattern(regex, words)})


def rule_of(extra: dict[str, Any] | None) -> Range | Pattern | None:
    """The rule an annotation carries."""
    rule = (extra or {}).get("allowed")
    return rule if isinstance(rule, (Range, Pattern)) else None


Text = Annotated[str, matching(r"\s*\S.*", "text on one line, not empty")]
# Names stand in dotted paths ("joints.elbow_flex.velocity") and in "camera:front", so without dots and spaces.
Name = Annotated[str, matching("[A-Za-z][A-Za-z0-9_-]*", "a word of letters, digits, _ and -, beginning with a letter")]
