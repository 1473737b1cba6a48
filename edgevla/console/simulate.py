"""The simulated robot and `edgevla serve` on it, for somebody who wants to see the operator's page."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgevla.config.load import load_robot
from edgevla.runtime.demo import ROBOT, patience, simulated_devices
from edgevla.runtime.sockets import RUNTIME_FOLDER
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED = shipped(ROBOT) / "robot.yaml"
_END_S = 15.0  # a controlled stop, and the processes after it


class Simulated(NamedTuple):
    """`settings` point robot.yaml at the simulated robot; `runtime` is the folder of its operator socket.

    The folder is its own: a robot of the same name that is served on this machine is another one.
    """

    settings: dict[str, str]
    runtime: Path


@contextlib.contextmanager
def simulated(robot_path: Path, seed: int) -> Iterator[Simulated]:
    """Run both until the block ends.

    Raises:
        SimulatorError: the simulated robot did not start.
    """
    scene = resources.files("edgevla.sim") / "assets" / "so101_tabletop.xml"
    with tempfile.TemporaryDirectory(prefix="edgevla-") as runtime, spawn_simulator(seed) as simulator:
        drawn = ", ".join(f"{name}: {name}" for name in simulator.cameras)
        overlay = f'{{model: "{scene}", site: tip, cameras: {{{drawn}}}}}'
        settings = {**simulated_devices(simulator), **patience(load_robot(robot_path)), "console.overlay": overlay}
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        # A session of its own: Ctrl-C reaches only us, and we end it before the simulated robot.
        served = subprocess.Popen(
            [sys.executable, "-m", "edgevla", "serve", str(robot_path), *words],
            start_new_session=True,
            env={**os.environ, RUNTIME_FOLDER: runtime},
        )
        try:
            yield Simulated(settings, Path(runtime))
        finally:
            served.terminate()
            try:
                served.wait(_END_S)
            except subprocess.TimeoutExpired:
                served.kill()
                served.wait()
