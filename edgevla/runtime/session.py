"""`Session`: a running robot as its operator sees it. Starts the control and policy processes, talks to both.

Whoever holds a session is the person in charge: `poll` sends the heartbeat that keeps the engage lease, so a program
that hangs or dies lets go of the arm within the lease. A supervisor, which is not a person, passes `heartbeats=False`
and sends those that people send.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from edgevla.errors import EdgeVLAError
from edgevla.messages import (
    Confirm,
    Event,
    Failure,
    Granted,
    Heartbeat,
    Instruct,
    Mode,
    Pictures,
    Planned,
    PolicyStatus,
    Request,
    Shutdown,
    Status,
    Watch,
)
from edgevla.runtime.arguments import PolicyChoice, ProcessArguments, process_arguments
from edgevla.runtime.link import Link, socket_pair

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

_START_S = 20.0
_END_S = 5.0
_POLL_S = 0.02
_ENGAGE_TRIES = 3
_ANSWER_S = 0.1  # a status this much younger than a request knows of it


# One BLAS thread; and what lies in the folder that the user works in is not to be imported by a robot's process.
_CHILD_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
FromPolicy = PolicyStatus | Pictures | Planned
FromControl = Status | Granted


def child_environment(*, notifies: bool = False) -> dict[str, str]:
    """The environment of a robot's process; only one that `notifies` may talk to the service manager."""
    ours = {name: value for name, value in os.environ.items() if notifies or name != "NOTIFY_SOCKET"}
    return {**ours, **_CHILD_ENVIRONMENT}


class RecorderEnds(NamedTuple):
    """The ends of the recorder's sockets that the control and the policy process get. A session closes them."""

    control: socket.socket
    policy: socket.socket


