"""`python -m benchmarks.tick`: how punctual `edgevla run` is and what a tick costs, against the simulated robot.

Starts the simulated robot and runs `edgevla run` at robot.yaml's rate for a minute, engaged on a plan that is made
anew ten times a second. Reads the figures from the run's own report.json. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from edgevla.runtime.demo import ROBOT, simulated_devices
from edgevla.runtime.report import envelope, now, write_json
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

SENTENCE = "touch the red block"


def measure(seconds: float, rate_hz: float, folder: Path, cpu: str = "null") -> dict[str, object]:
    """One run, with the control process on core `cpu`, "null" for any; returns its report's results."""
    with spawn_simulator(seed=3) as simulator:
        overrides = {**simulated_devices(simulator), "control.rate": f"{rate_hz:g} Hz", "control.realtime.cpu": cpu}
        command = [sys.executable, "-m", "edgevla", "run", str(shipped(ROBOT) / "robot.yaml")]
        command += ["--instruction", SENTENCE, "--engage", "--duration", f"{seconds:g}", "--report", str(folder)]
        for key, value in overrides.items():
            command += ["--set", f"{key}={value}"]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    results: dict[str, object] = json.loads((folder / "report.json").read_text())["results"]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=50.0, help="Hz")
    parser.add_argument(
        "--cpu", default="null", help="core for the control process; keep the others off it with taskset -c"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started = now()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(given.seconds, given.rate, Path(folder), given.cpu)
    if given.json is not None:
        write_json(given.json, envelope("benchmarks.tick", started, results))


if __name__ == "__main__":
    main()
