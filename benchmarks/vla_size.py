"""`python -m benchmarks.vla_size FOLDER`: what a 0.4 G-parameter policy costs to quantise, in memory and time.

Each stage runs in a process of its own, so that its peak memory is its own. The weights are random and the pictures are
made up: the figures are about size, never about accuracy.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.vla_graph import FIFTIETH, PAST_2_GB, SMOLVLA, Shapes, write_bundle
from edgevla.bundle import load_manifest
from edgevla.calibration_set import Resolution, SetManifest, inputs_sha256, save_item, save_manifest
from edgevla.engine.targets import target
from edgevla.messages import Observation
from edgevla.plan.subject import load_subject
from edgevla.plan.verdict import options
from edgevla.quantize.dataset import load_dataset, split
from edgevla.quantize.lint.run import lint
from edgevla.quantize.quantise import INT8, Sets, Settings, quantise
from edgevla.runtime.report import envelope, now, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

OBSERVATIONS = 8  # a real set has hundreds
CAMERA_PX = 256
RTX = Path(sys.prefix) / "contract" / "tensorrt-rtx"


def write(folder: Path, shapes: Shapes) -> str:
    """The float bundle."""
    return f"{write_bundle(folder / 'bundle', shapes) / 1e6:.1f} M parameters"


def observe(folder: Path, shapes: Shapes) -> str:
    """A set of made-up pictures: slopes of colour, each of another kind."""
    manifest = load_manifest(folder / "bundle").manifest
    rng = np.random.default_rng(0)
    place = folder / "set"
    place.mkdir(exist_ok=True)
    items = []
    for number in range(OBSERVATIONS):
        images = {camera: slope(rng) for camera in shapes.cameras}
        state_rad = rng.normal(0.0, 0.1, len(manifest.joints))
        items.append(save_item(place, number, Observation(0.1 * number, images, state_rad, "touch the red block")))
    size = Resolution(height=CAMERA_PX, width=CAMERA_PX)
    save_manifest(
        place,
        SetManifest(
            bundle=manifest.name,
            inputs_sha256=inputs_sha256(manifest),
            source="simulated",
            started=now(),
            joints=manifest.joints,
            cameras=dict.fromkeys(shapes.cameras, size),
            items=tuple(items),
        ),
    )
    return f"{OBSERVATIONS} observations"


def slope(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture (CAMERA_PX, CAMERA_PX, 3) uint8."""
    down, right = (np.linspace(0.0, rng.uniform(50.0, 200.0), CAMERA_PX) for _ in range(2))
    return np.clip(np.add.outer(down, right)[..., np.newaxis] + rng.uniform(0.0, 50.0, 3), 0, 255).astype(np.uint8)


def quantise_(folder: Path, _: Shapes) -> str:
    """Scales, both graphs in INT8, and the deviation on held-out observations."""
    bundle = load_manifest(folder / "bundle")
    everything = load_dataset(folder / "set", bundle, fewest=OBSERVATIONS)
    calibration, held_out = split(everything, (3, 1), run=1)
    out = folder / "int8"
    out.mkdir(exist_ok=True)
    settings = Settings(method="minmax", smoothing=0.0, searched_on=2)
    outcome = quantise(bundle, INT8, Sets(calibration, held_out), settings, out, lambda *_: None)
    share = outcome.bytes_int8 / outcome.bytes_float
    return f"{len(outcome.found.plan)} layers, {outcome.bytes_int8 / 1e6:.0f} MB, {share:.1%} of fp32"


def lint_(folder: Path, _: Shapes) -> str:
    """Both INT8 graphs."""
    found = {path.name: len(lint(path)) for path in sorted((folder / "int8").glob("*.int8.onnx"))}
    return ", ".join(f"{name}: {count} findings" for name, count in found.items())


def build_(folder: Path, _: Shapes) -> str:
    """Both INT8 graphs by TensorRT-RTX, ahead of time, where `make contract` could install it."""
    if not RTX.is_dir():
        return "not run: TensorRT-RTX is not installed, see make contract"
    said = []
    for path in sorted((folder / "int8").glob("*.int8.onnx")):
        command = [sys.executable, "tests/contract/ahead_of_time.py", str(folder / "int8"), str(path)]
        environment = {**os.environ, "PYTHONPATH": f"{RTX}:."}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{path.name}: {done.stderr.strip().splitlines()[-1]}"
        built = json.loads(done.stdout.splitlines()[-1])["builds"][path.name]
        said.append(f"{path.name}: {built.get('refused') or '{seconds} s, {peak_mb} MB at peak'.format(**built)}")
    return "; ".join(said)


def plan_(folder: Path, _: Shapes) -> str:
    """An estimate for an AGX Orin."""
    work = load_subject(folder / "bundle", "fp32").work
    figures = options(work, target("orin-agx-64"), 10.0)
    return ", ".join(f"{each.precision}: {each.estimate.ms:.0f} ms a chunk" for each in figures)


STAGES: tuple[tuple[str, Callable[[Path, Shapes], str]], ...] = (
    ("write fp32", write),
    ("observe", observe),
    ("quantise", quantise_),
    ("lint", lint_),
    ("build", build_),
    ("plan", plan_),
)


def measured(stage: Callable[[Path, Shapes], str], folder: Path, shapes: Shapes) -> dict[str, Any]:
    """Run a stage; seconds, peak memory of this process, and what it says."""
    started = time.perf_counter()
    said = stage(folder, shapes)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": round(time.perf_counter() - started, 1), "peak_gib": round(peak_kib / 2**20, 2), "result": said}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="2.5 GB of space; what is there already is written anew")
    parser.add_argument("--fiftieth", action="store_true", help="the same at a fiftieth of the parameters")
    parser.add_argument(
        "--past-2gb", action="store_true", help="with more layers: past the size of one protobuf message"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    started, shapes = now(), FIFTIETH if given.fiftieth else PAST_2_GB if given.past_2gb else SMOLVLA
    table = Table("stage", "s", "peak, GiB", "", box=None, padding=(0, 2))
    rows = []
    for name, stage in STAGES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            row = {"stage": name, **pool.submit(measured, stage, given.folder, shapes).result()}
        rows.append(row)
        table.add_row(name, str(row["seconds"]), str(row["peak_gib"]), row["result"])
    Console(width=120).print(table)
    if given.json is not None:
        write_json(given.json, envelope("benchmarks.vla_size", started, {"stages": rows}))


if __name__ == "__main__":
    main()
