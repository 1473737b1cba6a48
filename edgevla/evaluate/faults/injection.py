"""How each fault of a plan is brought about. A target is one function: it breaks something, and says how to mend it."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgevla.errors import EdgeVLAError
from edgevla.evaluate.faults.graph import MOTION
from edgevla.evaluate.faults.links import break_chunks, break_operator, repeat
from edgevla.evaluate.faults.vocabulary import SIMULATED, way_of
from edgevla.sim.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgevla.config.robot import Robot
    from edgevla.evaluate.faults.bench import Bench
    from edgevla.evaluate.faults.vocabulary import FaultSpec
    from edgevla.sim.process import SimulatorProcess

    Target = Callable[[Bench, FaultSpec, contextlib.ExitStack], None]

_BUSY = "while True: pass"

# The second word of the sentence to the network of edgevla/evaluate/faults/graph.py.
_TROUBLES: Mapping[tuple[str, str, str], str] = {
    ("engine", "off", ""): "fail",
    ("engine", "stuck", ""): "still",
    ("engine", "garbage", "nan"): "nan",
    ("engine", "garbage", "inf"): "inf",
    ("engine", "wrong", "beyond"): "beyond",
    ("engine", "wrong", "away"): "away",
    ("engine", "wrong", "jumps"): "jumps",
    ("engine", "wrong", "noise"): "noise",
    ("engine", "slow", ""): "slow",
    ("engine", "delayed", ""): "late",
    ("decoder", "garbage", ""): "far",
    ("decoder", "wrong", ""): "shape",
}


class NotSimulated(EdgeVLAError):
    """A fault that only the simulated robot can play."""


def inject(
    faults: Sequence[FaultSpec], bench: Bench, robot: Robot, simulator: SimulatorProcess | None
) -> contextlib.ExitStack:
    """Bring the faults about, all at once. Closing what is returned mends what can be mended.

    Args:
        simulator: None on a real robot.

    Raises:
        NotSimulated: on a real robot, a fault of the simulated one.
    """
    mends = contextlib.ExitStack()
    simulated = [fault for fault in faults if fault.target in SIMULATED]
    if simulated:
        _simulated(simulated, robot, simulator, mends)
    for fault in faults:
        if fault.target in {"engine", "decoder"}:
            bench.say(f"{MOTION} {_TROUBLES[fault.target, fault.kind, way_of(fault)]}")
            mends.callback(bench.say, MOTION)
        elif fault.target not in SIMULATED:
            _TARGETS[fault.target](bench, fault, mends)
    return mends


def _simulated(
    faults: Sequence[FaultSpec], robot: Robot, simulator: SimulatorProcess | None, mends: contextlib.ExitStack
) -> None:
    if simulator is None:
        broken = f"{faults[0].target} {faults[0].kind}"
        raise NotSimulated(f"{broken}: only the simulated robot plays this", fix="leave out --on-real-hardware")
    devices = {joint.name: joint.id for joint in robot.joints}
    simulator.break_(
        [
            Fault(
                part=fault.target,  # type: ignore[arg-type]  # SIMULATED are the simulator's own words
                kind=fault.kind,
                device=devices.get(fault.joint, 0),
                camera=fault.camera,
                by_s=float(fault.by),
                by_rad=float(fault.angle),
                value=fault.volts if fault.target == "power" else fault.celsius,
                every=fault.every,
            )
            for fault in faults
        ]
    )
    mends.callback(simulator.break_, [])


def _policy(bench: Bench, fault: FaultSpec, mends: contextlib.ExitStack) -> None:
    process = bench.policy_process
    if fault.kind == "off":
        bench.send_signal(process, signal.SIGKILL)
        return
    mends.callback(bench.send_signal, process, signal.SIGCONT)
    bench.send_signal(process, signal.SIGSTOP)
    if fault.kind == "intermittent":
        began_s = time.monotonic()

        def alternate(now_s: float) -> None:
            running = int((now_s - began_s) / fault.by) % 2
            bench.send_signal(process, signal.SIGCONT if running else signal.SIGSTOP)

        repeat(bench, alternate, mends)


def _control(bench: Bench, fault: FaultSpec, mends: contextlib.ExitStack) -> None:
    bench.send_signal(bench.control_process, signal.SIGKILL if fault.kind == "off" else signal.SIGSTOP)
    mends.callback(bench.send_signal, bench.control_process, signal.SIGCONT)


def _cpu(bench: Bench, fault: FaultSpec, mends: contextlib.ExitStack) -> None:
    for _ in range(os.cpu_count() or 1):
        hog = subprocess.Popen([sys.executable, "-c", _BUSY])
        mends.callback(hog.wait)
        mends.callback(hog.kill)


def _disk(bench: Bench, fault: FaultSpec, mends: contextlib.ExitStack) -> None:
    """No file may grow any more: what a full disk looks like, without filling one."""
    for process in _processes(bench):
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, resource.prlimit(process, resource.RLIMIT_FSIZE)[1]))


def _files(bench: Bench, fault: FaultSpec, mends: contextlib.ExitStack) -> None:
    for process in _processes(bench):
        taken = max(int(entry.name) for entry in Path(f"/proc/{process}/fd").iterdir())
        hard = resource.prlimit(process, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(process, resource.RLIMIT_NOFILE, (taken + 1, hard))
        mends.callback(_allow_files, process, hard)


def _allow_files(process: int, hard: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process, resource.RLIMIT_NOFILE, (hard, hard))


def _processes(bench: Bench) -> list[int]:
    return [process.pid for process in (bench.policy_process, bench.control_process) if process is not None]


_TARGETS: Mapping[str, Target] = {
    "policy": _policy,
    "control": _control,
    "operator": break_operator,
    "chunks": break_chunks,
    "cpu": _cpu,
    "disk": _disk,
    "files": _files,
}
