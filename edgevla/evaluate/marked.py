"""A table in a Markdown file, between two marks; what stands around them is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def write_between(path: Path, begin: str, text: str, end: str) -> None:
    """Put a text between the marks of a file, or, if it has none, with them at its end.

    Raises:
        OSError: it cannot be written; it is as it was.
    """
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    before, begun, rest = old.partition(begin)
    after = rest.partition(end)[2] if begun else "\n"
    before = before if begun else f"{old.rstrip()}\n\n".lstrip()
    write_whole(path, f"{before}{begin}\n{text}{end}{after}".encode())
