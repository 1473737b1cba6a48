"""A LeRobot checkpoint to a bundle, and whether the bundle then answers what LeRobot does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from edgevla.importers import statistics
from edgevla.importers.errors import ImportRefused
from edgevla.importers.lerobot.files import ACTION, STATE, read_checkpoint
from edgevla.importers.network import whole_folder, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.importers.answers import Answers

KINDS = ("act", "smolvla", "pi0", "pi05")


def convert(folder: Path, out: Path, answers: Answers) -> float:
    """Write the bundle and return the largest difference to LeRobot on an observation, in rad.

    Raises:
        ImportRefused: the checkpoint is of another kind, broken, or asks something that `answers` does not say.
        Differs: the bundle answers something else than LeRobot does.
        ModuleNotFoundError: LeRobot is not installed.
    """
    checkpoint = read_checkpoint(folder)
    kind = checkpoint.config.get("type")
    if kind not in KINDS:
        raise ImportRefused(f"{folder}: LeRobot's policy {kind} has no importer; there are {', '.join(KINDS)}")
    statistics.of_state(checkpoint.scalings[STATE], answers.joints)  # before anything large is loaded
    statistics.of_action(checkpoint.scalings[ACTION], answers.joints, checkpoint.relative)
    from edgevla.importers.lerobot import act, compare, pi0, smolvla
    from edgevla.importers.lerobot.policy import load_upstream

    upstream = load_upstream(checkpoint, answers)
    network_of = {"act": act.network, "smolvla": smolvla.network, "pi0": pi0.network, "pi05": pi0.network}[kind]
    exporting = {"smolvla": smolvla.exporting, "pi0": pi0.exporting, "pi05": pi0.exporting}.get(
        kind, contextlib.nullcontext
    )
    with whole_folder(out) as draft:
        with exporting():
            write_bundle(network_of(checkpoint, upstream, answers), answers, draft)
        return compare.compare(checkpoint, upstream, answers, draft)
