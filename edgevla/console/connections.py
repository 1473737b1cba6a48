"""Who is connected. The number of connections is bounded, and one that is idle, stalled or a stranger's gives way.

uvicorn speaks HTTP and WebSocket; it is given one accepted connection after the other, because its own limits count
sockets that say nothing as well as the operator's, and know no deadline for a request's headers or a TLS handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn.server import ServerState

from edgevla.console.errors import AddressInUse, AddressRefused

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import h11
    from starlette.types import ASGIApp

    from edgevla.console.address import Address

MAX_CONNECTIONS = 96
MAX_HEADER_BYTES = 16 * 1024
MAX_MESSAGE_BYTES = 4 * 1024
IDLE_S = 8.0  # without a whole request
STALLED_S = 5.0  # with bytes that the other end does not take
HANDSHAKE_S = 5.0
_SWEEP_S = 0.5
_BACKLOG = 64
_UNSENT_BYTES = 64 * 1024  # in the kernel: a page that does not read is noticed soon
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def bind(address: Address) -> socket.socket:
    """A listening socket.

    Raises:
        AddressInUse: another program listens there.
        AddressRefused: the address is not one of this machine's, or the port needs more rights.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            fix = "is another console running? end it, or give another --address"
            raise AddressInUse(f"--address {address}: another program listens there", fix=fix) from None
        raise AddressRefused(f"--address {address}: {error.strerror}", fix="ip address lists yours") from None
    listener.setblocking(False)
    return listener


@dataclass(slots=True, eq=False)
class _Connection:
    opened_s: float
    task: asyncio.Task[None] | None = None
    transport: asyncio.Transport | None = None  # not before a TLS handshake is done
    trusted: bool = False  # a session was seen on it
    idle_since_s: float | None = None
    stalled_since_s: float | None = None

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()
        elif self.task is not None:
            self.task.cancel()


class _WebSocket(WSProtocol):
    lost: Callable[[], None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.lost is not None:
            self.lost()


class _Http(H11Protocol):
    lost: Callable[[], None] | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is being worked on."""
        return self.cycle is None or self.cycle.response_complete

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        if isinstance(protocol, _WebSocket):
            protocol.lost = self.lost

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.lost is not None:
            self.lost()


class Connections:
    """Accepts, and looks after what it has accepted.

    Args:
        tls: how to encrypt, None for plain HTTP.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._state = ServerState()
        self._open: dict[tuple[str, int], _Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def trust(self, peer: tuple[str, int]) -> None:
        """A session was seen on the connection of this peer: it is not the first to give way."""
        if peer in self._open:
            self._open[peer].trusted = True

    def cut(self, peer: tuple[str, int]) -> None:
        """End a connection at once, whatever waits to be sent on it."""
        if peer in self._open:
            self._open[peer].cut()

    async def run(self, listener: socket.socket, app: ASGIApp) -> None:
        """Accept for `app` until cancelled, then cut every connection."""
        config = _config(app)
        sweeping = asyncio.create_task(self._sweep_forever())
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    end, found = await loop.sock_accept(listener)
                except OSError as error:  # ECONNABORTED and its like are over with the connection
                    await asyncio.sleep(0.1 if error.errno in _NO_ROOM else 0)
                    continue
                self._take(end, (str(found[0]), int(found[1])), config)
                await asyncio.sleep(0)  # an accept that need not wait does not let others run
        finally:
            sweeping.cancel()
            for connection in list(self._open.values()):
                connection.cut()

    def _take(self, end: socket.socket, peer: tuple[str, int], config: uvicorn.Config) -> None:
        if len(self._open) >= MAX_CONNECTIONS and not self._make_room():
            end.close()
            return
        end.setblocking(False)
        with contextlib.suppress(OSError):  # gone already
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = self._open[peer] = _Connection(time.monotonic())
        connection.task = asyncio.create_task(self._start(end, peer, connection, config))

    async def _start(
        self, end: socket.socket, peer: tuple[str, int], connection: _Connection, config: uvicorn.Config
    ) -> None:
        """Hand the connection to uvicorn; with TLS, when the handshake is done."""

        def protocol() -> _Http:
            made = _Http(config=config, server_state=self._state, app_state={})
            made.lost = functools.partial(self._forget, peer, connection)
            return made

        patience_s = HANDSHAKE_S if self._tls is not None else None
        try:
            connection.transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                protocol, end, ssl=self._tls, ssl_handshake_timeout=patience_s
            )
        except OSError:  # it is no TLS, or gone
            self._forget(peer, connection)

    def _forget(self, peer: tuple[str, int], connection: _Connection) -> None:
        if self._open.get(peer) is connection:
            del self._open[peer]

    def _make_room(self) -> bool:
        """Cut the oldest connection on which no session was seen. False when there is none."""
        strangers = [(each.opened_s, peer) for peer, each in self._open.items() if not each.trusted]
        if not strangers:
            return False
        self._open.pop(min(strangers)[1]).cut()
        return True

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self.sweep(time.monotonic())

    def sweep(self, now_s: float) -> None:
        """Cut what has been idle or stalled for too long."""
        for connection in list(self._open.values()):
            transport = connection.transport
            if transport is None:
                continue
            protocol = transport.get_protocol()
            idle = isinstance(protocol, _Http) and protocol.idle
            connection.idle_since_s = _since(idle, connection.idle_since_s, now_s)
            stalled = transport.get_write_buffer_size() > 0
            connection.stalled_since_s = _since(stalled, connection.stalled_since_s, now_s)
            if connection.idle_since_s is not None and now_s - connection.idle_since_s > IDLE_S:
                connection.cut()
            if connection.stalled_since_s is not None and now_s - connection.stalled_since_s > STALLED_S:
                connection.cut()


def _config(app: ASGIApp) -> uvicorn.Config:
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # a line for each broken request is an attack too
    config = uvicorn.Config(
        cast("Any", app),
        http="h11",
        ws=_WebSocket,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # the page is sent something ten times a second
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # anybody may write X-Forwarded-For
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    config.load()
    return config


def _since(holds: bool, since_s: float | None, now_s: float) -> float | None:
    """Since when something has held without a break."""
    if not holds:
        return None
    return now_s if since_s is None else since_s
