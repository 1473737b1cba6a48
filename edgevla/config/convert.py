"""Nodes into typed structs, finding every mistake in one pass.

msgspec knows the types; its own conversion stops at the first mistake and cannot say on which line it stands, so the
walk is here.
"""

from __future__ import annotations

import difflib
import math
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from msgspec import inspect as kinds

from edgevla.config.allowed import Pattern, rule_of
from edgevla.config.expected import expected
from edgevla.config.problems import quoted
from edgevla.config.report import KeyPath, Report
from edgevla.config.units import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edgevla.config.node import Node

T = TypeVar("T", bound=msgspec.Struct)

_BAD = object()  # stands for a value whose mistake has been reported
_kind = cache(kinds.type_info)


def convert(root: Node, into: type[T]) -> T:
    """Build an `into` from a whole file.

    Raises:
        ConfigError: wrong types, units or ranges, missing and unknown keys; one line each.
    """
    report = Report(root)
    value = _Walk(report).value(root, _kind(into), ())
    report.raise_if_any()
    return cast("T", value)


class _Walk:
    """Goes down the file and its type side by side."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._readers: dict[type[kinds.Type], Callable[[Node, Any, KeyPath], object]] = {
            kinds.CustomType: self._quantity,
            kinds.DictType: self._table,
            kinds.Metadata: self._ruled,
            kinds.StructType: self._struct,
            kinds.TupleType: self._row,
            kinds.VarTupleType: self._list,
        }

    def value(self, node: Node, kind: kinds.Type, path: KeyPath) -> object:
        if isinstance(kind, kinds.UnionType) and node.value is not None:
            kind = next((member for member in kind.types if isinstance(member, kinds.StructType)), kind)
        return self._readers.get(type(kind), self._scalar)(node, kind, path)

    def _refuse(self, path: KeyPath, must: str) -> object:
        self._report.refuse(path, f"must be {must}")
        return _BAD

    def _scalar(self, node: Node, kind: kinds.Type, path: KeyPath) -> object:
        if not _is_scalar_of(node.value, kind):
            return self._refuse(path, expected(kind))
        members = kind.types if isinstance(kind, kinds.UnionType) else (kind,)
        is_float = any(isinstance(member, kinds.FloatType) for member in members)
        return float(node.value) if is_float and isinstance(node.value, int) else node.value

    def _quantity(self, node: Node, kind: kinds.CustomType, path: KeyPath) -> object:
        if not issubclass(kind.cls, Quantity):
            raise TypeError(f"{kind.cls.__name__} is not a type for a configuration file")
        try:
            return kind.cls.parse(node.value)
        except ValueError as error:
            self._report.refuse(path, str(error))
            return _BAD

    def _ruled(self, node: Node, kind: kinds.Metadata, path: KeyPath) -> object:
        if type(kind.type) not in self._readers and not _is_scalar_of(node.value, kind.type):
            return self._refuse(path, expected(kind))
        value, rule = self.value(node, kind.type, path), rule_of(kind.extra)
        if value is _BAD or value is None or rule is None:
            return value
        if isinstance(rule, Pattern):
            fits = rule.allows(cast("str", value))
        else:
            factor = value.units[rule.unit] if isinstance(value, Quantity) else 1.0
            fits = rule.allows(cast("float", value), factor)
        return value if fits else self._refuse(path, str(rule))

    def _list(self, node: Node, kind: kinds.VarTupleType, path: KeyPath) -> object:
        if not isinstance(node.value, list):
            return self._refuse(path, expected(kind))
        return self._items(node.value, [kind.item_type] * len(node.value), path)

    def _row(self, node: Node, kind: kinds.TupleType, path: KeyPath) -> object:
        if not isinstance(node.value, list) or len(node.value) != len(kind.item_types):
            return self._refuse(path, expected(kind))
        return self._items(node.value, kind.item_types, path)

    def _items(self, nodes: list[Node], item_kinds: Iterable[kinds.Type], path: KeyPath) -> object:
        pairs = zip(nodes, item_kinds, strict=True)
        return tuple(self.value(node, kind, (*path, index)) for index, (node, kind) in enumerate(pairs))

    def _table(self, node: Node, kind: kinds.DictType, path: KeyPath) -> object:
        if not isinstance(node.value, dict):
            return self._refuse(path, expected(kind))
        return {key: self.value(child, kind.value_type, (*path, key)) for key, child in node.value.items()}

    def _struct(self, node: Node, kind: kinds.StructType, path: KeyPath) -> object:
        if not isinstance(node.value, dict):
            return self._refuse(path, expected(kind))
        names = [field.name for field in kind.fields]
        for key in node.value:
            if key not in names:
                self._report.add((*path, key), _unknown(key, names))
        values = {}
        complete = True
        for field in kind.fields:
            if field.name in node.value:
                values[field.name] = self.value(node.value[field.name], field.type, (*path, field.name))
            elif field.required:
                complete = False
                self._report.add(path, f'"{field.name}" is missing; must be {expected(field.type)}')
        return kind.cls(**values) if complete else _BAD


def _is_scalar_of(value: object, kind: kinds.Type) -> bool:
    if isinstance(kind, kinds.UnionType):
        return any(_is_scalar_of(value, member) for member in kind.types)
    if isinstance(kind, kinds.LiteralType):  # True == 1, so the type counts too
        return any(type(value) is type(choice) and value == choice for choice in kind.values)
    if isinstance(kind, kinds.FloatType):
        return type(value) in (int, float) and math.isfinite(cast("float", value))
    exact = {kinds.IntType: int, kinds.StrType: str, kinds.BoolType: bool, kinds.NoneType: type(None)}
    return type(value) is exact.get(type(kind))


def _unknown(key: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(key, allowed, n=1)
    guess = f'; did you mean "{close[0]}"?' if close else ";"
    return f"unknown key {quoted(key)}{guess} allowed: {', '.join(allowed)}"
