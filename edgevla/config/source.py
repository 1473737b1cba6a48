"""Reading a YAML file into nodes.

On purpose a small part of YAML: one document of mappings with distinct text keys, lists and scalars. Anchors, aliases
and tags are refused, so nothing can grow on reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from edgevla.config.node import Node, resolve
from edgevla.config.problems import ConfigError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 16

# What PyYAML says -> what a person can act on.
_HINTS = {
    "character '\\t'": ("a tab where YAML allows only spaces", "replace the tab by spaces"),
    "could not find expected ':'": (
        'a line that is neither "key: value" nor "- item"',
        "write a space after the colon",
    ),
    "mapping values are not allowed": (
        'a ":" where no key can stand',
        'line the key up with its neighbours, or put quotes round text that contains ": "',
    ),
    "cannot start any token": ("a character that text cannot begin with", "put quotes round the text"),
    "expected <block end>": ("a line indented differently from its neighbours", "line it up with the entries above"),
    "expected ',' or": ("a bracket with a missing comma, or never closed", "add what is missing"),
    "stream": ("a bracket or quote that is never closed", "close it"),
}
_BEGUN = ("scanning a", "parsing a flow sequence", "parsing a flow mapping")


def read_yaml(path: Path) -> Node:
    """Read a YAML file.

    Raises:
        ConfigError: missing, unreadable, not a regular file, larger than `MAX_BYTES`, not UTF-8, or not the YAML
            described above; the message begins with the file and, where there is one, the line.
    """
    data = _read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise ConfigError(f"{path}:{line}: {byte}", fix="save the file as UTF-8") from None
    return parse_yaml(text, lambda line: f"{path}:{line}")


def parse_yaml(text: str, where: Callable[[int], str]) -> Node:
    """Read YAML text; `where` turns a line number, from 1, into the beginning of a message.

    Raises:
        ConfigError: as for `read_yaml`.
    """
    composer = _Composer(yaml.parse(text, Loader=yaml.SafeLoader), where)
    try:
        return composer.document()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{where(line)}: not valid YAML: a control character", fix="delete it") from None
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, composer) from None


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ConfigError(f"{path}: is a folder", fix="name the file inside it")
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file", fix="check the path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", fix="check its permissions") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES // 1024} KiB", fix="this cannot be the right file")
    return data


def _not_yaml(error: yaml.MarkedYAMLError, composer: _Composer) -> ConfigError:
    problem, context = error.problem or "malformed", error.context or ""
    line = composer.line if error.problem_mark is None else error.problem_mark.line + 1
    # A missing colon, quote or bracket is noticed only further down: point at where the thing began.
    if error.context_mark is not None and any(part in context for part in _BEGUN):
        line = error.context_mark.line + 1
    elif "stream" in problem:
        line = composer.line
    words, fix = next((hint for said, hint in _HINTS.items() if said in problem), (problem, ""))
    return ConfigError(f"{composer.where(line)}: not valid YAML: {words}", fix=fix)


class _Composer:
    """Builds nodes from PyYAML's events."""

    def __init__(self, events: Iterator[yaml.Event], where: Callable[[int], str]) -> None:
        self._events = events
        self.where = where
        self.line = 1  # of the last value understood

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if not isinstance(event, yaml.NodeEvent):
                continue
            if root is not None:
                raise ConfigError(f"{self._at(event)}: a second document begins", fix='remove the line "---" above')
            root = self._node(event, 0)
        if root is None:
            raise ConfigError(f"{self.where(1)}: the file is empty")
        return root

    def _at(self, event: yaml.Event) -> str:
        self.line = event.start_mark.line + 1
        return self.where(self.line)

    def _node(self, event: yaml.Event, depth: int, where: str = "") -> Node:
        where = where or self._at(event)
        kinds = (yaml.ScalarEvent, yaml.SequenceStartEvent, yaml.MappingStartEvent)
        if not isinstance(event, kinds) or event.anchor is not None:
            raise ConfigError(f"{self._at(event)}: anchors (&) and aliases (*) are not allowed", fix="write it out")
        if event.tag is not None:
            raise ConfigError(f"{self._at(event)}: the tag {quoted(event.tag)} is not allowed", fix="remove it")
        if depth > _MAX_DEPTH:
            raise ConfigError(f"{self._at(event)}: nested more than {_MAX_DEPTH} deep")
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(list(self._items(depth + 1)), where)
        if isinstance(event, yaml.MappingStartEvent):
            return Node(self._entries(depth + 1), where)
        return Node(resolve(event.value) if event.implicit[0] else event.value, where, event.value)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth)

    def _entries(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth)
            if not isinstance(key.value, str):
                raise ConfigError(f"{key.where}: got {key.shown()} as a key; must be text", fix="put it in quotes")
            if key.value in entries:
                first = entries[key.value].where
                raise ConfigError(f"{key.where}: the key {quoted(key.value)} stands twice; first at {first}")
            entries[key.value] = self._node(next(self._events), depth, key.where)
        return entries