class ProcessFailed(EdgeVLAError):
    """One of the robot's processes could not start, or is gone."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class NotGranted(EdgeVLAError):
    """The control process did not enter the mode that was asked for; the message has its reason."""

    exit_code = 3


class Session:
    """Two processes and the links to them. A context manager: leaving it stops the arm, then the processes.

    Args:
        robot_path: robot.yaml.
        overrides: as `--set` gives them.
        report: the folder that the control process writes its tick log to.
        policy: which graph of the bundle, and what runs it.
        heartbeats: whether `poll` says that a person is there.
        recorder: where both processes send what is to be recorded.
        patience_s: how long the policy may take to load.

    Raises:
        ProcessFailed: a process refused to start; the message is its own, with the fix.
    """

    def __init__(
        self,
        robot_path: Path,
        overrides: Mapping[str, str],
        report: Path | None,
        policy: PolicyChoice,
        *,
        heartbeats: bool = True,
        recorder: RecorderEnds | None = None,
        patience_s: float = _START_S,
    ) -> None:
        self._robot_path = robot_path
        self._overrides = overrides
        self._report = report
        self._choice = policy
        self._heartbeats = heartbeats
        self._recorder = recorder
        self._patience_s = patience_s
        self.status: Status | None = None
        self.granted: Granted | None = None
        self.policy_status: PolicyStatus | None = None
        self._engaged_s = float("-inf")  # when the arm was last heard to be engaged
        self._control_peer, policy_peer = socket_pair()
        self._policy, self.policy_process = self._start(
            "policy_process", policy_peer, FromPolicy | Failure, recorder.policy if recorder is not None else None
        )
        self._control: Link[FromControl | Failure] | None = None
        self.control_process: subprocess.Popen[bytes] | None = None

    def _start(
        self, module: str, peer: socket.socket, incoming: object, recorder: socket.socket | None
    ) -> tuple[Link[Any], subprocess.Popen[bytes]]:
        ours, theirs = socket_pair()
        handed = [peer, theirs] if recorder is None else [peer, theirs, recorder]
        arguments = ProcessArguments(
            self._robot_path,
            self._overrides,
            peer.fileno(),
            theirs.fileno(),
            self._report,
            self._choice,
            recorder.fileno() if recorder is not None else None,
        )
        # A session of its own: Ctrl-C reaches only the operator's process, which stops the arm first.
        process = subprocess.Popen(
            [sys.executable, "-m", f"edgevla.runtime.{module}", *process_arguments(arguments)],
            pass_fds=[each.fileno() for each in handed],
            start_new_session=True,
            env=child_environment(notifies=module == "control_process"),
        )
        for each in handed:
            each.close()
        return Link(ours, incoming), process

    def __enter__(self) -> Session:
        """Policy first: what is wrong with bundle, graph or cameras is said before the servo port is opened."""
        try:
            self.wait_until(lambda: self.policy_status is not None, self._patience_s, "policy")
            self._control, self.control_process = self._start(
                "control_process",
                self._control_peer,
                FromControl | Failure,
                self._recorder.control if self._recorder is not None else None,
            )
            self.wait_until(lambda: self.status is not None, _START_S, "control")
        except BaseException:
            self.close("could not start")
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("the operator left" if error is None else f"the operator left: {type(error).__name__}")

    @property
    def mode(self) -> Mode:
        """The mode last heard of."""
        return self.status.mode if self.status is not None else Mode.DISARMED

    @property
    def links(self) -> list[Link[Any]]:
        """What to wait on with select() for `poll` to hear something."""
        return [link for link in (self._control, self._policy) if link is not None and not link.closed]

    @property
    def policy_gone(self) -> bool:
        """Whether the policy process has ended. Control has stopped the arm by itself then."""
        return self._policy.closed

    def poll(self) -> list[FromControl | FromPolicy]:
        """Hear what there is, and tell control that somebody is here. Call it several times a second.

        Returns:
            Everything heard, in order for each of the two processes.

        Raises:
            ProcessFailed: the control process is gone. A policy process that is gone is told by the mode instead.
        """
        heard: list[FromControl | FromPolicy] = []
        for told in self._policy.drain():
            if isinstance(told, Failure):
                raise ProcessFailed(told.message, told.exit_code)
            self.policy_status = told if isinstance(told, PolicyStatus) else self.policy_status
            heard.append(told)
        if self._policy.closed and self.policy_status is None:
            raise ProcessFailed("the policy process ended before it was ready", 3)
        if self._control is None:
            return heard
        if self._heartbeats:
            self.heartbeat(time.monotonic())
        for message in self._control.drain():
            if isinstance(message, Status):
                self.status = message
                self._engaged_s = message.t_s if message.mode is Mode.ENGAGED else self._engaged_s
            elif isinstance(message, Granted):
                self.granted = message
            else:
                raise ProcessFailed(message.message, message.exit_code)
            heard.append(message)
        if self._control.closed:
            raise ProcessFailed("the control process is gone; the servos keep their last goal", 3)
        return heard

    def heartbeat(self, t_s: float) -> None:
        """A person was there at that moment."""
        if self._control is not None:
            self._control.send(Heartbeat(t_s=t_s))

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Poll until the condition holds.

        Raises:
            NotGranted: it did not within `timeout_s`; the message has the mode's reason.
        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise NotGranted(f"no {what} within {timeout_s:g} s: {self.why()}")
            self.poll()
            time.sleep(_POLL_S)

    def request(self, event: Event, why: str = "") -> None:
        """Ask for a mode event.

        Raises:
            ProcessFailed: it cannot be asked; the link is closed then, which is a stop by itself.
        """
        self.pass_on(Request(t_s=time.monotonic(), event=event, why=why))

    def pass_on(self, asked: Request | Confirm) -> None:
        """Ask for what somebody else has asked, and at the time they did.

        Raises:
            ProcessFailed: see `request`.
        """
        if self._control is not None and not self._control.send(asked):
            self._control.close()
            what = asked.event.value if isinstance(asked, Request) else "confirm"
            raise ProcessFailed(f"the control process does not hear {what!r}; it stops the arm by itself", 3)

    def arm(self) -> None:
        """Torque on, the arm holds where it stands."""
        self.request(Event.ARM, "the operator armed")
        self.wait_until(lambda: self.mode is not Mode.DISARMED, 3.0, "arming")

    def instruct(self, instruct: Instruct) -> bool:
        """Give the policy a new sentence, or send it home; an engaged arm follows from the next picture on.

        Returns:
            False when it is not heard: the policy hangs, or is gone.
        """
        return self._policy.send(instruct)

    def watch(self, watch: Watch) -> bool:
        """Say what is being looked at. False when it is not heard."""
        return self._policy.send(watch)

    def engage(self, planned: str) -> None:
        """Play the policy's plans, once there is one for the sentence `planned`.

        A refusal may be asked again, for a plan can grow old on the way; an engagement that was granted is not asked
        for again, however short it was.

        Raises:
            NotGranted: there is no such plan, it was refused, or it has already ended.
        """
        for _ in range(_ENGAGE_TRIES):
            self.wait_until(lambda: self._has_plan(planned), 5.0, f"plan for {planned!r}")
            asked_s = time.monotonic()
            self.request(Event.ENGAGE, planned)
            if self._granted(asked_s):
                break
        if self.mode is not Mode.ENGAGED:
            raise NotGranted(f"not engaged: {self.why()}")

    def _has_plan(self, planned: str) -> bool:
        return self.status is not None and self.mode is Mode.HOLDING and self.status.instruction == planned

    def _granted(self, asked_s: float) -> bool:
        """Wait for what control says to a request to engage."""

        def answered() -> bool:
            refused = self.status is not None and self.status.t_s > asked_s + _ANSWER_S
            return refused or self._engaged_s > asked_s

        self.wait_until(answered, 2.0, "answer to engage")
        return self._engaged_s > asked_s

    def release(self, why: str) -> None:
        """Let go: a controlled stop, then the arm holds."""
        self.request(Event.RELEASE, why)
        self.wait_until(lambda: self.mode in {Mode.HOLDING, Mode.DISARMED, Mode.FAULT}, 3.0, "stop")

    def close(self, why: str) -> None:
        """Stop the arm, apply its torque policy, end both processes."""
        self._control_peer.close()
        for end in self._recorder or ():
            end.close()
        for link, process in ((self._control, self.control_process), (self._policy, self.policy_process)):
            if link is None or process is None:
                continue
            link.send(Shutdown(why=why))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            if process.poll() is None:
                process.kill()
                process.wait()
            if link is self._control:
                self._hear_the_last(link)
            link.close()

    def _hear_the_last(self, link: Link[FromControl | Failure]) -> None:
        """The last status has the final counts."""
        for message in link.drain():
            if isinstance(message, Status):
                self.status = message

    def why(self) -> str:
        """The mode and what both processes last said about it."""
        control = self.status.reason if self.status is not None else "the control process has not reported"
        policy = self.policy_status.detail if self.policy_status is not None else "the policy is not ready"
        return f"{self.mode.value} ({control}); policy: {policy}"
