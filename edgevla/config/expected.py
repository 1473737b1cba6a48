"""What a field takes, in words that finish the sentence "must be ..."."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from msgspec import inspect as kinds

from edgevla.config.allowed import Pattern, rule_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.config.units import Quantity


def expected(kind: kinds.Type) -> str:
    """Describe what a value of this type looks like in the file."""
    return _WORDS[type(kind)](kind)


def _ruled(kind: kinds.Metadata) -> str:
    rule = rule_of(kind.extra)
    if isinstance(rule, Pattern):
        return str(rule)
    return f"{expected(kind.type)}, {rule}" if rule else expected(kind.type)


def _choices(kind: kinds.LiteralType) -> str:
    return " or ".join(f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in kind.values)


def _quantity(kind: kinds.CustomType) -> str:
    return cast("type[Quantity]", kind.cls).form()


_WORDS: dict[type[kinds.Type], Callable[[Any], str]] = {
    kinds.BoolType: lambda _: "true or false",
    kinds.CustomType: _quantity,
    kinds.DictType: lambda _: "a mapping",
    kinds.FloatType: lambda _: "a finite number",
    kinds.IntType: lambda _: "a whole number",
    kinds.LiteralType: _choices,
    kinds.Metadata: _ruled,
    kinds.NoneType: lambda _: "null",
    kinds.StrType: lambda _: "text",
    kinds.StructType: lambda kind: f"a mapping with the keys {', '.join(field.name for field in kind.fields)}",
    kinds.TupleType: lambda kind: f"a list of {len(kind.item_types)}, each {expected(kind.item_types[0])}",
    kinds.UnionType: lambda kind: " or ".join(expected(member) for member in kind.types),
    kinds.VarTupleType: lambda _: "a list",
}
