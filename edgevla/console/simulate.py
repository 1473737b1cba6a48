"""The simulated robot and `edgevla serve` on it, for somebody who wants to see the operator's page."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from importlib import resources
from typing import TYPE_CHECKING

from edgevla.runtime.demo import ROBOT, simulated_devices
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHIPPED = shipped(ROBOT) / "robot.yaml"
_END_S = 15.0  # a controlled stop, and the processes after it


@contextlib.contextmanager
def simulated(robot_path: Path, seed: int) -> Iterator[dict[str, str]]:
    """Run both until the block ends. Gives the settings that point robot.yaml at the simulated robot.

    Raises:
        SimulatorError: the simulated robot did not start.
    """
    scene = resources.files("edgevla.sim") / "assets" / "so101_tabletop.xml"
    with spawn_simulator(seed) as simulator:
        drawn = ", ".join(f"{name}: {name}" for name in simulator.cameras)
        overlay = f'{{model: "{scene}", site: tip, cameras: {{{drawn}}}}}'
        settings = {**simulated_devices(simulator), "console.overlay": overlay}
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        # A session of its own: Ctrl-C reaches only us, and we end it before the simulated robot.
        served = subprocess.Popen(
            [sys.executable, "-m", "edgevla", "serve", str(robot_path), *words], start_new_session=True
        )
        try:
            yield settings
        finally:
            served.terminate()
            try:
                served.wait(_END_S)
            except subprocess.TimeoutExpired:
                served.kill()
                served.wait()
