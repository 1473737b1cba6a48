"""The supervisor's loop: what operators say goes to the robot's processes, what those say goes to the operators.

It lets go of the arm when the operator who holds it is gone, and ends when a process does. Everything in it is done at
once, when something arrives on a socket; a stop waits for nothing.
"""

from __future__ import annotations

import math
import os
import select
import time
from typing import TYPE_CHECKING

import edgevla
from edgevla.control.modes import ASKABLE
from edgevla.messages import Confirm, Event, Heartbeat, Hello, Instruct, Mode, Refused, Request, Status, Watch
from edgevla.runtime.budget import Budget
from edgevla.runtime.holder import Holder
from edgevla.runtime.session import ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.config.robot import Robot
    from edgevla.messages import RecorderStatus
    from edgevla.runtime.arguments import PolicyChoice
    from edgevla.runtime.clients import Client, Clients
    from edgevla.runtime.notify import Notifier
    from edgevla.runtime.recorder_child import RecorderChild
    from edgevla.runtime.session import Session
    from edgevla.runtime.sockets import FromClient

_STAND_S = 2.0  # that the arm gets to stand still when the policy is gone, before everything ends
_WORDS = 500  # letters of a sentence
_SURE = frozenset({Event.STOP, Event.RELEASE, Event.DISARM})  # from anybody, always
_REPEAT_S = 0.02
_BURST, _RATE_HZ = 100, 200  # of all other requests together: control takes 64 a tick


