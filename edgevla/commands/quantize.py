"""`edgevla calibrate quantize`: a bundle's INT8 variants from observations of the robot's own."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgevla.commands.options import Json, Report, one_of, report_folder
from edgevla.tables import console, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress


def quantize(
    bundle: Annotated[Path, typer.Argument(help="a bundle's folder, or the name of a shipped bundle")],
    observations: Annotated[Path, typer.Argument(help="the set that `edgevla calibrate capture` took")],
    held_out: Annotated[
        Path | None, typer.Option(help="another set to judge by [default: a quarter of the first]")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="int8 for TensorRT, int8-cpu; repeat for several [default: both]")
    ] = None,
    method: Annotated[str, typer.Option(help="minmax, entropy, percentile, or auto: what costs least")] = "auto",
    smoothing: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="SmoothQuant's alpha, 0 for none [default: what costs least]")
    ] = None,
    attention: Annotated[bool, typer.Option("--attention", help="quantise q.kT and p.v too")] = False,
    search_on: Annotated[
        int, typer.Option(min=1, help="observations to measure a plan on; fewer are faster, and tell less of the worst")
    ] = 512,
    report: Report = None,
    json: Json = None,
) -> None:
    """Quantise a policy to INT8 and put it into its bundle, if its motions stay inside the budget of policy.yaml."""
    from edgevla.bundle import load_manifest
    from edgevla.quantize.errors import BudgetMissed
    from edgevla.quantize.install import install, workplace
    from edgevla.quantize.page import write_page
    from edgevla.quantize.quantise import VARIANTS, Settings, quantise, sets_of, shortfall
    from edgevla.quantize.recipe import AUTO
    from edgevla.quantize.report import results
    from edgevla.quantize.thresholds import METHODS
    from edgevla.runtime.report import envelope, fresh_folder, now, write_json
    from edgevla.shipped import shipped

    one_of("--method", method, (*METHODS, AUTO))
    for each in variant or ():
        one_of("--variant", each, VARIANTS)
    started = now()
    policy = load_manifest(bundle if bundle.exists() else shipped(str(bundle)))
    sets = sets_of(policy, observations, held_out)
    settings = Settings(method, smoothing, attention, search_on)
    folder = report or report_folder("quantize")
    fresh_folder(folder)
    with workplace(policy) as work, counting() as progress:
        note = _noting(progress)
        outcomes = [quantise(policy, each, sets, settings, work, note) for each in variant or VARIANTS]
        budget = policy.manifest.quantisation
        found = envelope("calibrate quantize", started, results(outcomes, budget))
        for path in (folder / "quantize.json", *([json] if json else [])):
            write_json(path, found)
        title = f"{policy.manifest.name}: what INT8 costs"
        write_page(folder / "quantize.html", title, found["results"], [outcome.errors_rad for outcome in outcomes])
        print_quantize(found["results"])
        console.print(f"see {folder}/quantize.html")
        for outcome in outcomes:
            if problem := shortfall(outcome, budget):
                raise BudgetMissed(
                    f"{policy.folder}: {outcome.variant} {problem}; the bundle is left as it was",
                    fix="capture more and more varied observations, or widen `quantisation` in policy.yaml",
                )
        install(policy, outcomes)
    console.print(f"{policy.folder} now has {', '.join(outcome.variant for outcome in outcomes)}")


def print_quantize(results: dict[str, Any]) -> None:
    """For each variant the error per joint, and which layers did not stay in INT8."""
    for variant in results["variants"]:
        size = variant["bytes"]
        title = (
            f"{variant['variant']}: {variant['recipe']}, {variant['of_budget']:.0%} of the budget, "
            f"{size['int8'] / size['fp32']:.1%} of fp32's size, over {variant['observations']} held-out observations"
        )
        rows = [
            {"joint": joint["name"], **{f"{key}, rad": f"{joint[key]:.4f}" for key in ("mean", "p99", "worst")}}
            for joint in variant["joints"]
        ]
        print_table(title, rows)
        stayed = [
            {"layer": each["name"], "kept as": each["level"], "why": each["why"]} for each in variant["float_layers"]
        ]
        print_table(f"{variant['variant']}: not in INT8", stayed)


@contextlib.contextmanager
def counting() -> Iterator[Progress]:
    """Bars with what is done, and of how much; nothing where nobody watches, not even the line that they stood on."""
    from rich.progress import MofNCompleteColumn, Progress

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn())
    bars = Progress(*columns, console=console, transient=True)
    with bars if console.is_interactive else contextlib.nullcontext():
        yield bars


def _noting(progress: Progress) -> Callable[[str, int], None]:
    """What `quantise` calls: a bar for each stage, which fills by its steps."""
    bar = None

    def note(stage: str, steps: int) -> None:
        nonlocal bar
        if steps:
            bar = progress.add_task(stage, total=steps)
        elif bar is not None:
            progress.advance(bar)

    return note
