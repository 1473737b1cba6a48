"""The console as an ASGI application: every path that there is, behind the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route, Router, WebSocketRoute

from edgevla.console.changes import CHANGES, route
from edgevla.console.guard import Guard
from edgevla.console.reads import Reads

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgevla.console.hub import Hub

    Peer = tuple[str, int]


def make_app(
    hub: Hub, names: frozenset[str], scraper: str, trust: Callable[[Peer], None], cut: Callable[[Peer], None]
) -> Guard:
    """Put routes and guard together.

    Args:
        names: what `Host` may be.
        scraper: the key that reads /metrics without a session.
        trust: told the connection of every request that has a session.
        cut: ends a connection at once.
    """
    reads = Reads(hub, cut)
    paths = [
        Route("/", reads.page),
        Route("/login", reads.log_in, methods=["GET"]),
        Route("/static/{name}", reads.static),
        Route("/api/session", reads.session),
        Route("/api/camera/{name}", reads.camera),
        Route("/api/proposal", reads.proposal),
        Route("/api/events", reads.events),
        Route("/metrics", reads.metrics),
        *(Route(f"/api/{name}", route(hub, name), methods=["POST"]) for name in CHANGES),
        WebSocketRoute("/ws", reads.socket),
    ]
    router = Router(paths, redirect_slashes=False)
    return Guard(router, names, hub.sessions, hub.cookie, scraper, trust, lambda text: hub.journal.add(text, "error"))
