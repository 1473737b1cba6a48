"""What every request passes before anything looks at it. Everything is refused that is not expected.

In this order: the name it came under, the page it came from, its rate, its session, its token, the size of its body,
its time. Nothing that is said to somebody without a session tells more than how to get one.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from edgevla.console.address import host_name
from edgevla.console.errors import Refusal
from edgevla.console.rates import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edgevla.console.sessions import Session, Sessions

MAX_BODY_BYTES = 16 * 1024
REQUEST_S = 10.0
_NEVER_LIMITED = {"/api/stop", "/api/release", "/api/disarm"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware. `scope["session"]` is the session of what it lets through, or None on the open paths.

    Args:
        app: what is guarded.
        names: what `Host` may be.
        sessions: who was let in.
        cookie: its name.
        scraper: the key that reads /metrics without a session.
        trust: told the (address, port) of a connection that a session was seen on.
        fail: told in one line about an error of our own.
    """

    def __init__(
        self,
        app: ASGIApp,
        names: frozenset[str],
        sessions: Sessions,
        cookie: str,
        scraper: str,
        trust: Callable[[tuple[str, int]], None],
        fail: Callable[[str], None],
    ) -> None:
        self._app = app
        self._names = names
        self._sessions = sessions
        self._cookie = cookie
        self._scraper = scraper
        self._trust = trust
        self._fail = fail
        self._strangers = Rate(50.0, 100.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with a status and one line, or let pass."""
        answer = _Answer(send)
        try:
            self._check(scope)
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
            else:
                await asyncio.wait_for(self._app(scope, _Body(scope, receive).receive, answer.send), REQUEST_S)
        except Refusal as refusal:
            await answer.refuse(scope, receive, refusal)
        except asyncio.TimeoutError:
            await answer.refuse(scope, receive, Refusal(408, f"not finished within {REQUEST_S:g} s"))
        except Exception as error:
            self._fail(f"internal error: {scope.get('method', 'WS')} {scope['path']}: {type(error).__name__}: {error}")
            await answer.refuse(scope, receive, Refusal(500, "internal error; see the event log"))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host_name(host) not in self._names:
            raise Refusal(403, "this host name is not allowed here; start the console with --allow-host NAME")
        scheme = "https" if scope["scheme"] in {"https", "wss"} else "http"
        changes = scope["type"] == "websocket" or scope["method"] not in {"GET", "HEAD"}
        if origin != f"{scheme}://{host}" and (changes or origin is not None):
            raise Refusal(403, "requests from other sites are refused")
        session = scope["session"] = self._session(scope)
        if session is None:
            if scope["path"] == "/metrics" and not changes and self._is_scraper(headers):
                return
            if not self._strangers.allows(time.monotonic()):
                raise Refusal(429, "too many requests")
            if scope["type"] == "websocket" or not _is_open(scope):
                raise Refusal(401, "no session: open a one-time link of `edgevla console link`")
            return
        self._trust(tuple(scope["client"]))
        limited = scope["path"] not in _NEVER_LIMITED
        rate = session.changes if changes else session.reads
        if limited and not rate.allows(time.monotonic()):
            raise Refusal(429, "too many requests")
        if scope["type"] == "websocket" or not changes:
            return
        if not self._sessions.is_token(session, headers.get("x-edgevla-token", "")):
            raise Refusal(403, "the token of this session is missing or wrong; load the page again")

    def _session(self, scope: Scope) -> Session | None:
        secret = HTTPConnection(scope).cookies.get(self._cookie, "")
        return self._sessions.find(secret) if secret else None

    def _is_scraper(self, headers: Headers) -> bool:
        kind, _, key = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(key.encode(), self._scraper.encode())


class _Body:
    """A request's body, of which no more is taken than is allowed."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            raise _too_large()
        self._receive = receive
        self._taken = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._taken > MAX_BODY_BYTES:
            raise _too_large()
        return message


def _too_large() -> Refusal:
    return Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] in {"GET", "HEAD"} and (path in {"/", "/login"} or path.startswith("/static/"))


class _Answer:
    """What goes out: with the headers that every answer has, and a refusal only where nothing was answered yet."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await self._send(message)

    async def refuse(self, scope: Scope, receive: Receive, refusal: Refusal) -> None:
        """Say why, and close the connection: whatever else comes on it is not waited for."""
        if self._begun:
            return
        body = {"ok": False, "mode": "", "why": refusal.why}
        response = JSONResponse(body, refusal.status, {**_HEADERS, "Connection": "close"})
        if scope["type"] == "websocket":
            start = {"type": "websocket.http.response.start", "status": refusal.status, "headers": response.raw_headers}
            await self._send(start)
            await self._send({"type": "websocket.http.response.body", "body": response.body})
        else:
            await response(scope, receive, self._send)
