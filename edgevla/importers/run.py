"""A checkpoint of any known kind to a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.importers.errors import ImportRefused
from edgevla.importers.recognise import KINDS, recognise

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.importers.answers import Answers


def import_checkpoint(folder: Path, out: Path, answers: Answers, kind: str | None = None) -> tuple[str, float]:
    """Write the bundle of a checkpoint, after comparing both on random observations.

    Args:
        folder: the checkpoint, as its project saves it.
        out: the bundle's folder, which must not be there.
        answers: what the checkpoint does not say.
        kind: one of `KINDS`; None finds out.

    Returns:
        The kind, and the largest difference between the checkpoint's own code and the bundle, in rad or m.

    Raises:
        ImportRefused: the checkpoint or the answers cannot be used, or what builds its network is not installed.
        Differs: the bundle does something else than the checkpoint.
        BundleError: the bundle contradicts itself.
    """
    if kind is None or kind.startswith("lerobot-"):
        found = recognise(folder)
        if kind not in {None, found}:
            raise ImportRefused(f"{folder}: is of {KINDS[found]}, not of {KINDS[kind or found]}", fix=f"--kind {found}")
        kind = found
    if not answers.joints or not answers.instructions:
        what = "instruction" if answers.joints else "joint"
        raise ImportRefused(f"{folder}: no {what} is named, and a checkpoint does not say it", fix=f"--{what} ...")
    from edgevla.importers.lerobot import run as lerobot
    from edgevla.importers.openvla import run as openvla

    convert = openvla.convert if kind == "openvla" else lerobot.convert
    try:
        return kind, convert(folder, out, answers)
    except ModuleNotFoundError as error:
        raise ImportRefused(
            f"a checkpoint of {KINDS[kind]} is built by its own code, and {error.name} is not installed",
            fix="use the environment that edgevla/importers/README.md describes",
        ) from None
