"""`edgevla doctor`: is this machine, and this robot, ready."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgevla.commands.options import Json, NotReached, Set, Variant, overrides
from edgevla.tables import console

if TYPE_CHECKING:
    from edgevla.doctor.finding import Finding

_COLOURS = {"ok": "green", "skip": "dim", "warn": "yellow", "fail": "bold red"}
_WORDS = {"ok": "OK", "skip": "-", "warn": "WARN", "fail": "FAIL"}


def doctor(
    robot: Annotated[Path | None, typer.Argument(help="robot.yaml; without it only the machine")] = None,
    variant: Variant = "fp32",
    engine: Annotated[str, typer.Option(help="what will run it: cpu, cuda, tensorrt, triton:HOST:PORT/MODEL")] = "cpu",
    set_: Set = None,
    json: Json = None,
) -> None:
    """Examine this machine and a robot: what is there, what is wrong, and the command that puts it right.

    Changes nothing, and writes nothing to the servos. Exit code 0 when nothing is FAIL, 1 otherwise.
    """
    from edgevla.doctor.examine import Subject, examine, results
    from edgevla.doctor.machine import Machine
    from edgevla.runtime.report import envelope, now, write_json

    started = now()
    findings = examine(Subject(robot, overrides(set_), variant, engine), Machine())
    report = results(findings)
    _show(findings)
    if json is not None:
        write_json(json, envelope("doctor", started, report))
    counts = report["counts"]
    summary = f"{counts['ok']} OK, {counts['warn']} WARN, {counts['fail']} FAIL, {counts['skip']} unknown or not needed"
    if counts["fail"]:
        raise NotReached(f"not ready: {summary}")
    console.print(summary, highlight=False)


def _show(findings: list[Finding]) -> None:
    """One line each, and one below it with the way to put it right, neither broken up: they are copied."""
    from rich.text import Text

    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        level = finding.level.value
        line = Text.assemble((f"{_WORDS[level]:5}", _COLOURS[level]), f"{finding.name:{width}}  {finding.found}")
        console.print(line, soft_wrap=True)
        if finding.fix:
            console.print(Text.assemble((f"{'':5}{'':{width}}  fix: ", "dim"), finding.fix), soft_wrap=True)
