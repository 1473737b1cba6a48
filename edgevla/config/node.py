"""One value of a YAML file that knows where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from edgevla.config.problems import quoted

Scalar: TypeAlias = "None | bool | int | float | str"

_SHOWN = 60
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]*\.[0-9]+|[0-9]+\.|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}
_NOT_FINITE = {".nan": "nan", ".inf": "inf", "+.inf": "inf", "-.inf": "-inf"}


@dataclass(slots=True)
class Node:
    """One value of the file.

    Args:
        value: a scalar, a list of nodes, or a mapping from key to node.
        where: what a message begins with, `robot.yaml:14` (for a mapping's entry, the line of its key).
        written: a scalar as it stands in the file.
    """

    value: Scalar | list[Node] | dict[str, Node]
    where: str
    written: str = ""

    def shown(self) -> str:
        """The value for a message: on one line, cut to a readable length, safe to print."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            flat = not any(isinstance(item.value, (list, dict)) for item in self.value)
            text = f"[{', '.join(item.written for item in self.value)}]"
            return text if flat and len(text) <= _SHOWN and text.isprintable() else f"a list of {len(self.value)}"
        if isinstance(self.value, str):
            return quoted(self.value, _SHOWN)
        return self.written or "nothing"


def item_name(node: Node) -> str:
    """What an item of a list calls itself, where that can stand in a dotted path; else empty."""
    name = node.value.get("name") if isinstance(node.value, dict) else None
    return name.value if name is not None and isinstance(name.value, str) and is_plain(name.value) else ""


def is_plain(key: str) -> bool:
    """Whether a key can stand in a dotted path as it is."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key) is not None


def resolve(text: str) -> Scalar:
    """The meaning of an unquoted scalar.

    Only `true`, `false`, `null` and decimal numbers are not text: `on`, `no`, `010` and `1:30` stay what was written.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if text.lower() in _NOT_FINITE:
        return float(_NOT_FINITE[text.lower()])
    return float(text) if _FLOAT.fullmatch(text) else text
