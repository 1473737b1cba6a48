"""`edgevla latency`: from something visible to the first command that answers it, on one clock, and what lies between.

Simulated: the robot covers its front camera's lens at moments of its own and takes the time until its bus has received
the first goal that answers (edgevla/sim/blinking.py). The runtime is the ordinary one, with the robot's own policy
graph whose answer is replaced by one that depends on the darkness alone (edgevla/evaluate/latency_bundle.py).

On a robot: what needs neither a lamp nor a moving arm. The policy plans and control ticks in shadow, which computes
and sends nothing; tests/hil/README.md has the bench that times the glass too.

The runtime is started several times. Camera, policy and tick keep their phase to each other for as long as they run,
and where it happens to lie decides over most of a tick: one start would measure that luck.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevla.bundle import load_manifest
from edgevla.config.load import load_robot
from edgevla.errors import EdgeVLAError
from edgevla.evaluate.latency_baseline import check_comparable, load_baseline, regressions
from edgevla.evaluate.latency_bundle import write_probe_bundle
from edgevla.evaluate.latency_plot import draw_latency
from edgevla.evaluate.latency_results import (
    WARM_UP_BLINKS,
    WARM_UP_READS,
    Measured,
    Round,
    latency_results,
    samples,
)
from edgevla.evaluate.latency_serial import serial_round_trips
from edgevla.messages import Instruct, Mode
from edgevla.runtime.arguments import PolicyChoice
from edgevla.runtime.report import envelope, now, write_json
from edgevla.runtime.session import Session
from edgevla.runtime.ticklog import TICKS_FILE
from edgevla.runtime.wiring import bundle_folder
from edgevla.shipped import shipped
from edgevla.sim.blinking_process import BlinkingProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from edgevla.bundle import Bundle
    from edgevla.config.robot import Robot
    from edgevla.evaluate.latency_results import Columns
    from edgevla.sim.blink import Blink

    Check = Callable[[Mapping[str, Any]], None]  # refuses settings that the baseline does not have
    Progress = Callable[[float], None]  # by how much of the whole it went on

ROBOT = "so101-tabletop"
COVERED_CAMERA = "front"
_POLL_S = 0.05


class MeasurementBroken(EdgeVLAError):
    """The run ended before enough was measured."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """What the command line gave.

    `robot_path`: None for the simulated robot. `blinks`: changes to time in simulation, `seconds`: how long to watch a
    real robot, in all `rounds` together. `baseline`: an earlier report to compare with.
    """

    robot_path: Path | None
    overrides: Mapping[str, str]
    blinks: int
    seconds: float
    reads: int
    rounds: int
    seed: int
    report: Path
    variant: str
    baseline: Path | None


def run_latency(options: LatencyOptions, progress: Progress) -> dict[str, Any]:
    """Measure, write latency.json and latency.png into the report folder, and compare with the baseline.

    Returns the report; `results.regressions` lists what is slower than the baseline allows.

    Raises:
        EdgeVLAError: something could not start, broke off, or cannot be compared.
    """
    started = now()
    baseline = load_baseline(options.baseline) if options.baseline is not None else None
    options.report.mkdir(parents=True, exist_ok=True)

    def check(settings: Mapping[str, Any]) -> None:
        if baseline is not None:
            check_comparable(baseline, settings, envelope("latency", started, {})["device"])

    measure = _measure_simulated if options.robot_path is None else _measure_robot
    measured = measure(options, check, progress)
    results = latency_results(measured)
    if baseline is not None:
        slower = regressions(baseline["results"], results)
        results["regressions"] = [{**each._asdict(), "message": str(each)} for each in slower]
    report = envelope("latency", started, results)
    write_json(options.report / "latency.json", report)
    draw_latency(options.report / "latency.png", samples(measured))
    return report


def _measure_simulated(options: LatencyOptions, check: Check, progress: Progress) -> Measured:
    robot_path = shipped(ROBOT) / "robot.yaml"
    with contextlib.ExitStack() as stack:
        simulator = stack.enter_context(BlinkingProcess(options.seed))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgevla-latency-")))
        cameras = {f"cameras.{name}.source": address for name, address in simulator.cameras.items()}
        overrides = {"motors.port": simulator.port, **cameras, **options.overrides}
        robot = load_robot(robot_path, overrides)
        source = load_manifest(bundle_folder(robot_path, robot))
        settings = _settings(robot, source, options)
        check(settings)
        probe = write_probe_bundle(source, options.variant, robot.joints, COVERED_CAMERA, folder)
        reads = serial_round_trips(robot, WARM_UP_READS + options.reads)
        rounds = []
        for index, share in enumerate(_shares(options.blinks, options.rounds)):
            blinks: list[Blink] = []
            here = {**overrides, "bundle": str(folder)}
            session = Session(robot_path, here, options.report, PolicyChoice(options.variant, "cpu", verified=False))
            with _engaged(session, probe):
                simulator.order(WARM_UP_BLINKS + share, options.seed + index)
                while len(blinks) < WARM_UP_BLINKS + share:
                    _watch(session)
                    fresh = simulator.drain()
                    blinks += fresh
                    progress(len(fresh) / (options.blinks + options.rounds * WARM_UP_BLINKS))
            rounds.append(Round(blinks, _columns(options.report)))
    return Measured(settings, reads, rounds, _realtime(session))


def _measure_robot(options: LatencyOptions, check: Check, progress: Progress) -> Measured:
    """Nothing is sent that could move a joint: supervision is shadow, whatever robot.yaml says."""
    assert options.robot_path is not None
    overrides = {**options.overrides, "control.supervision": "shadow"}
    robot = load_robot(options.robot_path, overrides)
    bundle = load_manifest(bundle_folder(options.robot_path, robot))
    settings = _settings(robot, bundle, options)
    check(settings)
    reads = serial_round_trips(robot, WARM_UP_READS + options.reads)
    rounds = []
    for _ in range(options.rounds):
        policy = PolicyChoice(options.variant, "cpu", verified=True)
        session = Session(options.robot_path, overrides, options.report, policy)
        with _engaged(session, bundle):
            ends_s = time.monotonic() + options.seconds / options.rounds
            while time.monotonic() < ends_s:
                _watch(session)
                progress(_POLL_S / options.seconds)
        rounds.append(Round([], _columns(options.report)))
    return Measured(settings, reads, rounds, _realtime(session))


def _settings(robot: Robot, bundle: Bundle, options: LatencyOptions) -> dict[str, Any]:
    """What only runs with the same values of can be compared."""
    return {
        "robot": robot.name,
        "simulated": options.robot_path is None,
        "bundle": bundle.manifest.name,
        "variant": options.variant,
        "control_hz": float(robot.control.rate),
        "replan_hz": float(robot.control.replan),
        "camera_hz": {camera.name: float(camera.rate) for camera in robot.cameras},
    }


def _shares(whole: int, rounds: int) -> list[int]:
    """`whole` in `rounds` nearly equal parts, none of them empty."""
    parts = min(whole, rounds)
    return [whole * (index + 1) // parts - whole * index // parts for index in range(parts)]


@contextlib.contextmanager
def _engaged(session: Session, bundle: Bundle) -> Iterator[None]:
    sentence = bundle.manifest.language.instructions[0]
    with session:
        session.arm()
        session.instruct(Instruct(text=sentence))
        session.engage(sentence)
        yield


def _watch(session: Session) -> None:
    session.poll()
    if session.mode is not Mode.ENGAGED:
        reason = session.status.reason if session.status is not None else ""
        raise MeasurementBroken(
            f"the runtime went to {session.mode.value} while it was measured: {reason}",
            fix="measure on a machine that keeps up, or correct what the reason names",
        )
    time.sleep(_POLL_S)


def _columns(folder: Path) -> Columns:
    """The tick log of the round that has just ended; it is taken away, so that it cannot pass for the next one's."""
    path = folder / TICKS_FILE
    try:
        with np.load(path) as log:
            columns = {name: log[name] for name in log.files}
    except FileNotFoundError:
        raise MeasurementBroken("the control process was ended before it wrote its tick log") from None
    path.unlink()
    return columns


def _realtime(session: Session) -> dict[str, Any]:
    granted = session.granted
    if granted is None:
        return {}
    return {name: getattr(granted, name) for name in ("scheduler", "mlock", "affinity", "refused")}
