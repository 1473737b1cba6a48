"""The pages that are connected, each with a queue of its own.

A slow page loses states, then its place, and delays nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from starlette.websockets import WebSocketDisconnect

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.websockets import WebSocket

    from edgevla.console.sessions import Session

MAX_SOCKETS = 16
MAX_PER_SESSION = 4
SEND_S = 2.0  # a page that takes no message for so long is dropped
_WAITING_EVENTS = 64
GONE, SESSION_OVER, TOO_SLOW, NONSENSE, TOO_MANY = 1000, 4401, 4408, 4413, 4429  # close codes


class _Page:
    """One socket and what waits to be sent on it: events in their order, and of the states only the newest."""

    def __init__(self, number: int, session: Session, socket: WebSocket) -> None:
        self.number = number
        self.session = session
        self.socket = socket
        self.state = ""
        self.events: deque[str] = deque()
        self.wake = asyncio.Event()
        self.slow = False

    async def send_all(self, alive: Callable[[Session], bool]) -> int:
        """Send what there is, again and again. Returns the code to close with."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.events or self.state:
                if self.slow:
                    return TOO_SLOW
                if not alive(self.session):
                    return SESSION_OVER
                text = self.events.popleft() if self.events else self._newest()
                try:
                    await asyncio.wait_for(self.socket.send_text(text), SEND_S)
                except asyncio.TimeoutError:
                    return TOO_SLOW
                except (WebSocketDisconnect, RuntimeError):  # it left while we were sending
                    return GONE

    def _newest(self) -> str:
        state, self.state = self.state, ""
        return state


class Crowd:
    """Every open page.

    Args:
        alive: whether a session is still one.
        gone: told the number of a socket that has ended.
    """

    def __init__(self, alive: Callable[[Session], bool], gone: Callable[[int], None]) -> None:
        self._alive = alive
        self._gone = gone
        self._pages: dict[int, _Page] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._pages)

    def has(self, session: Session) -> bool:
        """Whether this session has a page open."""
        return any(page.session is session for page in self._pages.values())

    def full(self, session: Session) -> bool:
        """Whether there is no room for another page of this session."""
        own = sum(page.session is session for page in self._pages.values())
        return len(self._pages) >= MAX_SOCKETS or own >= MAX_PER_SESSION

    def show(self, state: str) -> None:
        """Every page gets this state, unless a newer one comes before it has taken it."""
        for page in self._pages.values():
            page.state = state
            page.wake.set()

    def tell(self, event: str) -> None:
        """Every page gets this event; one that lets too many wait is dropped."""
        for page in self._pages.values():
            page.slow = page.slow or len(page.events) >= _WAITING_EVENTS
            if not page.slow:
                page.events.append(event)
            page.wake.set()

    async def serve(
        self, socket: WebSocket, session: Session, hear: Callable[[int, str], int], abort: Callable[[], None]
    ) -> None:
        """One page, from accept to the end.

        Args:
            hear: takes the socket's number and a message; a code other than 0 closes the page with it.
            abort: cuts a connection whose other end takes nothing any more.
        """
        if self.full(session):
            await socket.close(TOO_MANY)
            return
        self._count += 1
        page = _Page(self._count, session, socket)
        self._pages[page.number] = page
        tasks: set[asyncio.Task[int]] = set()
        try:
            await socket.accept()
            tasks = {asyncio.create_task(page.send_all(self._alive)), asyncio.create_task(_hear_all(page, hear))}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            code = min(task.result() for task in done)
        finally:
            del self._pages[page.number]
            self._gone(page.number)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if code == TOO_SLOW:
            abort()
        elif code != GONE:
            with contextlib.suppress(RuntimeError, OSError, asyncio.TimeoutError):
                await asyncio.wait_for(socket.close(code), SEND_S)


async def _hear_all(page: _Page, hear: Callable[[int, str], int]) -> int:
    """Every message until the page leaves. Returns the code to close with."""
    while True:
        message = await page.socket.receive()
        if message["type"] == "websocket.disconnect":
            return GONE
        if code := hear(page.number, message.get("text") or ""):
            return code
