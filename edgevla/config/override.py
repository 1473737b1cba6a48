"""`--set motors.port=/dev/ttyUSB0`: one value of a file, replaced from the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgevla.config.node import Node, item_name, resolve
from edgevla.config.problems import ConfigError, quoted
from edgevla.config.source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


def apply_overrides(root: Node, overrides: Mapping[str, str]) -> None:
    """Replace values of `root` in place.

    A key is a dotted path in which an item of a list goes by its name or its index (`joints.elbow_flex.velocity`,
    `joints.2.velocity`). A value that begins with a bracket or a quote is read as YAML; any other stands for itself,
    so that an address or a path needs no quoting.

    Raises:
        ConfigError: the path leads nowhere, or the value is not valid YAML; the message begins with `--set path=value`.
    """
    for path, text in overrides.items():
        given = f"{path}={text}"
        where = f"--set {given if given.isprintable() else quoted(given)}"
        _put(root, re.sub(r"\[(\d+)\]", r".\1", path).split("."), _value(text, where))


def _value(text: str, where: str) -> Node:
    if text.startswith(("[", "{", '"', "'")):
        return parse_yaml(text, lambda _: where)
    return Node(resolve(text), where, text)


def _put(root: Node, keys: list[str], value: Node) -> None:
    node = root
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(node.value, dict) and (last or key in node.value):
            if last:
                # A key that the type does not know is found by `convert`, with the list of those it does.
                node.value[key] = value
                return
            node = node.value[key]
        elif isinstance(node.value, list) and (index := _index(node.value, key)) is not None:
            if last:
                node.value[index] = value
                return
            node = node.value[index]
        else:
            parent = ".".join(keys[:depth]) or "the file"
            raise ConfigError(f'{value.where}: {parent} has no "{key}"; it has {_inside(node)}')


def _index(items: list[Node], key: str) -> int | None:
    names = [item_name(item) for item in items]
    if key in names:
        return names.index(key)
    return int(key) if key.isdecimal() and int(key) < len(items) else None


def _inside(node: Node) -> str:
    if isinstance(node.value, dict):
        return ", ".join(key if key.isprintable() else quoted(key) for key in node.value) or "nothing"
    if isinstance(node.value, list):
        return ", ".join(item_name(item) or str(index) for index, item in enumerate(node.value)) or "no items"
    return f"no parts, only the value {node.shown()}"
