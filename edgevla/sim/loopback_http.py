"""What the simulated robot's two HTTP servers share: loopback only, an ephemeral port, a thread a connection."""

from __future__ import annotations

import json
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_CLOSE_POLL_S = 0.1
_MAX_BODY_BYTES = 4096
_CLIENT_TIMEOUT_S = 5.0  # one that takes or gives no byte for so long is gone


class LoopbackServer(ThreadingHTTPServer):
    """Serves from construction to `close`. A subclass sets what its handlers need before it calls this constructor."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type[LoopbackHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(_CLOSE_POLL_S,), name="http", daemon=True)
        self._thread.start()
        self.thread_id = self._thread.native_id or 0

    def close(self) -> None:
        """Take no more connections, and tell the handlers that it is over."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Let a client leave in the middle; that is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class LoopbackHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    timeout = _CLIENT_TIMEOUT_S
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests are not news."""

    def take_body(self) -> bytes | None:
        """Return the body of a JSON request; None after having refused it."""
        # A web page of another origin cannot send this type without asking first, and nothing here grants it.
        if self.headers.get_content_type() != "application/json":
            self.refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
            return None
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"send at most {_MAX_BODY_BYTES} bytes, with their length")
            return None
        return self.rfile.read(int(length))

    def reply(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        """Answer with JSON."""
        self.send_whole(status, "application/json", json.dumps(content).encode(), {})

    def refuse(self, status: HTTPStatus, why: str) -> None:
        """Answer with `{"error": why}` and hang up."""
        self.close_connection = True
        self.reply(status, {"error": why})

    def send_whole(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str]) -> None:
        """Answer with a body of known length."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