class Supervisor:
    """The loop between operators and processes.

    Args:
        robot: robot.yaml.
        policy: what runs, for `Hello`.
        session: both processes, running, without heartbeats of its own.
        clients: the operators.
        recorder: its process, if there is to be one.
        notifier: the service manager.
        say: takes a line for the journal.
    """

    def __init__(
        self,
        robot: Robot,
        policy: PolicyChoice,
        session: Session,
        clients: Clients,
        recorder: RecorderChild | None,
        notifier: Notifier,
        say: Callable[[str], None],
    ) -> None:
        self._session = session
        self._clients = clients
        self._recorder = recorder
        self._notifier = notifier
        self._say = say
        self._supervised = robot.control.supervision == "supervised"
        self._hello = Hello(
            version=edgevla.__version__,
            robot=robot.name,
            joint_names=robot.joint_names,
            pid=os.getpid(),
            variant=policy.variant,
            engine=policy.engine,
            supervision=robot.control.supervision,
            recording=recorder is not None,
        )
        self._holder: Holder[Client] = Holder()
        self._budget = Budget(_BURST, _RATE_HZ)
        # A stop right after a stop says nothing new, unless something else was asked in between.
        self._repeated: Event | None = None
        self._repeated_s = -math.inf
        self._watched = Watch()
        self._ready = False
        self._said = (Mode.DISARMED, "")
        self._recording = recorder is not None
        self._ends_s = math.inf

    def run(self, leave_if_told: Callable[[], None]) -> None:
        """Pass messages on until a process is gone.

        Args:
            leave_if_told: called often; raises what ends this.

        Raises:
            ProcessFailed: which one.
        """
        while True:
            leave_if_told()
            self._wait()
            now_s = time.monotonic()
            # Operators first: a stop must not wait behind pictures.
            for client in self._clients:
                self._hear(client, now_s)
            for client in self._clients.admit():
                self._greet(client)
            for message in self._session.poll():
                self._clients.tell(message)
                if isinstance(message, Status):
                    self._follow(message)
            if self._recorder is not None:
                for told in self._recorder.tend(now_s):
                    self._follow_recorder(told)
            if now_s > self._holder.expires_s and self._supervised:
                self._let_go("the operator's program said nothing for half a second")
            self._show()
            self._get_ready()
            self._end_without_policy(now_s)

    def _wait(self) -> None:
        """Sleep until somebody says something or something is due."""
        now_s = time.monotonic()
        recorder = self._recorder
        due_s = min(
            self._holder.expires_s if self._supervised else math.inf,
            recorder.start_s if recorder is not None else math.inf,
            self._ends_s,
            now_s + 1.0,
        )
        waiting_on = [*self._session.links, *self._clients.waiting_on]
        if recorder is not None and recorder.link is not None:
            waiting_on.append(recorder.link)
        select.select(waiting_on, [], [], max(0.0, due_s - now_s) + 1e-3)

    def _greet(self, client: Client) -> None:
        session, recorder = self._session, self._recorder
        told = (session.granted, session.policy_status, session.status, recorder.status if recorder else None)
        for message in (self._hello, *told):
            if message is not None:
                client.tell(message)

    def _hear(self, client: Client, now_s: float) -> None:
        messages, out = client.hear(now_s)
        for message in messages:
            if refusal := self._take(client, message, now_s):
                client.tell(Refused(why=refusal))
        gone = client.link.closed
        if (gone or out) and self._holder.who is client and self._supervised:
            self._let_go("the operator's program is gone")
        if gone or out:
            if out:
                self._say(f"an operator's program is sent away: {out}")
            self._clients.drop(client, out)

    def _take(self, client: Client, message: FromClient, now_s: float) -> str:
        """Pass on what an operator says, or return why not."""
        if isinstance(message, Heartbeat):
            if self._holder.beats(client, message.t_s, now_s):
                self._session.heartbeat(min(message.t_s, now_s))
            return ""
        if isinstance(message, Watch):
            client.watch = message
            return ""
        if isinstance(message, Request) and message.event in _SURE:
            if (message.event, True) != (self._repeated, now_s - self._repeated_s < _REPEAT_S):
                self._repeated, self._repeated_s = message.event, now_s
                self._session.pass_on(message)
            return ""
        if not self._budget.take(now_s):
            return "too many requests; stop, release and disarm always pass"
        self._repeated = None
        return self._ask(client, message, now_s)

    def _ask(self, client: Client, message: Request | Instruct | Confirm, now_s: float) -> str:
        if isinstance(message, Instruct):
            return self._instruct(client, message)
        if isinstance(message, Confirm) or message.event is Event.ENGAGE:
            return self._engage(client, message, now_s)
        if message.event not in ASKABLE:
            return f"{message.event.value}: nobody can ask for it"
        self._session.pass_on(message)
        return ""

    def _instruct(self, client: Client, instruct: Instruct) -> str:
        """An arm that is engaged follows the next sentence, so it is its holder who says it."""
        if self._supervised and self._holder.who not in {None, client}:
            return "another operator holds the arm"
        if len(instruct.text) > _WORDS:
            return f"the sentence has {len(instruct.text)} letters; at most {_WORDS} are taken"
        return "" if self._session.instruct(instruct) else "the policy process hears nothing at the moment"

    def _engage(self, client: Client, asked: Request | Confirm, now_s: float) -> str:
        """Whoever asks to engage is there at that moment, so that counts as a heartbeat."""
        if self._supervised:
            if not self._holder.asks(client, now_s):
                return "another operator holds the arm"
            self._session.heartbeat(now_s)
        self._session.pass_on(asked)
        return ""

    def _follow(self, status: Status) -> None:
        refused = self._holder.hears(status)
        if refused is not None:
            refused.tell(Refused(why=status.reason))
        if (status.mode, status.reason) != self._said:
            if status.mode is not self._said[0]:
                self._say(f"{status.mode.value}: {status.reason}")
            self._said = (status.mode, status.reason)
            if self._ready:
                self._notifier.status(f"{status.mode.value}: {status.reason}")

    def _follow_recorder(self, told: RecorderStatus) -> None:
        self._clients.tell(told)
        if told.recording is not self._recording:
            self._recording = told.recording
            self._say(told.detail)

    def _let_go(self, why: str) -> None:
        self._holder.lets_go()
        self._session.request(Event.RELEASE, why)

    def _show(self) -> None:
        """Tell the policy what is watched, when that has changed."""
        if (wanted := self._clients.watch) != self._watched and self._session.watch(wanted):
            self._watched = wanted

    def _get_ready(self) -> None:
        """Once: the policy is loaded, the servos have answered, and every camera sees."""
        status, policy = self._session.status, self._session.policy_status
        if self._ready or status is None or policy is None:
            return
        if status.position_rad and policy.ready and not policy.blind:
            self._ready = True
            self._notifier.ready(f"{status.mode.value}: {status.reason}")

    def _end_without_policy(self, now_s: float) -> None:
        """Without a policy there is nothing to serve; the arm is given the time to stand still first."""
        if not self._session.policy_gone:
            return
        if self._ends_s == math.inf:
            self._ends_s = now_s + _STAND_S
            self._clients.tell(Refused(why="the policy process is gone; the robot is shut down"))
        status = self._session.status
        standing = status is not None and status.standing and status.mode not in {Mode.ENGAGED, Mode.STOPPING}
        if standing or now_s > self._ends_s:
            raise ProcessFailed("the policy process is gone; the arm was stopped", 3)
