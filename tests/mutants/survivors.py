"""Mutants that survive: how mutmut tells of them, and the list of those that are known, with the reason."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path
from typing import NamedTuple

NOTHING = "(nothing)"
LIST = Path(__file__).with_name("survivors.md")
_ROW = re.compile(r"^\| (?P<file>\S+):(?P<line>\d+) \| `(?P<was>.*)` → `(?P<becomes>.*)` \| (?P<reason>.+) \|$")
_TOKEN = re.compile(r"[\w.]+|\s+|[()\[\],]|[^\w\s()\[\],]+")
_HUNK = re.compile(r"^@@ -(\d+)")


class Survivor(NamedTuple):
    """One change that no test notices: on this line of this file, what stood there and what the mutant has instead."""

    file: str
    line: int
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"| {self.file}:{self.line} | `{self.was or NOTHING}` → `{self.becomes or NOTHING}` |"


def listed() -> dict[Survivor, str]:
    """The known survivors and why each of them is one."""
    rows = (_ROW.match(line) for line in LIST.read_text(encoding="utf-8").splitlines())
    return {
        Survivor(row["file"], int(row["line"]), *map(_unless_nothing, (row["was"], row["becomes"]))): row["reason"]
        for row in rows
        if row is not None
    }


def described(name: str, diff: str, root: Path) -> Survivor:
    """A mutant by its diff and mutmut's name: `package.module.x_function__mutmut_1` or `…xǁClassǁmethod__mutmut_1`."""
    module, _, mangled = name.rpartition(".")
    file = module.replace(".", "/") + ".py"
    source = (root / file).read_text(encoding="utf-8")
    first = _first_line(ast.parse(source), mangled.rpartition("__mutmut_")[0])
    old, new, offset = _changed_lines(diff)
    line = first + offset
    stands = source.splitlines()[line - 1].strip()
    if stands != old[0].strip():
        raise ValueError(f"{file}:{line} is not where {name} changes {old[0].strip()!r}, but {stands!r}")
    return Survivor(file, line, *_fragments(" ".join(map(str.strip, old)), " ".join(map(str.strip, new))))


def _unless_nothing(fragment: str) -> str:
    return "" if fragment == NOTHING else fragment


def _first_line(tree: ast.Module, mangled: str) -> int:
    path = mangled.removeprefix("x").strip("ǁ").split("ǁ") if "ǁ" in mangled else [mangled.removeprefix("x_")]
    scope: ast.AST = tree
    for name in path:
        scope = next(node for node in ast.iter_child_nodes(scope) if getattr(node, "name", "") == name)
    return min(node.lineno for node in (scope, *getattr(scope, "decorator_list", [])))


def _changed_lines(diff: str) -> tuple[list[str], list[str], int]:
    """The lines before and after the change, and how many lines of the function stand before it."""
    old, new, offset, at = [], [], 0, 0
    for text in diff.splitlines():
        if hunk := _HUNK.match(text):
            at = int(hunk[1]) - 1
        elif not at and text.startswith(("---", "+++", "#")):
            continue
        elif text.startswith("-"):
            offset = at if not old else offset
            old.append(text[1:])
            at += 1
        elif text.startswith("+"):
            new.append(text[1:])
        else:
            at += 1
    return old, new, offset


def _fragments(was: str, becomes: str) -> tuple[str, str]:
    """What differs, in whole words."""
    old, new = _TOKEN.findall(was), _TOKEN.findall(becomes)
    alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    old, new = old[alike:], new[alike:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return "".join(old).strip(), "".join(new).strip()
