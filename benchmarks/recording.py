"""`python -m benchmarks.recording`: what recording costs the plan and the tick, and how large the files become.

The same runtime against the same simulated robot, with the recorder and without, in turns, so that whatever else
happens on the machine happens to both. The policy plans all the time and its plans are
played; nothing is sent to the servos. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from edgevla.evaluate.quantiles import quantiles
from edgevla.messages import Instruct, Mode
from edgevla.runtime.arguments import REFERENCE
from edgevla.runtime.demo import simulated_devices
from edgevla.runtime.recorder_child import RecorderChild, RecorderOptions
from edgevla.runtime.report import WARM_UP_TICKS, envelope, now, write_json
from edgevla.runtime.session import NotGranted, Session
from edgevla.runtime.ticklog import TICKS_FILE
from edgevla.shipped import shipped
from edgevla.sim.process import spawn_simulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray[np.float64]]

SENTENCE = "touch the red block"
FIGURES = {"picture to chunk, ms": "chunk_total_ms", "tick work, us": "work_us", "tick lateness, us": "lateness_us"}
_POLL_S = 0.05
_QUOTA_BYTES = 10_000_000_000


def one_turn(robot_path: Path, devices: Mapping[str, str], folder: Path, seconds: float, *, recorded: bool) -> None:
    """Hold the arm engaged with a sentence; the tick log, and the recording, lie in `folder` afterwards."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        child = None
        if recorded:
            options = RecorderOptions(robot_path, devices, REFERENCE, folder / "log", _QUOTA_BYTES)
            child = RecorderChild(options)
            stack.callback(child.close, "the turn is over")
            while not child.tend(time.monotonic()):
                time.sleep(_POLL_S)
        ends = child.ends if child is not None else None
        session = stack.enter_context(Session(robot_path, devices, folder, REFERENCE, recorder=ends))
        session.arm()
        session.instruct(Instruct(text=SENTENCE))
        session.engage(SENTENCE)
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            session.poll()
            if child is not None:
                child.tend(time.monotonic())
            time.sleep(_POLL_S)
        if session.mode is not Mode.ENGAGED:
            raise NotGranted(f"the machine is too busy to measure on: {session.why()}")


def columns_of(folders: list[Path]) -> Columns:
    """The tick logs of several turns, one after the other, without their first ticks."""
    logs = [np.load(folder / TICKS_FILE) for folder in folders]
    return {
        name: np.concatenate([log[name][0 if name.startswith("chunk_") else WARM_UP_TICKS :] for log in logs])
        for name in logs[0].files
    }


def compare(turns: int, seconds: float, folder: Path) -> dict[str, Any]:
    robot_path = shipped("so101-tabletop") / "robot.yaml"
    folders: dict[bool, list[Path]] = {False: [], True: []}
    with spawn_simulator(7) as simulator:
        # The servos share our processor; in shadow mode the arm stands, so the task is never done.
        changes = {"motors.reply_timeout": "19 ms", "control.supervision": "shadow"}
        devices = {**simulated_devices(simulator), **changes}
        for turn in range(turns):
            for recorded in (False, True) if turn % 2 == 0 else (True, False):
                place = folder / f"{turn}-{'recorded' if recorded else 'plain'}"
                one_turn(robot_path, devices, place, seconds, recorded=recorded)
                folders[recorded].append(place)
    files = [file for place in folders[True] for file in (place / "log").glob("*.mcap")]
    return {
        "turns": turns,
        "seconds_a_turn": seconds,
        **{
            name: {label: quantiles(columns[column]) for label, column in FIGURES.items()}
            | {"missed": int(columns["skipped"].sum())}
            for name, columns in (("plain", columns_of(folders[False])), ("recorded", columns_of(folders[True])))
        },
        "mb_a_minute": round(sum(file.stat().st_size for file in files) / 1e6 / (turns * seconds / 60.0), 2),
        **losses(files),
    }


def losses(files: list[Path]) -> dict[str, int]:
    """What is in the recordings and what they say is missing."""
    from edgevla.runtime.recording.log import find_logs, read
    from edgevla.runtime.recording.schemas import Losses
    from edgevla.runtime.recording.wire import Observed

    counts = dict.fromkeys(("observations", "ticks_lost", "observations_lost", "records_lost"), 0)
    for log in find_logs(files):
        records = list(read([log]))
        counts["observations"] += sum(isinstance(record, Observed) for record in records)
        told = [record for record in records if isinstance(record, Losses)]
        if told:
            counts["ticks_lost"] += told[-1].ticks
            counts["observations_lost"] += told[-1].observations
            counts["records_lost"] += told[-1].records
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=6, help="of each kind")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a turn")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    started = now()
    with tempfile.TemporaryDirectory() as folder:
        results = compare(given.turns, given.seconds, Path(folder))
    write_json(given.json, envelope("bench-recording", started, results))
    table = Table("", "plain p50", "p99", "recorded p50", "p99", box=None, padding=(0, 2))
    for label in FIGURES:
        cells = [f"{results[kind][label][share]:.1f}" for kind in ("plain", "recorded") for share in ("p50", "p99")]
        table.add_row(label, *cells)
    console = Console()
    console.print(table)
    console.print(
        f"{results['mb_a_minute']} MB a minute, {results['observations']} observations; {results['ticks_lost']} ticks, "
        f"{results['observations_lost']} observations and {results['records_lost']} records lost",
        highlight=False,
    )


if __name__ == "__main__":
    main()
