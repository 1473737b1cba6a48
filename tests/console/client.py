"""A browser, as far as the console can tell: cookies, headers and a WebSocket, right or wrong as a test wants them."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from typing import NamedTuple

from wsproto import ConnectionType, WSConnection, events

WAIT_S = 10.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Requests to one port, with one session or none. `defaults` go into every request; None leaves a header out."""

    def __init__(self, port, tls=None):
        self.port = port
        self._tls = tls
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.cookie = None
        self.token = None

    def log_in(self, link):
        """Open a one-time link, and read the session."""
        path = re.sub(r"https?://[^/]+", "", link)
        answer = self.get(path)
        if answer.status == 303:
            self.cookie = answer.headers["set-cookie"].split(";")[0]
            self.token = self.get("/api/session").json["token"]
        return answer

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, **headers):
        defaults = {"Origin": self.origin, "X-EdgeVLA-Token": self.token, "Content-Type": "application/json"}
        return self.request("POST", path, json.dumps({} if body is None else body), {**defaults, **headers})

    def request(self, method, path, body=None, headers=None):
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        options = {"context": self._tls} if self._tls else {}
        connection = kind("127.0.0.1", self.port, timeout=WAIT_S, **options)
        given = {"Cookie": self.cookie, **{name.replace("_", "-"): value for name, value in (headers or {}).items()}}
        try:
            connection.request(method, path, body, {name: value for name, value in given.items() if value is not None})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def socket(self, **headers):
        """An open WebSocket, or the HTTP status that it was refused with."""
        given = {"Origin": self.origin, "Cookie": self.cookie, "Host": f"127.0.0.1:{self.port}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return Page.open(self.port, {name: value for name, value in given.items() if value is not None})


class Page:
    """A WebSocket."""

    def __init__(self, end):
        self._end = end
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._said = []
        self._text = ""
        self.events = []
        self.closed = None

    @classmethod
    def open(cls, port, headers):
        """Shake hands. Returns the page, or the status of the refusal."""
        page = cls(socket.create_connection(("127.0.0.1", port), timeout=WAIT_S))
        host = headers.pop("Host")
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        page._end.sendall(page._protocol.send(events.Request(host=host, target="/ws", extra_headers=extra)))
        while True:
            for event in page._events():
                if isinstance(event, events.AcceptConnection):
                    return page
                if isinstance(event, events.RejectConnection):
                    page.close()
                    return event.status_code

    def send(self, message):
        """Send JSON, or a text as it is."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._end.sendall(self._protocol.send(events.TextMessage(data=text)))

    def hear(self, condition=lambda message: True, timeout_s=WAIT_S):
        """The next state that fulfils a condition; None when the socket was closed instead."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            while self._said:
                if condition(message := self._said.pop(0)):
                    return message
            if self.closed is not None:
                return None
            self._take(self._events())
        raise AssertionError("nothing of that kind was said")

    def state(self, **wanted):
        """The next state that has these values."""
        return self.hear(lambda said: wanted.items() <= said.items())

    def told(self, word):
        """Whether an event has this word in it, now or soon."""
        return self.hear(lambda _: any(word in event["text"] for event in self.events)) is not None

    def ended(self):
        """The code that the other end closed with; 1006 when it just hung up."""
        assert self.hear(lambda message: False) is None
        return self.closed

    def close(self):
        self._end.close()

    def _take(self, found):
        for event in found:
            if isinstance(event, events.TextMessage):
                self._text += event.data
                if not event.message_finished:
                    continue
                said, self._text = json.loads(self._text), ""
                (self._said if said["type"] == "state" else self.events).append(said)
            elif isinstance(event, events.CloseConnection):
                self.closed = event.code

    def _events(self):
        try:
            data = self._end.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = 1006 if self.closed is None else self.closed
            return []
        self._protocol.receive_data(data)
        return list(self._protocol.events())
