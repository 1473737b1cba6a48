"""HTTP cameras that push JPEG pictures: the simulated robot's, network cameras, a phone.

Read by hand rather than through FFmpeg, which hides the time stamps, buffers, and cannot be told to give up.
"""

from __future__ import annotations

import time
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from edgevla.cameras import jpeg
from edgevla.cameras.multipart import MalformedStream, Part, Parts, boundary_of
from edgevla.cameras.source import CameraLost, CameraMissing, check_size
from edgevla.cameras.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from edgevla.config.robot import Camera

SCHEMES = {"http": HTTPConnection, "https": HTTPSConnection}
TIMEOUT_S = 2.0  # to connect, between two reads, and between two pictures that can be decoded
READ_BYTES = 256 << 10


class MjpegCapture:
    """One HTTP connection that receives `multipart/x-mixed-replace`.

    A part may carry its capture time, in CLOCK_MONOTONIC seconds, in the header X-Timestamp. When several pictures have
    arrived at once, only the newest is decoded.

    Raises:
        CameraMissing: the address is not one, nobody answers there, or the answer is no picture stream.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, camera: Camera, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._camera = camera
        self._clock = clock
        self._stamp = Stamp()
        try:
            self._connection, self._response, delimiter = connect(camera.source)
        except (OSError, ValueError, HTTPException) as error:
            fix = "start the camera's server, or correct the address"
            raise CameraMissing(camera, in_words(error), fix=fix) from error
        self._parts = Parts(delimiter)

    def read(self) -> tuple[float, NDArray[np.uint8]]:
        """Wait for the next picture that can be decoded."""
        began_s = self._clock()
        defect = "sends no picture"
        while self._clock() - began_s < TIMEOUT_S:
            parts = self._receive()
            if not parts:
                continue
            arrival_s = self._clock()
            part = parts[-1]
            try:
                check_size(self._camera, *jpeg.size_of(part.body))
                image = jpeg.decode(part.body)
            except jpeg.BadPicture as error:
                defect = f"sends {error}"
                continue
            return self._stamp.capture_s(stamp_of(part), arrival_s), image
        raise self._lost(defect)

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._connection.close()

    def _receive(self) -> list[Part]:
        try:
            data = self._response.read1(READ_BYTES)
            if not data:
                raise self._lost("ended the stream")
            return self._parts.feed(data)
        except (OSError, HTTPException, MalformedStream) as error:
            raise self._lost(in_words(error)) from error

    def _lost(self, what: str) -> CameraLost:
        return CameraLost(self._camera, what, fix="look at the camera's server and the network")


def connect(source: str) -> tuple[HTTPConnection, HTTPResponse, bytes]:
    """Ask for the stream at an http(s) address: the connection, the response to read from, and the part delimiter.

    Raises:
        ValueError: no http(s) address, or the answer is not 200 with a multipart type.
        OSError, HTTPException: nobody answers, or not in HTTP.
    """
    address = urlsplit(source)
    if address.scheme not in SCHEMES or not address.hostname:
        raise ValueError("not an http or https address")
    connection = SCHEMES[address.scheme](address.hostname, address.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", urlunsplit(("", "", address.path or "/", address.query, "")))
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(f"answered {response.status} {response.reason}")
        return connection, response, boundary_of(response.headers.get("content-type", ""))
    except BaseException:
        connection.close()
        raise


def in_words(error: Exception) -> str:
    """What the system or the server said, without an error number; some errors of http.client say nothing."""
    return getattr(error, "strerror", None) or str(error) or repr(error)


def stamp_of(part: Part) -> float | None:
    """Return a part's X-Timestamp in seconds, None when there is none or it is no number."""
    try:
        return float(part.headers["x-timestamp"])
    except (KeyError, ValueError):
        return None
