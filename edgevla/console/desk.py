"""`Desk`: what the people at the console may ask of the robot, and who of them holds the arm.

Nothing here moves an arm: every request goes to the control process, whose mode table decides. STOP, RELEASE and
DISARM are taken from everybody and never wait for anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from edgevla.console.errors import Refusal
from edgevla.console.preflight import blocking, has_plan, preflight
from edgevla.messages import Confirm, Event, Heartbeat, Instruct, Mode, Refused, Request, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgevla.config.robot import Robot
    from edgevla.console.journal import Journal
    from edgevla.console.lease import Lease
    from edgevla.console.preflight import Check
    from edgevla.console.robot_link import RobotLink
    from edgevla.console.sessions import Session
    from edgevla.runtime.sockets import FromClient, ToClient

ARM_S = 1.0  # together they stay below what a page waits for an answer
PLAN_S = 1.0
ANSWER_S = 0.5
WATCH_S = 0.02
REPEAT_S = 0.02
LATE_S = 2.0  # a press that took longer to get here is nobody's any more
STOPPING = {Event.STOP, Event.RELEASE, Event.DISARM}


class Desk:
    """One robot, the people who may ask it, and the lease.

    Args:
        robot: robot.yaml.
        link: to the supervisor.
        lease: nobody holds it yet.
        journal: where what happens is told.
        start: the command that starts the robot.
    """

    def __init__(self, robot: Robot, link: RobotLink, lease: Lease, journal: Journal, start: str) -> None:
        self._robot = robot
        self._link = link
        self._lease = lease
        self._journal = journal
        self._start = start
        self._turn = 0  # counts what ends an engagement: who asked before that is not granted after
        self._let_go_at = 0  # the robot's tick count then
        self._asked_by: str | None = None
        self._engaged_s = float("-inf")  # when the arm was last heard to be engaged
        self._granted_s = float("-inf")
        self._refused = ""
        self._repeated: Event | None = None  # the last request, when nothing was sent after it
        self._repeated_s = float("-inf")
        self._news = asyncio.Event()

    @property
    def mode(self) -> str:
        """As the robot last said; empty without one."""
        status = self._link.heard.status
        return status.mode.value if status is not None else ""

    @property
    def why(self) -> str:
        """Why the mode is what it is, or why there is no robot."""
        status = self._link.heard.status
        return status.reason if status is not None else self.trouble

    @property
    def trouble(self) -> str:
        """Why the robot cannot be asked; empty when it can."""
        if self._link.connected:
            return ""
        if self._link.starting:
            return "the robot is starting"
        return f"robot not running ({self._link.trouble or 'it has gone'}) - {self._start}"

    def checks(self) -> list[Check]:
        """The preflight list."""
        return preflight(self._robot, self._link.heard, self.trouble, time.monotonic())

    def ask(self, session: Session, event: Event) -> None:
        """Pass on a request of this person.

        Raises:
            Refusal: there is no robot, or (ARM, RESET) somebody else has the arm.
        """
        now_s = time.monotonic()
        if event in STOPPING:
            if event is Event.DISARM and self._lease.holder is not None:
                self._release(f"{session.name} wants the arm disarmed")  # an arm that runs cannot be
            self._let_go()
            if event is self._repeated and now_s - self._repeated_s < REPEAT_S and self._link.connected:
                return  # nothing was asked in between; too many messages would cost us the connection
        else:
            self._not_against(session)
        self._send(Request(t_s=now_s, event=event, why=f"{session.name} at the console"))
        self._repeated, self._repeated_s = event, now_s

    def instruct(self, session: Session, instruct: Instruct) -> None:
        """Give the policy a sentence; an arm that is engaged follows it, so only its holder may then.

        Raises:
            Refusal: there is no robot, or somebody else has the arm.
        """
        self._not_against(session)
        self._send(instruct)

    async def engage(self, session: Session, there: Callable[[], bool], ticks: int) -> str:
        """Arm if need be, wait for a plan, engage, and return the lease.

        A network may deliver a press long after it, and after the release that followed it. So a press says which tick
        of the robot the page knew of: one from before somebody has let go, or from too long ago, engages nothing.

        Args:
            there: whether the person still has a page open; asked right before the arm would move.
            ticks: the tick count of the newest status that the page had.

        Raises:
            Refusal: with the reason, and with the preflight list when that was the reason.
        """
        with self._asking_for(session, ticks) as turn:
            failed = blocking(checks := self.checks())
            if failed:
                raise Refusal(409, f"{failed[0].name}: {failed[0].why}", checks)
            if self.mode == Mode.DISARMED.value:
                self._send(Request(t_s=time.monotonic(), event=Event.ARM, why=f"{session.name} at the console"))
                await self._until(lambda: self.mode == Mode.HOLDING.value, ARM_S, turn)
            await self._until(lambda: has_plan(self._robot, self._link.heard), PLAN_S, turn)
            request = Request(t_s=time.monotonic(), event=Event.ENGAGE, why=f"{session.name} at the console")
            return await self._take(session, there, request, turn)

    async def confirm(self, session: Session, there: Callable[[], bool], ticks: int, seq: int) -> str:
        """Play exactly the chunk `seq`, which this person has seen; return the lease. Otherwise as `engage`.

        Raises:
            Refusal: it is not the chunk in hand, or control does not grant it.
        """
        with self._asking_for(session, ticks) as turn:
            status = self._link.heard.status
            if status is None or status.confirmable_seq != seq:
                raise Refusal(409, "this proposal is over; ask for another one")
            return await self._take(session, there, Confirm(t_s=time.monotonic(), seq=seq), turn)

    def beat(self, secret: str, session: int, socket: int) -> None:
        """The holder's page says that the person is still there."""
        now_s = time.monotonic()
        if self._lease.beat(secret, session, socket, now_s):
            self._link.send(Heartbeat(t_s=now_s))

    def socket_gone(self, socket: int) -> None:
        """A page's connection has ended; if the arm hung on it, let go."""
        if self._lease.on_socket(socket):
            self._release("the page that held the arm is gone")

    async def watch(self) -> None:
        """Let go when the holder's beats stop. Runs until cancelled."""
        while True:
            if self._lease.overdue(time.monotonic()):
                self._release("the page that held the arm has stopped beating")
            await asyncio.sleep(WATCH_S)

    def hear(self, message: ToClient | None) -> None:
        """What the robot said, None when it is gone: an engagement that has ended takes the lease with it."""
        if message is None:
            self._let_go()
        elif isinstance(message, Refused):
            self._refused = message.why
        elif isinstance(message, Status):
            if message.mode is Mode.ENGAGED:
                self._engaged_s = message.t_s
            elif message.t_s > self._granted_s:
                self._lease.end()
        self._news.set()

    @contextlib.contextmanager
    def _asking_for(self, session: Session, ticks: int) -> Iterator[int]:
        """One at a time may ask for the arm, and nobody while somebody has it. Gives the turn it was asked in."""
        if self.trouble:
            raise Refusal(503, self.trouble)
        if (holder := self._lease.holder) is not None:
            raise Refusal(409, f"{holder[1]} (session {holder[0]}) has the arm")
        if self._asked_by is not None:
            raise Refusal(409, f"{self._asked_by} is taking the arm")
        if self._is_late(ticks):
            raise Refusal(409, "your press came too late; press again")
        self._asked_by = session.name
        try:
            yield self._turn
        finally:
            self._asked_by = None

    def _is_late(self, ticks: int) -> bool:
        status = self._link.heard.status
        if status is None:
            return True
        return not max(self._let_go_at, status.ticks - LATE_S * status.rate_hz) <= ticks <= status.ticks

    async def _take(self, session: Session, there: Callable[[], bool], request: Request | Confirm, turn: int) -> str:
        if not there():
            raise Refusal(409, "your page has no connection")
        self._refused = ""
        self._send(Heartbeat(t_s=time.monotonic()))
        self._send(request)
        try:
            await self._until(lambda: self._engaged_s > request.t_s or self._refused != "", ANSWER_S, turn)
        except Refusal:
            self._release("the console had no answer in time")  # should it be granted after all
            raise
        if self._engaged_s <= request.t_s:
            raise Refusal(409, self._refused)
        self._granted_s = self._engaged_s
        self._link.send(Heartbeat(t_s=time.monotonic()))
        return self._lease.grant(session.number, session.name, time.monotonic())

    async def _until(self, condition: Callable[[], bool], timeout_s: float, turn: int) -> None:
        """Wait for news that fulfil a condition.

        Raises:
            Refusal: none did, the robot is gone, or somebody has let go or pressed stop meanwhile.
        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            self._news.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), max(deadline_s - time.monotonic(), 0.0))
            if turn != self._turn:
                raise Refusal(409, "let go before it was engaged")
            if time.monotonic() > deadline_s and not condition():
                raise Refusal(409, f"{self.mode}: {self.why}")

    def _not_against(self, session: Session) -> None:
        holder = self._lease.holder
        if holder is not None and holder[0] != session.number:
            raise Refusal(409, f"{holder[1]} (session {holder[0]}) has the arm")

    def _release(self, why: str) -> None:
        self._let_go()
        self._link.send(Request(t_s=time.monotonic(), event=Event.RELEASE, why=why))
        self._journal.add(f"released: {why}", "warn")

    def _let_go(self) -> None:
        self._turn += 1
        status = self._link.heard.status
        self._let_go_at = status.ticks if status is not None else 0  # the next robot counts anew
        self._lease.end()
        self._news.set()

    def _send(self, message: FromClient) -> None:
        if self.trouble:
            raise Refusal(503, self.trouble)
        self._repeated = None
        if not self._link.send(message):
            raise Refusal(503, "the robot does not take it; if it moves, use its emergency stop")
