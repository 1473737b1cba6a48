"""What may be read: the page, the session, pictures, the plan, events, and the socket that shows it all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import HTMLResponse, RedirectResponse, Response

from edgevla.console.crowd import NONSENSE, TOO_MANY
from edgevla.console.errors import Refusal
from edgevla.console.metrics import CONTENT_TYPE, host_temperatures, render
from edgevla.console.pages import notice, static_file
from edgevla.console.rates import Rate
from edgevla.console.view import describe_proposal, describe_session, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from edgevla.console.hub import Hub
    from edgevla.console.sessions import Session

_BEATS_PER_S = 30.0  # three times what a page sends
_TOLD_PER_S, _TOLD_AT_ONCE = 0.1, 10.0  # refused logins: whoever tries thousands of keys fills no log and no page


class Beat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On the socket, from the page that holds the arm: the person is still there."""

    beat: str


class Reads:
    """The routes that change nothing.

    Args:
        hub: the console.
        cut: ends the connection of an (address, port) at once.
    """

    def __init__(self, hub: Hub, cut: Callable[[tuple[str, int]], None]) -> None:
        self._hub = hub
        self._cut = cut
        self._beat = msgspec.json.Decoder(Beat)
        self._refused = Rate(_TOLD_PER_S, _TOLD_AT_ONCE)
        self._untold = 0

    async def page(self, request: Request) -> Response:
        """The operator's page, or how to get in."""
        if request.scope["session"] is None:
            text = "This page operates a robot. Ask for a one-time link on the machine that it runs on:"
            return HTMLResponse(notice("No session", text, self._link_command()), 401)
        found = static_file("page.html")
        return HTMLResponse(found[0]) if found is not None else Response(status_code=404)

    async def log_in(self, request: Request) -> Response:
        """Trade a one-time key for a session."""
        hub, address = self._hub, _address(request)
        opened = hub.sessions.log_in(request.query_params.get("key", ""))
        if opened is None:
            self._tell_refused(address)
            text = "This link was used before, or is too old. Ask for a new link on the machine that the robot runs on:"
            return HTMLResponse(notice("Link not valid", text, self._link_command()), 403)
        session, secret = opened
        hub.audit.write(session.number, session.name, address, "login")
        hub.journal.add(f"{session.name} is at the console (session {session.number}, from {address})")
        response = RedirectResponse("/", 303)
        secure = request.scope["scheme"] == "https"
        response.set_cookie(hub.cookie, secret, path="/", secure=secure, httponly=True, samesite="strict")
        return response

    def _tell_refused(self, address: str) -> None:
        if not self._refused.allows(time.monotonic()):
            self._untold += 1
            return
        untold, self._untold = self._untold, 0
        self._hub.audit.write(0, "", address, "login refused", others_before=untold)
        others = f", and {untold} others before it" if untold else ""
        text = f"a login from {address} was refused: its link was used before, or is too old{others}"
        self._hub.journal.add(text, "warn")

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        found = static_file(request.path_params["name"])
        return Response(found[0], media_type=found[1]) if found is not None else Response(status_code=404)

    async def session(self, request: Request) -> Response:
        """Who this is, the token for changes, and what the robot is like."""
        session = _session(request)
        return _json(describe_session(self._hub.robot, session, self._hub.sessions.token(session)))

    async def camera(self, request: Request) -> Response:
        """The newest picture of a camera."""
        self._hub.looked()
        picture = self._hub.link.heard.pictures.get(request.path_params["name"])
        if picture is None:
            return Response(status_code=204)
        age_ms = round((time.monotonic() - picture.t_s) * 1e3)
        return Response(picture.data, media_type=f"image/{picture.format}", headers={"X-Age-Ms": str(age_ms)})

    async def proposal(self, _request: Request) -> Response:
        """The newest plan and where it leads the tool."""
        found = describe_proposal(self._hub.link.heard, self._hub.overlay)
        return _json(found) if found is not None else Response(status_code=204)

    async def events(self, request: Request) -> Response:
        """What happened after a number."""
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > 15:
            raise Refusal(400, f'after: "{after[:20]}" is no number')
        return _json({"events": self._hub.journal.after(int(after))})

    async def metrics(self, _request: Request) -> Response:
        """For Prometheus."""
        text = render(self._hub.link.heard, time.monotonic(), host_temperatures())
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def socket(self, socket: WebSocket) -> None:
        """States and events out, beats in."""
        session: Session = socket.scope["session"]
        rate = Rate(_BEATS_PER_S, 2.0 * _BEATS_PER_S)

        def hear(number: int, text: str) -> int:
            if not rate.allows(time.monotonic()):
                return TOO_MANY
            try:
                self._hub.desk.beat(self._beat.decode(text).beat, session.number, number)
            except (msgspec.MsgspecError, RecursionError):
                return NONSENSE
            return 0

        peer = tuple(socket.scope["client"])
        await self._hub.crowd.serve(socket, session, hear, lambda: self._cut(peer))

    def _link_command(self) -> str:
        return f"edgevla console link {self._hub.robot.name}"


def _session(request: Request) -> Session:
    session: Session = request.scope["session"]
    return session


def _address(request: Request) -> str:
    return str(request.scope["client"][0])


def _json(message: object) -> Response:
    return Response(encode(message), media_type="application/json")
