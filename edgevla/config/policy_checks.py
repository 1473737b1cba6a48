"""What must hold between the values of a policy.yaml, once each is right by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.config.problems import quoted
from edgevla.config.report import KeyPath, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.config.node import Node
    from edgevla.config.policy import Manifest, Normalisation, TensorSpec

MANIFEST = "policy.yaml"


def check_policy(manifest: Manifest, root: Node) -> None:
    """Check a manifest against itself.

    Args:
        manifest: what `root` says.
        root: the file, for the places.

    Raises:
        ConfigError: one line for each contradiction.
    """
    report = Report(root)
    action = manifest.action
    lists = {
        ("graphs",): manifest.graphs,
        ("inputs",): manifest.inputs,
        ("action", "names"): action.names,
        ("language", "instructions"): manifest.language.instructions,
    }
    for path, values in lists.items():
        if not values:
            report.refuse(path, "must not be empty")
    _distinct(report, ("action", "names"), action.names)
    _distinct(report, ("inputs",), [tensor.name for tensor in manifest.inputs])
    _check_statistics(report, ("action", "normalisation"), action.normalisation, len(action.names))
    _check_statistics(report, ("state",), manifest.state, len(action.names))
    for index, tensor in enumerate(manifest.inputs):
        _check_input(report, index, tensor, manifest)
    for name in manifest.files:
        if not _is_inside(name) or name == MANIFEST:
            report.add(("files", name), "must name a file inside the bundle, other than policy.yaml itself")
    for variant, file in manifest.graphs.items():
        _check_listed(report, ("graphs", variant), file, manifest)
    _check_listed(report, ("language", "vocabulary"), manifest.language.vocabulary, manifest)
    report.raise_if_any()


def _distinct(report: Report, path: KeyPath, values: Sequence[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            report.add((*path, index), f'"{value}" stands there twice')


def _check_statistics(report: Report, path: KeyPath, statistics: Normalisation, joints: int) -> None:
    for key, numbers in (("mean", statistics.mean), ("std", statistics.std)):
        if len(numbers) != joints:
            report.refuse((*path, key), f"must have a number for each of the {joints} action.names, not {len(numbers)}")


def _check_input(report: Report, index: int, tensor: TensorSpec, manifest: Manifest) -> None:
    at = ("inputs", index)
    joints, length = len(manifest.action.names), manifest.language.length
    dtype, words, fits = {
        "state": ("float32", f"[1, {joints}], a number for each of action.names", tensor.shape == (1, joints)),
        "instruction": ("int64", f"[1, {length}], as language.length says", tensor.shape == (1, length)),
    }.get(
        tensor.source,
        ("float32", "[1, 3, height, width]", tensor.shape[:2] == (1, 3) and len(tensor.shape) == 4),
    )
    if tensor.dtype != dtype:
        report.refuse((*at, "dtype"), f"must be {dtype} for the source {tensor.source}")
    if not fits:
        report.refuse((*at, "shape"), f"must be {words}")


def _is_inside(name: str) -> bool:
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))


def _check_listed(report: Report, path: KeyPath, file: str, manifest: Manifest) -> None:
    if file not in manifest.files:
        listed = ", ".join(map(quoted, manifest.files)) or "nothing"
        report.refuse(path, f"must be one of the files with a hash under files: {listed}")
