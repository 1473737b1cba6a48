"""The work folder: which plan it is of, what its stages noted, and how a finished bundle leaves it."""

from __future__ import annotations

import json
import reprlib
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgevla.config.policy_checks import MANIFEST
from edgevla.errors import EdgeVLAError
from edgevla.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CLAIM = "recipe.json"


class WorkError(EdgeVLAError):
    """A folder holds what another recipe made, or what is no recipe's."""


def claim(folder: Path, identity: Mapping[str, Any]) -> None:
    """Take a work folder for a plan, or make sure that it is this plan's: checkpoints of two are never mixed.

    Args:
        identity: all that decides what the stages make; it goes into recipe.json.

    Raises:
        WorkError: the folder was begun with something else, or holds files of nobody knows what.
    """
    path = folder / CLAIM
    wanted: dict[str, Any] = json.loads(json.dumps(identity))
    if not path.exists():
        if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise WorkError(
                f"{folder}: holds files, but no {CLAIM} that says which plan they are of", fix="name another --work"
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, wanted)
    begun = read_json(path)
    for key, value in wanted.items():
        if begun.get(key) != value:
            raise WorkError(
                f"{folder}: was begun with {key} {_short(begun.get(key))}, now it is {_short(value)}",
                fix="go on with what it was begun with, or name another --work",
            )


def _short(value: object) -> str:
    return f"({len(value)} of them)" if isinstance(value, list) else reprlib.repr(value)


@contextmanager
def noted(folder: Path, stage: str) -> Iterator[dict[str, Any]]:
    """Keep what a stage notes as STAGE.json, and the minutes it took; one that was interrupted counts all its parts."""
    path = folder / f"{stage}.json"
    note = read_json(path) if path.exists() else {"minutes": 0.0}
    began_s = time.monotonic()
    try:
        yield note
    finally:
        note["minutes"] = round(note["minutes"] + (time.monotonic() - began_s) / 60.0, 2)
        write_json(path, note)


def read_json(path: Path) -> dict[str, Any]:
    """Read an object that `write_json` wrote.

    Raises:
        WorkError: it is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise WorkError(f"{path}: is no JSON object", fix="delete it, or name another --work")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object, whole or not at all."""
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())


def ready(out: Path) -> None:
    """Make sure, before hours of training, that a bundle can be put there: the place is free, or holds an older one.

    Raises:
        WorkError: it holds something else.
        OSError: the folder around it cannot be made.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists() and not (out.is_dir() and ((out / MANIFEST).exists() or not any(out.iterdir()))):
        raise WorkError(f"{out}: exists and is no bundle", fix="name another --out, or move it away")


def ship(bundle: Path, out: Path) -> None:
    """Copy a bundle to a place that is `ready`, whole or not at all; what was there goes last."""
    draft, older = (out.with_name(f".{out.name}.{what}") for what in ("draft", "older"))
    for rest in (draft, older):
        shutil.rmtree(rest, ignore_errors=True)
    shutil.copytree(bundle, draft)
    if out.exists():
        out.rename(older)
    draft.rename(out)
    shutil.rmtree(older, ignore_errors=True)
