"""Every name of a foreign module that our sources use, such as `Builder.create_network`, read from the sources.

A method is known by the class of its object, which must stand in the source: by the call that made the object
(`builder = trt.Builder(log)`), or by an annotation. Where it does not, that is reported, so that nothing slips through.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UNKNOWN = "?"


@dataclass
class Use:
    """`names` are dotted paths inside the module; `unclear` are uses whose class the source does not tell."""

    names: set[str] = field(default_factory=set)
    unclear: list[str] = field(default_factory=list)


def used(paths: Iterable[Path], module: str) -> Use:
    """Collect the uses of `module`, whatever it is imported as."""
    use = Use()
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for alias in _aliases(tree, module):
            _Collector(path.name, alias, use).visit(tree)
    return use


def _aliases(tree: ast.Module, module: str) -> set[str]:
    package, _, last = module.rpartition(".")
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name for alias in node.names if alias.name == module}
        elif isinstance(node, ast.ImportFrom) and node.module == package:
            found |= {alias.asname or alias.name for alias in node.names if alias.name == last}
    return found


class _Collector(ast.NodeVisitor):
    def __init__(self, file: str, alias: str, use: Use) -> None:
        self._file, self._alias, self._use = file, alias, use
        self._classes: dict[str, str] = {}  # variable or self.attribute -> class, or _UNKNOWN

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = dict(self._classes)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            self._learn(argument.arg, self._annotated(argument.annotation))
        self.generic_visit(node)
        attributes = {name: kind for name, kind in self._classes.items() if "." in name}
        self._classes = {**outer, **attributes}

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._learn(ast.unparse(node.target), self._annotated(node.annotation))
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for name, value in pairs:
                self._learn(ast.unparse(name), self._class_of(value))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = ast.unparse(node)
        kind = self._class_of(node.value)
        if path.startswith(f"{self._alias}.") and "(" not in path:
            self._use.names.add(path.removeprefix(f"{self._alias}."))
        elif kind == _UNKNOWN:
            self._use.unclear.append(f"{self._file}:{node.lineno}: {path}")
        elif kind is not None:
            self._use.names.add(f"{kind}.{node.attr}")
        self.generic_visit(node)

    def _learn(self, name: str, kind: str | None) -> None:
        self._classes.pop(name, None)
        if kind is not None:
            self._classes[name] = kind

    def _annotated(self, annotation: ast.expr | None) -> str | None:
        """The class in `trt.X` or `trt.X | None`."""
        if isinstance(annotation, ast.BinOp):
            return self._annotated(annotation.left)
        if isinstance(annotation, ast.Attribute) and ast.unparse(annotation.value) == self._alias:
            return annotation.attr
        return None

    def _class_of(self, value: ast.expr) -> str | None:
        """What an expression is an object of; None when it has nothing to do with the module."""
        if isinstance(value, (ast.Name, ast.Attribute)) and ast.unparse(value) in self._classes:
            return self._classes[ast.unparse(value)]
        if not isinstance(value, ast.Call):
            return None
        called = ast.unparse(value.func)
        if called.startswith(f"{self._alias}."):
            name = called.removeprefix(f"{self._alias}.")
            return name if name[:1].isupper() and "." not in name else _UNKNOWN
        if isinstance(value.func, ast.Attribute) and self._class_of(value.func.value) is not None:
            return _UNKNOWN
        return None
