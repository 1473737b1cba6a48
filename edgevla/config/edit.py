"""New values in a YAML text that keeps everything else: comments, order, spacing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from edgevla.config.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = tuple["str | int", ...]


def replace_scalars(text: str, changes: Mapping[Key, str]) -> str:
    """Replace values of a YAML text by their place in it, and nothing else.

    Raises:
        ConfigError: there is no such value.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    spots = []
    for key, value in changes.items():
        node = _find(root, key)
        if node.value != value:
            spots.append((node.start_mark.index, node.end_mark.index, value))
    for start, end, value in sorted(spots, reverse=True):
        text = text[:start] + value + text[end:]
    return text


def _find(node: yaml.Node | None, key: Key) -> yaml.ScalarNode:
    for part in key:
        if isinstance(node, yaml.MappingNode):
            node = next((child for name, child in node.value if name.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            node = None
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"robot.yaml has no value at {'.'.join(map(str, key))}", fix="write it down first")
    return node
