"""Plain data as YAML that `source` reads back unchanged, the same bytes for the same data."""

from __future__ import annotations

from typing import Any

import yaml

from edgevla.config.node import resolve


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    # PyYAML quotes what YAML 1.1 would misread; our reader takes some other words for numbers, such as 1e5. Rare line
    # breaks survive only as escapes.
    quotes = None if isinstance(resolve(text), str) and text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=quotes)


def _list(dumper: _Dumper, items: list[Any] | tuple[Any, ...]) -> yaml.Node:
    flat = not any(isinstance(item, (list, tuple, dict)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flat)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(tuple, _list)


def yaml_text(data: dict[str, Any]) -> str:
    """Mappings and sequences of scalars as YAML; keys keep their order, and a flat sequence takes one line."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
