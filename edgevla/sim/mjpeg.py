"""The simulated cameras over HTTP.

GET /front  /wrist           multipart MJPEG; each part carries Content-Length and X-Timestamp, the
                             CLOCK_MONOTONIC time in seconds at which the world looked like this
GET /front.jpg  /wrist.jpg   the next picture, with X-Timestamp
POST /fault                  {"faults": [...]}: break the cameras, see edgevla/sim/faults.py
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from edgevla.sim.faults import FaultRequest
from edgevla.sim.faulty_feeds import FaultyFeeds
from edgevla.sim.loopback_http import LoopbackHandler, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgevla.sim.feed import Feed, Picture

_BOUNDARY = "edgevla-frame"
_PICTURE_TIMEOUT_S = 2.0


class CameraServer(LoopbackServer):
    """Streams `feeds`, each under its name."""

    def __init__(self, feeds: Mapping[str, Feed]) -> None:
        self.feeds = feeds
        self.faulty = FaultyFeeds()
        super().__init__(_CameraHandler)


class _CameraHandler(LoopbackHandler):
    server: CameraServer

    def do_GET(self) -> None:  # noqa: N802 - http.server looks for this name
        feeds = self.server.feeds
        name = self.path.removeprefix("/")
        if self.server.faulty.off(name.removesuffix(".jpg")):
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the camera is off")
        elif name in feeds:
            self._stream(name, feeds[name])
        elif name.removesuffix(".jpg") in feeds:
            self._single(feeds[name.removesuffix(".jpg")])
        else:
            self.refuse(HTTPStatus.NOT_FOUND, f"no {self.path} here, only {', '.join(feeds)}")

    def do_POST(self) -> None:  # noqa: N802
        if self.path != "/fault":
            self.refuse(HTTPStatus.NOT_FOUND, f"no {self.path} here")
        elif (body := self.take_body()) is not None:
            try:
                self.server.faulty.break_(msgspec.json.decode(body, type=FaultRequest).faults)
            except msgspec.DecodeError as error:
                self.refuse(HTTPStatus.BAD_REQUEST, str(error))
                return
            self.reply(HTTPStatus.OK, {})

    def _stream(self, name: str, feed: Feed) -> None:
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        with feed.watching():
            seq = feed.seq
            while not (self.server.closing.is_set() or self.server.faulty.off(name)):
                picture = feed.next(seq, _PICTURE_TIMEOUT_S)
                if picture is not None:
                    seq = picture.seq
                    shown = self.server.faulty.show(name, picture)
                    if shown is not None:
                        self.wfile.write(_part(shown))

    def _single(self, feed: Feed) -> None:
        with feed.watching():
            picture = feed.next(feed.seq, _PICTURE_TIMEOUT_S)
        if picture is None:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"no picture within {_PICTURE_TIMEOUT_S:g} s")
            return
        self.send_whole(HTTPStatus.OK, "image/jpeg", picture.jpeg, {"X-Timestamp": f"{picture.t_s:.6f}"})


def _part(picture: Picture) -> bytes:
    head = (
        f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n"
        f"X-Timestamp: {picture.t_s:.6f}\r\n\r\n"
    )
    return head.encode() + picture.jpeg + b"\r\n"
