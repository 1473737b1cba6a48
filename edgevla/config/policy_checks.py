"""What must hold between the values of a policy.yaml, once each is right by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.config.family_checks import check_family
from edgevla.config.problems import quoted
from edgevla.config.quantisation import check_quantisation
from edgevla.config.report import KeyPath, Report
from edgevla.config.statistics_checks import check_statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgevla.config.node import Node
    from edgevla.config.policy import Manifest, TensorSpec

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
    lists: dict[KeyPath, Sequence[object] | dict[str, str]] = {
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
    _check_space(report, manifest)
    check_statistics(report, ("action", "normalisation"), action.normalisation, action.names, "action.names")
    check_statistics(report, ("state",), manifest.state, manifest.joints, _joints_of(manifest))
    for index, tensor in enumerate(manifest.inputs):
        _check_input(report, index, tensor, manifest)
    for name in manifest.files:
        if not _is_inside(name) or name == MANIFEST:
            report.add(("files", name), "must name a file inside the bundle, other than policy.yaml itself")
    for path, file in used_files(manifest).items():
        _check_listed(report, path, file, manifest)
    _check_prompt(report, manifest)
    check_family(report, manifest)
    _check_execution(report, manifest)
    check_quantisation(report, manifest.quantisation)
    report.raise_if_any()


def used_files(manifest: Manifest) -> dict[KeyPath, str]:
    """The files that a manifest names, by the place where it does."""
    files: dict[KeyPath, str] = {("graphs", variant): file for variant, file in manifest.graphs.items()}
    files.update({("steps", variant): file for variant, file in manifest.steps.items()})
    files["language", "vocabulary"] = manifest.language.vocabulary
    if manifest.fast is not None:
        files["fast", "tokenizer"] = manifest.fast.tokenizer
    return files


def _distinct(report: Report, path: KeyPath, values: Sequence[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            report.add((*path, index), f'"{value}" stands there twice')


def _joints_of(manifest: Manifest) -> str:
    return "action.names" if manifest.end_effector is None else "end_effector.joints"


def _check_space(report: Report, manifest: Manifest) -> None:
    action, end_effector = manifest.action, manifest.end_effector
    for index, name in enumerate(action.absolute):
        if name not in action.names:
            report.refuse(("action", "absolute", index), "must be one of action.names")
    _distinct(report, ("action", "absolute"), action.absolute)
    if action.absolute and action.kind == "absolute":
        report.add(("action", "absolute"), 'must not be there: action.kind is "absolute", so all of them are')
    if action.chained and action.kind == "absolute":
        report.add(("action", "chained"), 'must not be there: action.kind is "absolute", no row is relative')
    if end_effector is None:
        if action.space == "end_effector":
            report.add(
                (), '"end_effector" is missing; action.space "end_effector" is turned into joints by its numbers'
            )
        return
    if action.space == "joints":
        report.add(("end_effector",), 'must not be there: action.space is "joints"')
    if len(action.names) < 6:
        report.refuse(
            ("action", "names"), "must begin with three of position and three of rotation for an end effector"
        )
    if not end_effector.joints:
        report.refuse(("end_effector", "joints"), "must not be empty")
    _distinct(report, ("end_effector", "joints"), end_effector.joints)


def _check_prompt(report: Report, manifest: Manifest) -> None:
    """One sentence, and the state at most once; any other brace would be taken for a mistake in one of them."""
    tokenizer = manifest.language.tokenizer
    if tokenizer is None:
        return
    rest = tokenizer.prompt.replace("{instruction}", "", 1).replace("{state}", "", 1)
    if "{instruction}" not in tokenizer.prompt or set(rest) & set("{}"):
        report.refuse(
            ("language", "tokenizer", "prompt"), "must have {instruction} in it, may have {state}, and no other brace"
        )


def _check_execution(report: Report, manifest: Manifest) -> None:
    execution, horizon = manifest.execution, manifest.action.horizon
    if execution.kind not in {"fade", "rtc"}:
        return
    if execution.kind == "rtc" and manifest.family != "flow":
        must = 'must not be "rtc" for a family other than "flow", whose steps it guides; "fade" is for all'
        report.refuse(("execution", "kind"), must)
    if execution.kind == "rtc" and manifest.action.space != "joints":
        report.refuse(("execution", "kind"), 'must not be "rtc" for an end effector: its steps do not know the joints')
    if execution.kind == "rtc" and manifest.action.chained:
        report.refuse(("execution", "kind"), 'must not be "rtc" where rows are relative to each other: action.chained')
    if execution.guided_rows > horizon:
        report.add(("execution",), f"guided_rows is {execution.guided_rows}; must be at most action.horizon, {horizon}")
    if execution.delay_ticks > min(execution.guided_rows, horizon // 2):
        most = min(execution.guided_rows, horizon // 2)
        report.refuse(("execution", "delay_ticks"), f"must be at most {most}, guided_rows and half of action.horizon")


def _check_input(report: Report, index: int, tensor: TensorSpec, manifest: Manifest) -> None:
    at = ("inputs", index)
    joints, length = len(manifest.joints), manifest.language.length
    dtype, words, fits = {
        "state": ("float32", *_state_shape(tensor.shape, joints, manifest)),
        "instruction": ("int64", f"[1, {length}], as language.length says", tensor.shape == (1, length)),
    }.get(
        tensor.source,
        ("float32", "[1, 3, height, width]", tensor.shape[:2] == (1, 3) and len(tensor.shape) == 4),
    )
    if tensor.dtype != dtype:
        report.refuse((*at, "dtype"), f"must be {dtype} for the source {tensor.source}")
    if not fits:
        report.refuse((*at, "shape"), f"must be {words}")


def _state_shape(shape: tuple[int, ...], joints: int, manifest: Manifest) -> tuple[str, bool]:
    """What the shape of a state input must be, in words, and whether it is; a padded model takes zeros behind it."""
    if manifest.flow is None or manifest.flow.width is None:
        return f"[1, {joints}], a number for each of {_joints_of(manifest)}", shape == (1, joints)
    words = f"[1, n], n at least {joints}, a number for each of {_joints_of(manifest)} and then zeros"
    return words, len(shape) == 2 and shape[0] == 1 and shape[1] >= joints


def _is_inside(name: str) -> bool:
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))


def _check_listed(report: Report, path: KeyPath, file: str, manifest: Manifest) -> None:
    if file not in manifest.files:
        listed = ", ".join(map(quoted, manifest.files)) or "nothing"
        report.refuse(path, f"must be one of the files with a hash under files: {listed}")
