"""A calibration set: observations that a quantiser may trust, in a folder.

`manifest.json` says which bundle they were taken for, where they come from, what was turned down on the way, and the
SHA-256 of every item; `item-000000.npz` holds one observation: `camera:<name>` (height, width, 3) uint8 RGB,
`state_rad` (joints,) float64 and `instruction`. An item counts only once the manifest names it, and the manifest is
replaced whole: a set that was interrupted is a smaller set, never a broken one.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import numpy as np

from edgevla.errors import EdgeVLAError
from edgevla.files import write_whole
from edgevla.messages import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgevla.bundle import Bundle
    from edgevla.config.policy import Manifest

MANIFEST = "manifest.json"
CAMERA = "camera:"


class CalibrationSetError(EdgeVLAError):
    """A calibration set is missing, damaged, or was taken for another policy."""


class SetItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One observation. `t_s` is its time on the clock of its source, in seconds."""

    file: Annotated[str, msgspec.Meta(pattern=r"^item-[0-9]{6,}\.npz$")]
    sha256: str
    t_s: float
    instruction: str


class Resolution(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Size of a camera's pictures, in pixels."""

    height: int
    width: int


class SetManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole manifest.json.

    `source`: the robot's own cameras and joints, the simulated robot, or episodes recorded earlier. `seen` counts what
    was offered; `refused` counts what was turned down, by reason.
    """

    format: Literal["edgevla-calibration/1"] = "edgevla-calibration/1"
    bundle: str
    inputs_sha256: str
    source: Literal["robot", "simulated", "recorded"]
    started: str
    joints: tuple[str, ...]
    cameras: dict[str, Resolution]
    seen: int = 0
    refused: dict[str, int] = {}
    items: tuple[SetItem, ...] = ()


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """A set whose manifest has been read. Items are read, and compared with their hash, one at a time."""

    folder: Path
    manifest: SetManifest

    def __len__(self) -> int:
        return len(self.manifest.items)

    def __iter__(self) -> Iterator[Observation]:
        return (self.observation(index) for index in range(len(self)))

    def observation(self, index: int) -> Observation:
        """Read one item.

        Raises:
            CalibrationSetError: it is missing, not what the manifest vouches for, or of another shape.
        """
        item = self.manifest.items[index]
        path = self.folder / item.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CalibrationSetError(f"{path}: cannot be read: {error.strerror}", fix="capture again") from None
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise CalibrationSetError(f"{path}: its SHA-256 is not the one in {MANIFEST}", fix="copy the set again")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                images = {name: arrays[CAMERA + name] for name in self.manifest.cameras}
                state_rad = arrays["state_rad"]
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise CalibrationSetError(f"{path}: is not an observation: {error}", fix="capture again") from None
        observation = Observation(item.t_s, images, state_rad, item.instruction)
        if problem := _misfit(observation, self.manifest):
            raise CalibrationSetError(f"{path}: {problem}", fix="capture again")
        return observation


def load_set(folder: Path) -> CalibrationSet:
    """Read a set's manifest; whether it is large enough is for its reader to say.

    Raises:
        CalibrationSetError: there is none, or it is not one of these.
    """
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=SetManifest)
    except FileNotFoundError:
        raise CalibrationSetError(
            f"{path}: there is no such file", fix="take a set: edgevla calibrate capture"
        ) from None
    except OSError as error:
        raise CalibrationSetError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise CalibrationSetError(f"{path}: is not the manifest of a calibration set: {error}") from None
    return CalibrationSet(folder, manifest)


def check_set_fits(calibration: CalibrationSet, bundle: Bundle) -> None:
    """Check that a set was taken for this bundle: the same inputs, the same joints.

    Raises:
        CalibrationSetError: the message has both sides.
    """
    manifest, policy = calibration.manifest, bundle.manifest
    fix = "capture a set for this bundle: edgevla calibrate capture"
    if manifest.joints != policy.joints:
        sides = f"[{', '.join(manifest.joints)}]; the joints of {bundle.folder} are [{', '.join(policy.joints)}]"
        raise CalibrationSetError(f"{calibration.folder}: the joints of this set are {sides}", fix=fix)
    digest = inputs_sha256(policy)
    if manifest.inputs_sha256 != digest:
        raise CalibrationSetError(
            f'{calibration.folder}: was taken for inputs {manifest.inputs_sha256[:12]} of "{manifest.bundle}"; '
            f"{bundle.folder} has inputs {digest[:12]}",
            fix=fix,
        )


def inputs_sha256(manifest: Manifest) -> str:
    """The SHA-256 of what a policy takes in: name, type, shape and source of every input, in order."""
    inputs = [[tensor.name, tensor.dtype, list(tensor.shape), tensor.source] for tensor in manifest.inputs]
    return hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()


def save_item(folder: Path, number: int, observation: Observation) -> SetItem:
    """Write one observation beside the others, whole or not at all. The manifest does not name it yet."""
    buffer = io.BytesIO()
    images = {CAMERA + name: image for name, image in observation.images.items()}
    instruction = np.array(observation.instruction)
    np.savez_compressed(buffer, state_rad=observation.state_rad, instruction=instruction, **images)  # type: ignore[arg-type]
    data = buffer.getvalue()
    file = f"item-{number:06d}.npz"
    write_whole(folder / file, data)
    sha256 = hashlib.sha256(data).hexdigest()
    return SetItem(file=file, sha256=sha256, t_s=observation.t_obs_s, instruction=observation.instruction)


def save_manifest(folder: Path, manifest: SetManifest) -> None:
    """Replace manifest.json, whole or not at all."""
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def _misfit(observation: Observation, manifest: SetManifest) -> str:
    """In what an observation differs from what its manifest says; empty when it does not."""
    if observation.state_rad.dtype != np.float64 or observation.state_rad.shape != (len(manifest.joints),):
        return f"state_rad is {observation.state_rad.dtype} {observation.state_rad.shape}"
    for name, size in manifest.cameras.items():
        image = observation.images[name]
        if image.dtype != np.uint8 or image.shape != (size.height, size.width, 3):
            return f"{CAMERA}{name} is {image.dtype} {image.shape}, not uint8 {(size.height, size.width, 3)}"
    return ""
