"""Collects what is wrong with one file, so that its writer sees all mistakes at once and where each one stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from edgevla.config.node import is_plain, item_name
from edgevla.config.problems import ConfigError, quoted

if TYPE_CHECKING:
    from edgevla.config.node import Node

KeyPath: TypeAlias = "tuple[str | int, ...]"

_MOST = 20


class Report:
    """The mistakes found so far.

    Args:
        root: the file; paths are keys and indices from here.
    """

    def __init__(self, root: Node) -> None:
        self._root = root
        self._lines: list[str] = []

    def add(self, path: KeyPath, text: str) -> None:
        """Note a mistake at `path`."""
        node, shown = self._locate(path)
        self._lines.append(": ".join(part for part in (node.where, shown, text) if part))

    def refuse(self, path: KeyPath, must: str) -> None:
        """Note that the value at `path` is not what it must be; `must` reads "must be ..."."""
        node, _ = self._locate(path)
        self.add(path, f"got {node.shown()}; {must}")

    def raise_if_any(self) -> None:
        """Raise what was found.

        Raises:
            ConfigError: one line a mistake, in the order they were found, at most twenty.
        """
        if not self._lines:
            return
        more = len(self._lines) - _MOST
        raise ConfigError("\n".join(self._lines[:_MOST] + ([f"and {more} more"] if more > 0 else [])))

    def _locate(self, path: KeyPath) -> tuple[Node, str]:
        """The node at `path`, and the path as people write it: items of a list by name where they have one."""
        node, shown = self._root, ""
        for key in path:
            if isinstance(node.value, list) and isinstance(key, int):
                node = node.value[key]
                name = item_name(node)
                shown += f".{name}" if name else f"[{key}]"
            elif isinstance(node.value, dict) and isinstance(key, str):
                node = node.value[key]
                shown += f".{key}" if is_plain(key) else f"[{quoted(key)}]"
        return node, shown.removeprefix(".")
