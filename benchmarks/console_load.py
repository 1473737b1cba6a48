"""`python -m benchmarks.console_load LINK KIND`: what `benchmarks.console` lets loose on a console, until stdin ends.

`pages`: two pages as people have them open, with both pictures ten times a second each. `attack`: strangers who hold a
thousand sockets and open new ones for those they lose, who ask and do not read the answers, and a person with a session
whose pages read nothing and whose requests carry a megabyte each.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import resource
import select
import socket
import sys
import threading
import time
import urllib.parse

SOCKETS = 1000
_PERIOD_S = 0.1
_UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
_KEY = "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"


class Person:
    """Somebody with a session."""

    def __init__(self, link: str) -> None:
        url = urllib.parse.urlsplit(link)
        self.port = url.port or 80
        self.origin = f"http://127.0.0.1:{self.port}"
        connection = self.connect()
        connection.request("GET", f"{url.path}?{url.query}")
        answer = connection.getresponse()
        answer.read()
        self.cookie = (answer.getheader("Set-Cookie") or "").split(";")[0]
        connection.request("GET", "/api/session", headers={"Cookie": self.cookie})
        found = re.search(r'"token":"(\w+)"', connection.getresponse().read().decode())
        self.token = found[1] if found else ""

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0)

    def post(self, path: str, body: bytes) -> None:
        headers = {"Cookie": self.cookie, "Origin": self.origin, "X-EdgeVLA-Token": self.token}
        connection = self.connect()
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", path, body, {**headers, "Content-Type": "application/json"})
            connection.getresponse().read()
        connection.close()

    def open_page(self) -> socket.socket:
        """A WebSocket, whose messages are bytes to whoever reads them."""
        end = socket.create_connection(("127.0.0.1", self.port), timeout=5.0)
        head = f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nOrigin: {self.origin}\r\nCookie: {self.cookie}\r\n"
        end.sendall(f"{head}{_UPGRADE}{_KEY}\r\n".encode())
        return end


def look(person: Person) -> None:
    """One page: the socket is read, the pictures are fetched."""
    page, connection = person.open_page(), person.connect()
    page.setblocking(False)
    while True:
        began_s = time.monotonic()
        for camera in ("front", "wrist"):
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", f"/api/camera/{camera}", headers={"Cookie": person.cookie})
                connection.getresponse().read()
        with contextlib.suppress(BlockingIOError):
            while page.recv(65536):
                pass
        time.sleep(max(0.0, began_s + _PERIOD_S - time.monotonic()))


def hold_sockets(port: int) -> None:
    """A thousand of them; half say nothing, half ask for a file again and again and do not read it."""
    held: dict[int, socket.socket] = {}
    poll = select.epoll()
    ask = b"GET /static/page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20
    while True:
        while len(held) < SOCKETS:
            try:
                end = socket.create_connection(("127.0.0.1", port), timeout=1.0)
            except OSError:
                time.sleep(0.01)
                continue
            if len(held) % 2:
                with contextlib.suppress(OSError):
                    end.sendall(ask)
            held[end.fileno()] = end
            poll.register(end, select.EPOLLRDHUP)
        for number, _ in poll.poll(0.1):
            poll.unregister(number)
            held.pop(number).close()


def send_megabytes(person: Person) -> None:
    """A body that is far too large, as often as the console answers."""
    while True:
        person.post("/api/instruct", b"x" * 1_000_000)


def keep_deaf_pages(person: Person) -> None:
    """Four pages that read nothing, opened anew every few seconds, for those that were dropped."""
    while True:
        pages = []
        with contextlib.suppress(OSError):
            pages = [person.open_page() for _ in range(4)]
        time.sleep(8.0)
        for page in pages:
            page.close()


def main() -> None:
    link, kind = sys.argv[1:]
    os.nice(19)  # people and attackers have machines of their own; here they share ours
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    person = Person(link)
    work = {
        "pages": [(look, person), (look, person)],
        "attack": [(hold_sockets, person.port), (send_megabytes, person), (keep_deaf_pages, person)],
    }[kind]
    for act, on in work:
        threading.Thread(target=act, args=(on,), daemon=True).start()
    print("loose", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
