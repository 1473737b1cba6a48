"""`python -m benchmarks.variants [BUNDLE]`: how fast the variants of a bundle run on this CPU, in one paired run.

Variants take turns, observation by observation, so that whatever else the machine does hits them alike. As in the
runtime: one thread, which does not spin. `int8` is made for TensorRT: that it is slow here says nothing about it there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from edgevla.bundle import load_manifest
from edgevla.messages import Observation
from edgevla.policy.loading import load_policy
from edgevla.policy.normalise import middle
from edgevla.policy.preprocess import CAMERA
from edgevla.runtime.report import envelope, now, write_json
from edgevla.shipped import shipped

CAMERA_PX = 288
WARM_UP = 50


def observations(folder: Path, count: int) -> list[Observation]:
    """Noise at the camera's size around the middle state: the time does not depend on what is in the pictures."""
    manifest = load_manifest(folder).manifest
    rng = np.random.default_rng(0)
    cameras = [spec.source.removeprefix(CAMERA) for spec in manifest.inputs if spec.source.startswith(CAMERA)]
    sentences = manifest.language.instructions
    return [
        Observation(
            float(number),
            {camera: rng.integers(0, 256, (CAMERA_PX, CAMERA_PX, 3), np.uint8) for camera in cameras},
            middle(manifest.state),
            sentences[number % len(sentences)],
        )
        for number in range(count)
    ]


def run(folder: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """For each variant its size, and quantiles of the engine's time in ms."""
    bundle = load_manifest(folder)
    policies = {variant: load_policy(folder, variant) for variant in bundle.manifest.graphs}
    times_ms: dict[str, list[float]] = {variant: [] for variant in policies}
    shown = observations(folder, 16)
    for number in range(rounds + WARM_UP):
        order = list(policies)
        for variant in order if number % 2 else reversed(order):
            chunk = policies[variant].act(shown[number % len(shown)], number)
            if number >= WARM_UP:
                times_ms[variant].append(chunk.stages.engine_ms)
    results = {}
    for variant, values in times_ms.items():
        p50, p99 = np.percentile(values, [50, 99])
        size = bundle.graph(variant).stat().st_size
        results[variant] = {"p50": round(float(p50), 4), "p99": round(float(p99), 4), "n": len(values), "bytes": size}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", default=shipped("so101-tabletop"))
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started = now()
    results = run(given.bundle, given.rounds)
    table = Table("variant", "p50, ms", "p99, ms", "bytes", "of fp32", box=None, padding=(0, 2))
    for variant, row in results.items():
        share = f"{row['bytes'] / results['fp32']['bytes']:.1%}"
        table.add_row(variant, f"{row['p50']:.3f}", f"{row['p99']:.3f}", str(row["bytes"]), share)
    Console(width=100).print(table)
    if given.json is not None:
        write_json(given.json, envelope("benchmarks.variants", started, {"engine_ms": results}))


if __name__ == "__main__":
    main()
