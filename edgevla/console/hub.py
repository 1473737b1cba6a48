"""`Hub`: one robot's console put together, without the network around it."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from edgevla.console.crowd import Crowd
from edgevla.console.desk import Desk
from edgevla.console.lease import Lease
from edgevla.console.robot_link import RobotLink
from edgevla.console.sessions import Sessions
from edgevla.console.telling import Teller
from edgevla.console.view import describe_state, encode
from edgevla.messages import Status, Watch

if TYPE_CHECKING:
    from pathlib import Path

    from edgevla.config.robot import Robot
    from edgevla.console.audit import AuditLog
    from edgevla.console.journal import Entry, Journal
    from edgevla.console.overlay import Overlay
    from edgevla.runtime.sockets import ToClient

STATE_S = 0.1
PICTURES_HZ = 10.0
_LOOKED_S = 3.0  # pictures are asked for as long as somebody has looked at one so recently


class Hub:
    """Everything that the routes need.

    Args:
        robot: robot.yaml.
        operator_socket: of its supervisor, which may come and go.
        journal: what the operator reads.
        audit: what is kept.
        overlay: draws paths into pictures; None when robot.yaml does not say how.
        start: the command that starts the robot.
    """

    def __init__(
        self,
        robot: Robot,
        operator_socket: Path,
        journal: Journal,
        audit: AuditLog,
        overlay: Overlay | None,
        start: str,
    ) -> None:
        self.robot = robot
        self.journal = journal
        self.audit = audit
        self.overlay = overlay
        self.sessions = Sessions(time.monotonic)
        self.cookie = "edgevla-" + re.sub(r"[^A-Za-z0-9]+", "-", robot.name)  # of several consoles on one host
        self.link = RobotLink(operator_socket, self._hear)
        self.lease = Lease()
        self.desk = Desk(robot, self.link, self.lease, journal, start)
        self.crowd = Crowd(self.sessions.alive, self.desk.socket_gone)
        self._teller = Teller(journal)
        self._mode = ""
        self._looked_s = float("-inf")
        journal.listen(self._tell)

    def looked(self) -> None:
        """Somebody has looked at a picture."""
        self._looked_s = time.monotonic()

    async def run(self) -> None:
        """Talk to the robot and to the pages until cancelled."""
        await asyncio.gather(self.link.run(), self.desk.watch(), self._show_forever())

    def show(self) -> None:
        """Tell every page the state as it is now."""
        if len(self.crowd):
            self.crowd.show(encode(describe_state(self.desk, self.link, self.lease)))

    async def _show_forever(self) -> None:
        while True:
            for line in self.audit.news():
                self.journal.add(line, "warn")
            self.show()
            looking = time.monotonic() - self._looked_s < _LOOKED_S
            self.link.watch(Watch(pictures_hz=PICTURES_HZ if looking else 0.0, planned=len(self.crowd) > 0))
            await asyncio.sleep(STATE_S)

    def _hear(self, message: ToClient | None) -> None:
        self.desk.hear(message)
        self._teller.hear(message)
        changed = (isinstance(message, Status) or message is None) and self.desk.mode != self._mode
        self._mode = self.desk.mode
        if changed:  # what people ask for is written down when they do, and here what came of it
            self.audit.write(0, "", "", "mode", mode=self._mode or "no robot", why=self.desk.why)
        if changed or message is None:
            self.show()

    def _tell(self, entry: Entry) -> None:
        if len(self.crowd):
            self.crowd.tell(
                encode({"type": "event", "n": entry.n, "t": entry.t, "text": entry.text, "level": entry.level})
            )
