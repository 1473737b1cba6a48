"""The console's end of the operator socket: what the robot last said, and what is asked of it.

It comes back by itself when the robot does. What was engaged before is not engaged again: that takes a person.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgevla.messages import (
    Granted,
    Hello,
    Picture,
    Pictures,
    Planned,
    PolicyStatus,
    RecorderStatus,
    Refused,
    Status,
    Watch,
)
from edgevla.runtime.sockets import NotServed, connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgevla.messages import Chunk
    from edgevla.runtime.link import Link
    from edgevla.runtime.sockets import FromClient, ToClient

_RETRY_S = 0.5


@dataclass(slots=True)
class Heard:
    """The newest of everything; empty again when the robot is gone. Times are CLOCK_MONOTONIC seconds."""

    hello: Hello | None = None
    status: Status | None = None
    granted: Granted | None = None
    policy: PolicyStatus | None = None
    recorder: RecorderStatus | None = None
    planned: Chunk | None = None
    planned_s: float = float("-inf")  # when it came in
    pictures: dict[str, Picture] = field(default_factory=dict)


class RobotLink:
    """Talks to the supervisor of one robot.

    Args:
        path: of the operator socket.
        told: called with each message after `heard` has it, and with None when the robot is gone.
    """

    def __init__(self, path: Path, told: Callable[[ToClient | None], None]) -> None:
        self._path = path
        self._told = told
        self._link: Link[ToClient] | None = None
        self._gone = asyncio.Event()
        self._watch = Watch()
        self.heard = Heard()
        self.trouble = ""  # why there is no robot, in the words of the last attempt

    @property
    def connected(self) -> bool:
        """Whether the robot has said hello and is still there."""
        return self._link is not None and self.heard.hello is not None

    @property
    def starting(self) -> bool:
        """Whether somebody is there who has not said hello yet: a robot listens before its policy is loaded."""
        return self._link is not None and self.heard.hello is None

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._link = connect(self._path)
            except NotServed as error:
                self.trouble = error.message
                await asyncio.sleep(_RETRY_S)
                continue
            self._gone.clear()
            descriptor = self._link.fileno()
            loop.add_reader(descriptor, self._drain)
            self._link.send(self._watch)
            try:
                await self._gone.wait()
            finally:
                loop.remove_reader(descriptor)
                self._link.close()
                self._link, self.heard = None, Heard()
            self._told(None)
            await asyncio.sleep(_RETRY_S)

    def send(self, message: FromClient) -> bool:
        """Send at once. False when there is no robot, or it does not take it: then the connection is given up.

        Giving up is heard as well: whoever holds the arm and hangs up lets go of it.
        """
        if self._link is None:
            return False
        if self._link.send(message):
            return True
        self._gone.set()
        return False

    def watch(self, watch: Watch) -> None:
        """Say what somebody looks at, now and to every robot that comes."""
        if watch != self._watch:
            self._watch = watch
            self.send(watch)

    def _drain(self) -> None:
        if self._link is None:
            return
        for message in self._link.drain():
            self._take(message)
            self._told(message)
        if self._link.closed:
            self._gone.set()

    def _take(self, message: ToClient) -> None:
        heard = self.heard
        if isinstance(message, Status):
            heard.status = message
        elif isinstance(message, Pictures):
            heard.pictures.update((picture.camera, picture) for picture in message.pictures)
        elif isinstance(message, Planned):
            heard.planned, heard.planned_s = message.chunk, time.monotonic()
        elif isinstance(message, PolicyStatus):
            heard.policy = message
        elif isinstance(message, RecorderStatus):
            heard.recorder = message
        elif isinstance(message, Granted):
            heard.granted = message
        elif isinstance(message, Hello):
            heard.hello, self.trouble = message, ""
        elif isinstance(message, Refused) and heard.hello is None:
            self.trouble = message.why
