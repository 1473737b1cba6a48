"""A rule, and a place where a graph breaks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgevla.quantize.lint.view import View

    Places = Iterator[tuple[str, str]]  # node or tensor, what is wrong with it


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold.

    Args:
        name: how people call it.
        why: what happens otherwise.
        fix: what to do about it.
        broken: yields the places where it does not hold.
    """

    name: str
    why: str
    fix: str
    broken: Callable[[View], Places]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a rule is broken."""

    rule: str
    node: str
    what: str
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.node}: {self.what} ({self.rule}): {self.why} - {self.fix}"
