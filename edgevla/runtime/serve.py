"""`edgevla serve`: runs the robot for operators who connect to a socket. It comes up disarmed, always.

It never engages by itself, and it ends when one of the robot's processes does: whoever started it starts everything
anew, disarmed.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgevla.config.load import load_robot
from edgevla.errors import EdgeVLAError
from edgevla.runtime.clients import Clients
from edgevla.runtime.notify import Notifier, one_line
from edgevla.runtime.recorder_child import RecorderChild, RecorderOptions
from edgevla.runtime.report import fresh_folder
from edgevla.runtime.session import Session
from edgevla.runtime.sockets import listen, operator_socket
from edgevla.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import FrameType

    from edgevla.config.robot import Robot
    from edgevla.runtime.arguments import PolicyChoice

_LOAD_S = 240.0  # for a large engine; the unit's own limit is longer
_QUOTA_BYTES = 2_000_000_000  # for --record without a section in robot.yaml


class FolderRefused(EdgeVLAError):
    """A folder that was asked for cannot be written to."""


class Leave(BaseException):
    """A signal has asked for the end."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line gave. `report` and `record` may be None: nothing is written then."""

    robot_path: Path
    overrides: Mapping[str, str]
    policy: PolicyChoice
    report: Path | None
    record: Path | None


def serve(options: ServeOptions, say: Callable[[str], None]) -> None:
    """Serve until a signal asks for the end; then stop the arm under control and apply its torque policy.

    Args:
        say: takes a line for the journal.

    Raises:
        EdgeVLAError: it cannot start, or a process of the robot has failed.
    """
    robot = load_robot(options.robot_path, options.overrides)
    say = harmless(say)
    with signals_to_leave() as leave_if_told, contextlib.ExitStack() as stack:
        try:
            notifier = stack.enter_context(contextlib.closing(Notifier()))
            listener = stack.enter_context(contextlib.closing(listen(operator_socket(robot.name))))
            if options.report is not None:
                fresh_folder(options.report)
                check_writable(options.report)
            recorder = _recorder(options, robot)
            if recorder is not None:
                stack.callback(recorder.close, "the supervisor ends")
                recorder.begin()
            session = Session(
                options.robot_path,
                options.overrides,
                options.report,
                options.policy,
                heartbeats=False,
                recorder=recorder.ends if recorder is not None else None,
                patience_s=_LOAD_S,
            )
            clients = Clients(listener)
            with session, _taking_leave(clients, notifier):
                say(f"{robot.name} is served at {listener.path}, disarmed")
                if session.granted is not None and session.granted.refused:
                    say(session.granted.refused)
                Supervisor(robot, options.policy, session, clients, recorder, notifier, say).run(leave_if_told)
        except Leave as signalled:
            say(f"{signalled}: the robot is shut down")


def harmless(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same, a line at a time; a log that is full, closed or gone loses the line and not the robot."""

    def say_or_not(text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            say(one_line(text))

    return say_or_not


@contextlib.contextmanager
def signals_to_leave() -> Iterator[Callable[[], None]]:
    """SIGTERM, SIGINT and SIGHUP raise `Leave`, once: a second one does not disturb the stop.

    Python drops what a signal raises while a destructor or a weak reference's callback runs. So a loop also calls the
    function that is given: it raises `Leave` if a signal has come. A SIGHUP that is ignored stays so: that is what
    nohup(1) does.
    """
    told: list[str] = []

    def leave_if_told() -> None:
        if told:
            raise Leave(told[0])

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        told.append(signal.Signals(number).name)
        leave_if_told()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, leave)
    try:
        yield leave_if_told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_writable(folder: Path) -> None:
    """Make the folder if need be, and try it.

    Raises:
        FolderRefused: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FolderRefused(f"{folder}: cannot be written: {error.strerror}", fix="choose another folder") from None


def _recorder(options: ServeOptions, robot: Robot) -> RecorderChild | None:
    """The recorder that robot.yaml or the command line asks for.

    Raises:
        FolderRefused: its folder cannot be written to.
    """
    section = robot.recording
    folder = options.record
    if folder is None and section is not None:
        folder = options.robot_path.parent / section.folder
    if folder is None:
        return None
    check_writable(folder)
    quota_bytes = int(section.quota) if section is not None else _QUOTA_BYTES
    return RecorderChild(RecorderOptions(options.robot_path, options.overrides, options.policy, folder, quota_bytes))


@contextlib.contextmanager
def _taking_leave(clients: Clients, notifier: Notifier) -> Iterator[None]:
    """Whatever ends it: the service manager and the operators hear of it before the arm is stopped."""
    try:
        yield
    except BaseException as error:
        notifier.stopping()
        clients.close(error.message if isinstance(error, EdgeVLAError) else f"the robot is shut down: {error}")
        raise
