"""`edgevla verify`: is the engine still the policy?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgevla.commands.build import Path_, find_bundle
from edgevla.commands.options import Json, NotReached, Set, overrides
from edgevla.commands.quantize import counting
from edgevla.tables import console


def verify(
    path: Path_,
    observations: Annotated[Path, typer.Option(help="a calibration set that was not used to quantise")],
    variant: Annotated[str, typer.Option(help="which graph of the bundle [default: int8, on cpu int8-cpu]")] = "",
    target: Annotated[str, typer.Option(help="what runs it: cpu, cuda, tensorrt, triton:HOST:PORT/MODEL")] = "cpu",
    limit: Annotated[int, typer.Option(help="at most so many observations")] = 500,
    set_: Set = None,
    json: Json = None,
) -> None:
    """Compare an engine with the fp32 graph in joint units, and sign it if it keeps the budget of policy.yaml."""
    from edgevla.evaluate.verify import VerifyOptions
    from edgevla.evaluate.verify import verify as compare
    from edgevla.runtime.report import write_json

    bundle = find_bundle(path, overrides(set_))
    wanted = variant or ("int8-cpu" if target == "cpu" else "int8")
    options = VerifyOptions(bundle.folder, wanted, target, observations, limit)
    with counting() as progress:
        bar = progress.add_task("observations")
        report = compare(options, lambda done, total: progress.update(bar, completed=done, total=total))
    results = report["results"]
    if json is not None:
        write_json(json, report)
    _show(results)
    if not results["passed"]:
        raise NotReached(
            f"{wanted} on {target} is not signed off: {results['spent']:.2f} times the budget, "
            f"{results['invalid']} of {results['observations'] + results['invalid']} answers invalid"
        )
    if results["unsigned"]:
        raise NotReached(f"{wanted} on {target} keeps to the budget and is not signed off: {results['unsigned']}")


def _show(results: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("joint", "mean, rad", "p99", "worst", box=None, padding=(0, 2))
    for joint in results["joints"]:
        table.add_row(joint["name"], *(f"{joint[key]:.4f}" for key in ("mean", "p99", "worst")))
    budget, cosine = results["budget"], results["cosine"]
    table.add_row("budget", *(f"{budget[key]:.4f}" for key in ("mean_rad", "p99_rad", "worst_rad")))
    console.print(table)
    console.print(
        f"{results['observations']} observations on {results['provider']}; cosine of the motion: "
        f"mean {cosine['mean']:.5f}, median {cosine['median']:.5f}, least {cosine['min']:.5f}; "
        f"gripper flips {results['gripper_flips']:.2%}",
        highlight=False,
    )
    if results["held_out"] is None:
        console.print("the graph does not say what it was quantised on: that these are others is your word")
    if results["signed"] is not None:
        console.print(f"{'signed off' if results['passed'] else 'refused'}: {results['signed']}", highlight=False)
