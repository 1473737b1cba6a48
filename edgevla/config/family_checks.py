"""What must hold for the section of a policy family, and between it and the rest of policy.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgevla.config.policy_families import WITH_STOP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgevla.config.policy import Manifest
    from edgevla.config.policy_families import Gripper
    from edgevla.config.report import KeyPath, Report

SECTIONS = ("regression", "tokens", "fast", "recurrent", "diffusion", "flow")
_DENOISING = ("diffusion", "flow")
_ONE_PASS = ("regression", "recurrent")


def check_family(report: Report, manifest: Manifest) -> None:
    """Check the step graphs and the sections named like families."""
    family = manifest.family
    for name in SECTIONS:
        there = getattr(manifest, name) is not None
        if there and name != family:
            report.add((name,), f'must not be there: the family is "{family}"')
        elif there and name in _CHECKS:
            _CHECKS[name](report, manifest)
        elif not there and name == family and name != "regression":
            report.add((), f'the section "{family}" is missing; the family "{family}" is decoded by its numbers')
    _check_steps(report, manifest)


def _check_steps(report: Report, manifest: Manifest) -> None:
    family, steps = manifest.family, manifest.steps
    if not steps:
        if family in _DENOISING:
            report.add((), f'"steps" is missing; the family "{family}" needs the graph of one denoising step')
        return
    if family in _ONE_PASS:
        report.add(("steps",), f'must not be there: the family "{family}" takes one pass')
    missing = [variant for variant in manifest.graphs if variant not in steps]
    if missing:
        report.add(("steps",), f"must have the variants of graphs; missing: {', '.join(missing)}")
    for variant in steps:
        if variant not in manifest.graphs:
            report.add(("steps", variant), f"must be one of the variants of graphs: {', '.join(manifest.graphs)}")


def _check_gripper(report: Report, section: str, gripper: Gripper | None, manifest: Manifest) -> None:
    if gripper is not None and gripper.name not in manifest.action.names:
        report.refuse((section, "gripper", "name"), "must be one of action.names")


def _check_regression(report: Report, manifest: Manifest) -> None:
    assert manifest.regression is not None
    _check_gripper(report, "regression", manifest.regression.gripper, manifest)


def _check_recurrent(report: Report, manifest: Manifest) -> None:
    assert manifest.recurrent is not None
    _check_gripper(report, "recurrent", manifest.recurrent.gripper, manifest)


def _check_tokens(report: Report, manifest: Manifest) -> None:
    tokens = manifest.tokens
    assert tokens is not None
    size, bins = tokens.vocabulary_size, tokens.bins
    if tokens.first_action_id is None:
        if size - tokens.special_tokens < bins:
            report.refuse(
                ("tokens", "vocabulary_size"),
                f"must hold {bins} action ids (bins) before the {tokens.special_tokens} special tokens",
            )
    elif tokens.first_action_id + bins > size:
        report.refuse(
            ("tokens", "first_action_id"),
            f"must be at most {size - bins}: {bins} action ids (bins) in a vocabulary of {size}",
        )
    if tokens.stop_id is not None and tokens.style not in WITH_STOP:
        report.add(("tokens", "stop_id"), f"must not be there: only {' and '.join(WITH_STOP)} have a stop token")
    elif tokens.stop_id is not None and tokens.stop_id not in tokens.stop_ids:
        first, second = tokens.stop_ids
        report.refuse(("tokens", "stop_id"), f"must be {first} or {second}, the first two action ids")


def _check_fast(report: Report, manifest: Manifest) -> None:
    fast = manifest.fast
    assert fast is not None
    size = fast.vocabulary_size
    ids: dict[KeyPath, int | None] = {("fast", "end_id"): fast.end_id, ("fast", "bar_id"): fast.bar_id}
    ids.update({("fast", "begin_ids", index): number for index, number in enumerate(fast.begin_ids)})
    for path, number in ids.items():
        if number is not None and number >= size:
            report.add(path, f"got {number}; must be below vocabulary_size, {size}")


def _check_diffusion(report: Report, manifest: Manifest) -> None:
    diffusion = manifest.diffusion
    assert diffusion is not None
    _check_width(report, "diffusion", diffusion.width, manifest)
    steps, train_steps = diffusion.steps, diffusion.train_steps
    if steps is not None and steps != train_steps and diffusion.sampler == "ddpm":
        report.refuse(("diffusion", "steps"), f"must be train_steps, {train_steps}, for ddpm; ddim may take fewer")
    elif steps is not None and steps > train_steps:
        report.refuse(("diffusion", "steps"), f"must be at most train_steps, {train_steps}")
    for index, beta in enumerate(diffusion.betas):
        if not 0 < beta < 1:
            report.refuse(("diffusion", "betas", index), "must be above 0 and below 1")
    if diffusion.schedule == "explicit":
        if len(diffusion.betas) != train_steps:
            found = len(diffusion.betas)
            report.add(("diffusion",), f'"betas" must have a number for each of the {train_steps} steps, not {found}')
    elif diffusion.betas:
        report.add(("diffusion", "betas"), f'must not be there: the schedule is "{diffusion.schedule}"')
    if diffusion.schedule == "linear" and not 0 < diffusion.beta_start <= diffusion.beta_end < 1:
        report.add(
            ("diffusion",),
            f"beta_start {diffusion.beta_start:g} and beta_end {diffusion.beta_end:g} must be above 0 and below 1, "
            "in this order",
        )


def _check_flow(report: Report, manifest: Manifest) -> None:
    flow = manifest.flow
    assert flow is not None
    _check_width(report, "flow", flow.width, manifest)
    if flow.time == "buckets" and flow.steps > flow.buckets:
        report.refuse(("flow", "steps"), f"must be at most {flow.buckets}, the number of buckets")
    if flow.time == "buckets" and flow.accumulate:
        report.add(("flow", "accumulate"), "must not be there: buckets are whole numbers")


def _check_width(report: Report, section: str, width: int | None, manifest: Manifest) -> None:
    count = len(manifest.action.names)
    if width is not None and width < count:
        report.refuse((section, "width"), f"must be at least {count}, a column for each of action.names")


_CHECKS: Mapping[str, Callable[[Report, Manifest], None]] = {
    "regression": _check_regression,
    "tokens": _check_tokens,
    "fast": _check_fast,
    "recurrent": _check_recurrent,
    "diffusion": _check_diffusion,
    "flow": _check_flow,
}
