"""The policy bundle: a folder with policy.yaml and the files it names, each checked by its SHA-256.

A bundle is complete: loading one touches no network and no hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edgevla.config.convert import convert
from edgevla.config.policy import Action, Language, Manifest, Normalisation, TensorSpec
from edgevla.config.policy_checks import MANIFEST, check_policy, used_files
from edgevla.config.problems import ConfigError, quoted
from edgevla.config.source import parse_yaml, read_yaml
from edgevla.config.units import TimeS
from edgevla.config.written import yaml_text
from edgevla.errors import EdgeVLAError
from edgevla.files import sha256, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.config.node import Node
    from edgevla.config.robot import Robot

__all__ = [
    "Action",
    "Bundle",
    "BundleError",
    "Language",
    "Manifest",
    "Normalisation",
    "TensorSpec",
    "check_fits",
    "load_manifest",
    "write_manifest",
]


class BundleError(EdgeVLAError):
    """A bundle is malformed, damaged, or made for another robot."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose manifest and files have been checked.

    Args:
        folder: where it lies.
        manifest: its policy.yaml.
    """

    folder: Path
    manifest: Manifest

    def path(self, file: str) -> Path:
        """Where a file of the bundle lies.

        Raises:
            BundleError: policy.yaml lists no such file, so nothing vouches for its content.
        """
        if file not in self.manifest.files:
            listed = ", ".join(self.manifest.files)
            raise BundleError(f'{self.folder}: the bundle has no file "{file}"', fix=f"it has {listed}")
        return self.folder / file

    def graph(self, variant: str) -> Path:
        """Where the graph of a variant lies.

        Raises:
            BundleError: the bundle has no such variant.
        """
        if variant not in self.manifest.graphs:
            variants = ", ".join(self.manifest.graphs)
            raise BundleError(f'{self.folder}: the bundle has no graph "{variant}"', fix=f"use one of: {variants}")
        return self.path(self.manifest.graphs[variant])

    def step(self, variant: str) -> Path | None:
        """Where the step graph of a variant lies; None for a policy that takes one pass."""
        return self.path(self.manifest.steps[variant]) if variant in self.manifest.steps else None


def load_manifest(folder: Path) -> Bundle:
    """Read and check a bundle: policy.yaml, the hash of every file it lists, and the vocabulary.

    Raises:
        BundleError: a line for each mistake says where, which value and what is allowed.
    """
    try:
        root = read_yaml(folder / MANIFEST)
        manifest = _manifest(root)
    except ConfigError as error:
        raise BundleError(error.message, fix=error.fix) from None
    wrong = [problem for name, promised in manifest.files.items() if (problem := _damage(folder, name, promised))]
    if wrong:
        fix = "copy the bundle again; after a wanted change, write its policy.yaml anew"
        raise BundleError("\n".join(wrong), fix=fix)
    if manifest.language.tokenizer is None:
        _check_vocabulary(folder / manifest.language.vocabulary)
    return Bundle(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> Bundle:
    """Write policy.yaml, with the hashes of the files as they lie in the folder, and load the bundle.

    `manifest.files` need only name files that no other key of the manifest names; the hashes in it are not used. The
    same manifest and files give the same bytes.

    Raises:
        BundleError: a file is missing, or the manifest contradicts itself; an older policy.yaml is left as it was.
    """
    names = sorted({*manifest.files, *used_files(manifest).values()})
    target = folder / MANIFEST
    try:
        complete = msgspec.structs.replace(manifest, files={name: sha256(folder / name) for name in names})
        text = yaml_text(msgspec.to_builtins(complete))
        _manifest(parse_yaml(text, lambda line: f"{target}:{line}"))
        write_whole(target, text.encode())
    except ConfigError as error:
        raise BundleError(error.message, fix=error.fix) from None
    except OSError as error:
        name = error.filename or target
        raise BundleError(f"{name}: {error.strerror}", fix="write the bundle's files, then this") from None
    return load_manifest(folder)


def check_fits(bundle: Bundle, robot: Robot) -> None:
    """Check that a bundle was made for this robot: joints in this order, cameras, and plans that last long enough.

    A plan of n rows lasts n / rate_hz; a single row asks for nothing but itself, until the plan goes stale. A recurrent
    policy is asked at its own rate: at another, no two of its observations would follow each other.

    Raises:
        BundleError: the message has both sides.
    """
    action, joints = bundle.manifest.action, bundle.manifest.joints
    if joints != robot.joint_names:
        named = "action.names" if bundle.manifest.end_effector is None else "end_effector.joints"
        raise BundleError(
            f"{bundle.folder}: {named} are [{', '.join(joints)}]; "
            f"the joints of robot {robot.name} are [{', '.join(robot.joint_names)}]",
            fix="both must be the same, in the same order",
        )
    sources = [tensor.source for tensor in bundle.manifest.inputs]
    wanted = [source.removeprefix("camera:") for source in sources if source.startswith("camera:")]
    cameras = [camera.name for camera in robot.cameras]
    if not set(wanted) <= set(cameras):
        raise BundleError(
            f"{bundle.folder}: the policy looks through the cameras [{', '.join(wanted)}]; "
            f"robot {robot.name} has [{', '.join(cameras)}]",
            fix="add the missing camera to robot.yaml, under the name the policy knows",
        )
    if bundle.manifest.recurrent is not None and robot.control.replan != action.rate_hz:
        raise BundleError(
            f"{bundle.folder}: the policy remembers observations that come at {action.rate_hz:g} Hz; "
            f"robot {robot.name} plans at {robot.control.replan.written()}",
            fix=f"set control.replan in robot.yaml to {action.rate_hz:g} Hz, action.rate_hz",
        )
    lasts = TimeS(action.horizon / action.rate_hz)
    if action.horizon > 1 and lasts < robot.control.plan_hold_after:
        raise BundleError(
            f"{bundle.folder}: a plan of {action.horizon} rows at {action.rate_hz:g} Hz lasts {lasts.written()}; "
            f"robot {robot.name} plays plans up to an age of {robot.control.plan_hold_after.written()}",
            fix=f"set control.plan_hold_after in robot.yaml to {lasts.written()} or less",
        )


def _manifest(root: Node) -> Manifest:
    manifest = convert(root, Manifest)
    check_policy(manifest, root)
    return manifest


def _damage(folder: Path, name: str, promised: str) -> str:
    """What is wrong with a listed file; empty when it is what policy.yaml vouches for."""
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return f"{path}: lies outside the bundle, at {path.resolve()}"
        if path.exists() and not path.is_file():
            return f"{path}: is not a regular file"
        found = sha256(path)
    except FileNotFoundError:
        return f"{path}: is missing; policy.yaml lists it"
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"
    return "" if found == promised else f"{path}: its SHA-256 is {found}; policy.yaml says {promised}"


def _check_vocabulary(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: byte {error.start} is not UTF-8", fix="save the file as UTF-8") from None
    first_seen: dict[str, int] = {}
    for line, word in enumerate(text.splitlines(), start=1):
        if line == 1:
            continue
        if word in first_seen or word.split() != [word] or word != word.lower():
            again = f", which stands on line {first_seen[word]} already" if word in first_seen else ""
            fix = "write one word a line, in lower case, each once; line 1 is the padding"
            raise BundleError(f"{path}:{line}: got {quoted(word)}{again}", fix=fix)
        first_seen[word] = line
    if not first_seen:
        raise BundleError(f"{path}: holds no words", fix="line 1 is the padding, the words follow")
