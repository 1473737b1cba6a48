"""Putting new variants into a bundle: all of them and a policy.yaml that vouches for them, or nothing."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgevla.bundle import BundleError, write_manifest
from edgevla.config.policy_checks import MANIFEST
from edgevla.files import write_whole
from edgevla.quantize.errors import WriteFailed
from edgevla.quantize.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgevla.bundle import Bundle
    from edgevla.quantize.quantise import Outcome


@contextlib.contextmanager
def workplace(bundle: Bundle) -> Iterator[Path]:
    """A folder inside the bundle's, so that what is made there can be moved instead of copied; gone afterwards.

    Raises:
        WriteFailed: nothing can be written there.
    """
    try:
        place = tempfile.TemporaryDirectory(prefix=".quantise-", dir=bundle.folder)
    except OSError as error:
        raise WriteFailed(
            f"{bundle.folder}: cannot be written: {error.strerror}", fix="copy the bundle to where you may write"
        ) from None
    with place as folder:
        yield Path(folder)


def install(bundle: Bundle, outcomes: Sequence[Outcome]) -> Bundle:
    """Move the files of new variants into the bundle and write its policy.yaml.

    Raises:
        WriteFailed: it did not work; the bundle is as it was.
    """
    manifest = bundle.manifest
    parts: dict[str, dict[str, str]] = {"graphs": dict(manifest.graphs), "steps": dict(manifest.steps)}
    new = [path for outcome in outcomes for paths in outcome.files.values() for path in paths]
    replaced = {
        file
        for outcome in outcomes
        for graphs in parts.values()
        for file in _files(bundle, graphs.get(outcome.variant))
    }
    for outcome in outcomes:
        for part, paths in outcome.files.items():
            parts[part][outcome.variant] = paths[0].name
    files = {file: sha256 for file, sha256 in manifest.files.items() if file not in replaced}
    files |= {path.name: "" for path in new}
    try:
        with _all_or_nothing(bundle.folder, new):
            for path in new:
                target = bundle.folder / path.name
                if target.exists():
                    target.replace(_aside(path))
                path.replace(target)
            return write_manifest(bundle.folder, msgspec.structs.replace(manifest, files=files, **parts))
    except (OSError, BundleError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise WriteFailed(f"{bundle.folder}: the new graphs cannot be put there: {reason}") from None


@contextlib.contextmanager
def _all_or_nothing(folder: Path, new: Sequence[Path]) -> Iterator[None]:
    """Put the files of a bundle back when the body does not end, whatever ended it: also Ctrl-C, and being told to go.

    How far the body came is read from the disk: an interruption may fall between a move and the note of it.
    """
    manifest = (folder / MANIFEST).read_bytes()
    try:
        yield
    except BaseException:
        for path in new:
            target, aside = folder / path.name, _aside(path)
            if aside.exists():
                aside.replace(target)
            elif not path.exists():
                target.unlink()
        if (folder / MANIFEST).read_bytes() != manifest:
            write_whole(folder / MANIFEST, manifest)
        raise


def _aside(path: Path) -> Path:
    """Where the file waits whose place in the bundle a new one takes."""
    return path.with_name(path.name + ".old")


def _files(bundle: Bundle, graph: str | None) -> list[str]:
    return [] if graph is None else [graph, *Graph(bundle.path(graph)).external_files()]
