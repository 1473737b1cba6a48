"""`edgevla plan`: will it be fast enough there, before anything is built."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgevla.commands.options import Json, NotReached, UsageError, Variant
from edgevla.tables import console, print_table

if TYPE_CHECKING:
    from edgevla.plan.verdict import Option


def plan(
    subject: Annotated[
        Path | None,
        typer.Argument(help="a bundle's folder or its shipped name, an .onnx file, or a .yaml file of shapes"),
    ] = None,
    target: Annotated[str, typer.Option(help="a machine of engines/targets.yaml")] = "orin-agx-64",
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="chunks wanted a second; exit code 1 if none fits")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="compare the estimate with published measurements instead")
    ] = False,
    variant: Variant = "fp32",
    json: Json = None,
) -> None:
    """Estimate latency and memory of a policy on a machine, part by part, and which precision keeps up."""
    from edgevla.runtime.report import envelope, now, write_json

    started = now()
    if (subject is None) != published:
        raise UsageError("plan: give either something to plan or --published", fix="edgevla plan so101-tabletop")
    if rate is not None and not math.isfinite(rate):
        raise UsageError(f"--rate {rate}: must be a number of chunks a second", fix="for example --rate 10")
    results = _published() if subject is None else _estimate(subject, target, rate, variant)
    if json is not None:
        write_json(json, envelope("plan", started, results))
    if results.get("fits") is False:
        raise NotReached(f"{results['name']}: no precision gives {rate:g} chunks/s on {target}")


def _estimate(path: Path, target_name: str, rate_hz: float | None, variant: str) -> dict[str, object]:
    from edgevla.engine.targets import target
    from edgevla.plan.report import option_rows, share_rows
    from edgevla.plan.subject import load_subject
    from edgevla.plan.verdict import options, recommend
    from edgevla.shipped import shipped

    machine = target(target_name)
    subject = load_subject(path if path.exists() else shipped(str(path)), variant)
    found = options(subject.work, machine, rate_hz)
    best = recommend(found)
    print_table(f"{subject.name} on {machine.title}", option_rows(found))
    for option in found:
        print_table(f"{option.precision}, part by part", share_rows(option))
    console.print("An estimate, not a measurement: `edgevla plan --published` shows how far off it has been.")
    if best is not None and rate_hz is not None:
        console.print(f"{best.precision} is enough for {rate_hz:g} chunks/s", highlight=False)
    return {
        "name": subject.name,
        "source": subject.source,
        "target": target_name,
        "wanted_hz": rate_hz,
        "fits": None if rate_hz is None else best is not None,
        "precision": None if best is None else best.precision,
        "options": [_plain(option) for option in found],
    }


def _plain(option: Option) -> dict[str, object]:
    return {
        "precision": option.precision,
        "ms": option.estimate.ms,
        "likely_ms": option.span_ms,
        "rate_hz": option.rate_hz,
        "memory_mb": option.estimate.memory_mb,
        "memory_budget_mb": option.memory_budget_mb,
        "verdict": option.verdict,
        "components": option.estimate.shares,
    }


def _published() -> dict[str, object]:
    from edgevla.plan.published import compare, published
    from edgevla.plan.report import published_rows, published_summary

    verdicts = compare()
    print_table(f"the estimate against published measurements, {published().target}", published_rows(verdicts))
    summary = published_summary(verdicts)
    console.print(summary, highlight=False)
    return {
        "name": "published",
        "target": published().target,
        "summary": summary,
        "rows": [
            {**row, "estimate_ms": verdict.estimate_ms, "error": verdict.error, "source": verdict.row.source}
            for row, verdict in zip(published_rows(verdicts), verdicts, strict=True)
        ],
    }
