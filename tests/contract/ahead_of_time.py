"""In a subprocess: TensorRT-RTX in the place of TensorRT, and our own build over it, on a machine without a GPU.

python ahead_of_time.py FOLDER GRAPH...     prints, graph by graph, size, time and peak memory, or why there is no plan
"""

import json
import resource
import sys
import time
from pathlib import Path

import tensorrt_rtx_bindings as rtx

# RTX counts its versions from 1 and speaks the interface of TensorRT 11.
rtx.__version__ = f"11.4.{rtx.__version__}"
sys.modules["tensorrt"] = rtx

from edgevla.engine.base import EngineError  # noqa: E402
from edgevla.engine.tensorrt_build import build_plan  # noqa: E402
from edgevla.engine.tensorrt_session import Session  # noqa: E402


def for_ampere(config):
    """Without a GPU it must be told which to build for; Orin's own sm_87 is not among them."""
    config.num_compute_capabilities = 1
    config.set_compute_capability(rtx.ComputeCapability.SM86, 0)


def main():
    """Print {"builds": {graph: {"bytes", ...} or {"refused", ...}}, "load": message}."""
    folder, *graphs = map(Path, sys.argv[1:])
    outcome = {}
    for graph in graphs:
        plan = folder / f"{graph.name}.plan"
        began = time.monotonic()
        try:
            warnings = build_plan(graph, plan, timing=folder / "timing.bin", configure=for_ampere)
            outcome[graph.name] = {
                "bytes": plan.stat().st_size,
                "seconds": round(time.monotonic() - began, 1),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "warnings": warnings,
            }
        except EngineError as error:
            outcome[graph.name] = {"refused": str(error), "kind": type(error).__name__, "left": plan.exists()}
    print(json.dumps({"builds": outcome, "load": load(folder)}))


def load(folder):
    """What our session says to a plan where there is no driver."""
    try:
        Session(next(folder.glob("*.plan")))
    except EngineError as error:
        return str(error)
    return "loaded"


main()
