"""`edgevla run`: the runtime on the devices that robot.yaml names, with its operator at this terminal."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgevla.errors import EdgeVLAError
from edgevla.messages import Event, Instruct, Mode
from edgevla.runtime.keys import Keys
from edgevla.runtime.live import LiveStatus
from edgevla.runtime.plots import draw_latency
from edgevla.runtime.report import envelope, fresh_folder, now, run_results, write_json
from edgevla.runtime.session import Session
from edgevla.runtime.ticklog import TICKS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import FrameType

    from rich.console import Console

    from edgevla.runtime.arguments import PolicyChoice

_POLL_S = 0.05
_ENGAGE_S = 5.0  # how long an engage key waits for a plan
HELP = "keys: [b]e[/] engage   [b]space[/] stop   [b]h[/] home   [b]r[/] reset a fault   [b]q[/] quit"


class FaultReached(EdgeVLAError):
    """The run ended in a fault; the message says which."""

    exit_code = 3


class NoReport(EdgeVLAError):
    """The run is over, and there is nothing to report from."""

    exit_code = 1


class EngagementEnded(EdgeVLAError):
    """The arm was stopped by something else than its operator, who is not there to engage it again."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line gave."""

    robot_path: Path
    overrides: Mapping[str, str]
    instruction: str
    duration_s: float | None
    engage: bool
    report: Path
    policy: PolicyChoice


def run_robot(options: RunOptions, console: Console) -> dict[str, Any]:
    """Run until the time is up, the operator quits, or an interrupt; then stop the arm and write the report.

    Raises:
        EdgeVLAError: it could not start, or (FaultReached) it ended in a fault.
    """
    started = now()
    fresh_folder(options.report)
    session = Session(options.robot_path, options.overrides, options.report, options.policy)
    try:
        with interrupts() as leave_if_interrupted, session, Keys() as keys, LiveStatus(console) as live:
            if session.granted is not None and session.granted.refused:
                live.say(session.granted.refused)
            _operate(session, keys, live, options, leave_if_interrupted)
    finally:
        report = _write_report(session, options, started, console)
    if not report:
        raise NoReport(f"{options.report}: the control process left no tick log", fix="is the disk full?")
    if session.mode is Mode.FAULT and session.status is not None:
        raise FaultReached(f"ended in a fault: {session.status.reason}", fix=f"see {options.report}")
    return report


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], None]]:
    """As `serve.signals_to_leave`, for Ctrl-C and KeyboardInterrupt: each one raises it, and none is lost."""
    told: list[int] = []

    def leave_if_interrupted() -> None:
        if told:
            raise KeyboardInterrupt

    def interrupt(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield leave_if_interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _operate(
    session: Session, keys: Keys, live: LiveStatus, options: RunOptions, leave_if_interrupted: Callable[[], None]
) -> None:
    if keys.available:
        live.say(HELP)
    elif not options.engage:
        live.say("no terminal to press keys at: the arm is not armed; --engage starts at once")
    session.instruct(Instruct(text=options.instruction))
    if options.engage:
        session.arm()
        session.engage(options.instruction)
    operator = Operator(session, options.instruction)
    ends_s = time.monotonic() + options.duration_s if options.duration_s is not None else float("inf")
    while time.monotonic() < ends_s:
        leave_if_interrupted()
        session.poll()
        live.show(session, options.instruction)
        if operator.press(keys.pressed()):
            return
        if options.engage and not keys.available and session.mode is not Mode.ENGAGED:
            raise EngagementEnded(f"not engaged any more: {session.why()}")
        time.sleep(_POLL_S)


class Operator:
    """What the keys mean. Engaging waits for a plan for the sentence, and is forgotten when stop is pressed."""

    def __init__(self, session: Session, instruction: str) -> None:
        self._session = session
        self._instruction = instruction
        self._engage_until_s = float("-inf")

    def press(self, keys: str) -> bool:
        """Do what the keys of one poll say; a stop among them wins over everything. True when asked to quit."""
        if " " in keys or "q" in keys:
            self._engage_until_s = float("-inf")
            self._session.request(Event.STOP, "the operator pressed stop")
            return "q" in keys
        if "r" in keys:
            self._session.request(Event.RESET, "the operator reset")
        if "h" in keys:
            self._session.instruct(Instruct(home=True))
        if "e" in keys:
            self._session.instruct(Instruct(text=self._instruction))
            self._session.request(Event.ARM, "the operator armed")
            self._engage_until_s = time.monotonic() + _ENGAGE_S
        self._engage_when_planned()
        return False

    def _engage_when_planned(self) -> None:
        """Ask once, when the arm holds and there is a plan for the sentence; not again."""
        status = self._session.status
        if time.monotonic() > self._engage_until_s or status is None or status.mode is not Mode.HOLDING:
            return
        if status.instruction == self._instruction:
            self._session.request(Event.ENGAGE, "the operator engaged")
            self._engage_until_s = float("-inf")


def _write_report(session: Session, options: RunOptions, started: str, console: Console) -> dict[str, Any]:
    """Figures of what was ticked, also when the run ended badly; nothing when the control process never ticked."""
    if not (options.report / TICKS_FILE).exists():
        return {}
    results = run_results(session, options.report, [{"text": options.instruction, "success": None}])
    report = envelope("run", started, results)
    write_json(options.report / "report.json", report)
    draw_latency(options.report)
    console.print(f"report: {options.report}", highlight=False)
    return report
