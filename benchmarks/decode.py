"""`python -m benchmarks.decode`: what decoding costs by NumPy, by the host library and by eager torch.

Takes turns: in every round each way decodes the same inputs once, in changing order, so that what disturbs the machine
disturbs all of them alike. Before it is timed, a way has to give NumPy's numbers. One thread each. Without torch its
column is empty; `.venv-train/bin/python -m benchmarks.decode` has it after `make distill`. On a machine with a CUDA
device and libedgevla_cuda the kernels are timed there too.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import decode_gpu
from benchmarks.decode_cases import CASES
from edgevla.engine.native import host
from edgevla.errors import EdgeVLAError
from edgevla.runtime.report import envelope, now, write_json

if TYPE_CHECKING:
    from types import ModuleType

    from benchmarks.decode_cases import Case

WARM_UP = 50
TORCH_TOLERANCE = 2e-6  # relative to the largest action: torch divides by 2 where the others take half


class WrongNumbers(EdgeVLAError):
    """A way decodes to something else than NumPy, so its time means nothing."""


def torch_or_none() -> ModuleType | None:
    """Torch on one thread, where it is installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    return torch


def check(case: Case) -> None:
    """Compare every way with NumPy: the library bit for bit.

    Raises:
        WrongNumbers: one differs, or calls the inputs invalid.
    """
    expected, valid = case.ways["numpy"]()
    expected = np.array(expected)
    for name, way in case.ways.items():
        actions, agrees = way()
        tolerance = TORCH_TOLERANCE * float(np.abs(expected).max()) if name == "torch" else 0.0
        worst = float(np.abs(actions - expected).max())
        if not (valid and agrees and worst <= tolerance):
            raise WrongNumbers(f"{case.name}: {name} is {worst:g} away from numpy, or finds the inputs invalid")


def times_us(case: Case, rounds: int) -> dict[str, Any]:
    """Each way's time in each round, (rounds,) microseconds."""
    names = list(case.ways)
    taken = {name: np.empty(rounds) for name in names}
    for index in range(-WARM_UP, rounds):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            way = case.ways[name]
            start = time.perf_counter_ns()
            way()
            spent = time.perf_counter_ns() - start
            if index >= 0:
                taken[name][index] = spent / 1e3
    return taken


def figures(taken: dict[str, Any]) -> dict[str, Any]:
    """Median and p99 of each way, and how many times longer than the library the others take, by their medians."""
    rows: dict[str, Any] = {
        name: {"p50_us": round(float(np.median(times)), 2), "p99_us": round(float(np.percentile(times, 99)), 2)}
        for name, times in taken.items()
    }
    native = float(np.median(taken["native"]))
    for name in rows.keys() - {"native"}:
        rows[f"{name}_over_native"] = round(float(np.median(taken[name])) / native, 2)
    return rows


def run(rounds: int, torch: ModuleType | None) -> list[dict[str, Any]]:
    """Every case, checked and timed."""
    library, draw = host(), np.random.default_rng(0)
    rows = []
    for make in CASES:
        case = make(library, torch, draw)
        check(case)
        rows.append({"case": case.name, "sizes": case.sizes, **figures(times_us(case, rounds))})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started, torch = now(), torch_or_none()
    try:
        rows, gpu = run(given.rounds, torch), decode_gpu.run(torch)
    except EdgeVLAError as error:
        sys.exit(f"error: {error}")
    table = Table("median, us (p99)", "sizes", "numpy", "native", "torch", "numpy/native", "torch/native", box=None)
    for row in rows:
        ways = [row.get(name) for name in ("numpy", "native", "torch")]
        cells = ["-" if way is None else f"{way['p50_us']:.1f} ({way['p99_us']:.1f})" for way in ways]
        ratios = [str(row.get(f"{name}_over_native", "-")) for name in ("numpy", "torch")]
        table.add_row(row["case"], row["sizes"], *cells, *ratios)
    console = Console(width=140)
    console.print(table)
    console.print(decode_gpu.table(gpu) if isinstance(gpu, list) else f"on a GPU: {gpu}")
    if given.json is not None:
        results = {"rounds": given.rounds, "torch": torch and str(torch.__version__), "cases": rows, "gpu": gpu}
        write_json(given.json, envelope("benchmarks.decode", started, results))


if __name__ == "__main__":
    main()
