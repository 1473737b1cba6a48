"""Which project a checkpoint's folder comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.importers.errors import ImportRefused
from edgevla.importers.lerobot.files import CONFIG, read_json

if TYPE_CHECKING:
    from pathlib import Path

# Kind -> what it is, and whether it can be brought in.
KINDS = {
    "lerobot-act": "LeRobot ACT",
    "lerobot-smolvla": "LeRobot SmolVLA",
    "lerobot-pi0": "LeRobot pi0",
    "lerobot-pi05": "LeRobot pi0.5",
    "openvla": "OpenVLA",
}


def recognise(folder: Path) -> str:
    """Return the kind of a checkpoint, one of `KINDS`.

    Raises:
        ImportRefused: it is of none; the message says what it seems to be.
    """
    if not folder.is_dir():
        raise ImportRefused(f"{folder}: is not a folder", fix="download the checkpoint, and give the folder it is in")
    seems = _guess(folder)
    if seems not in KINDS:
        raise ImportRefused(f"{folder}: {seems}; there are importers for {', '.join(KINDS)}")
    return seems


def _guess(folder: Path) -> str:
    """A kind, or a few words on what is there."""
    if not (folder / CONFIG).exists():
        return f"has no {CONFIG}"
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict):
        return f"its {CONFIG} is no mapping"
    if "input_features" in config:
        return f"lerobot-{config.get('type')}"
    if config.get("model_type") == "openvla":
        parts = [path.name for path in folder.iterdir() if path.name.startswith(("action_head", "proprio_projector"))]
        return "is of OpenVLA-OFT" if parts else "openvla"
    return f"its {CONFIG} is not of a policy that is known here"
