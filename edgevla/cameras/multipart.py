"""multipart/x-mixed-replace without a socket: bytes in, parts out. This is how HTTP cameras push JPEG pictures.

A part is `--boundary`, headers, an empty line and a body. With a Content-Length the body is taken by it, else it ends
at the next boundary. Some cameras put the dashes into the boundary they announce.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

MAX_HEADER_BYTES = 4096
MAX_BODY_BYTES = 8 << 20  # a 4K picture at good quality takes 4 MiB


class MalformedStream(ValueError):
    """The bytes are not the multipart stream that was announced, or a part is larger than any picture."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part. Header names are lower case."""

    headers: dict[str, str]
    body: bytes


def boundary_of(content_type: str) -> bytes:
    """Return the delimiter, with its dashes, that a Content-Type announces.

    Raises:
        MalformedStream: it is no multipart type, or has no boundary.
    """
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_maintype() != "multipart" or not boundary:
        raise MalformedStream(f"content type {content_type!r} is no multipart stream")
    return b"--" + boundary.removeprefix("--").encode("latin-1", "replace")


class Parts:
    """Cuts a byte stream into parts. Holds at most one unfinished part.

    Args:
        delimiter: what stands before each part, from `boundary_of`.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._buffer = bytearray()
        self._headers: dict[str, str] | None = None  # of the part whose body is coming in
        self._searched = 0  # bytes of the buffer known to hold no delimiter

    def feed(self, data: bytes) -> list[Part]:
        """Take bytes as they come, return the parts they complete, oldest first.

        Raises:
            MalformedStream: headers or body are too long, or the headers cannot be read.
        """
        self._buffer += data
        parts: list[Part] = []
        while True:
            if self._headers is None:
                self._headers = self._take_headers()
                if self._headers is None:
                    return parts
            body = self._take_body(self._headers)
            if body is None:
                return parts
            parts.append(Part(self._headers, body))
            self._headers = None

    def _take_headers(self) -> dict[str, str] | None:
        start = self._buffer.find(self._delimiter)
        end = self._buffer.find(b"\r\n\r\n", max(start, 0))
        complete = start >= 0 and end >= 0
        if (end if complete else len(self._buffer)) > MAX_HEADER_BYTES:
            raise MalformedStream(f"no part begins within {MAX_HEADER_BYTES} bytes")
        if not complete:
            return None
        lines = self._buffer[start:end].decode("latin-1").split("\r\n")[1:]
        del self._buffer[: end + 4]
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise MalformedStream(f"header line {line[:80]!r} has no colon")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _take_body(self, headers: dict[str, str]) -> bytes | None:
        declared = headers.get("content-length")
        if declared is not None:
            if not declared.isdecimal() or int(declared) > MAX_BODY_BYTES:
                raise MalformedStream(f"a part of {declared[:20]!r} bytes; at most {MAX_BODY_BYTES} are taken")
            end = rest = int(declared)
            if len(self._buffer) < end:
                return None
        else:
            end = self._buffer.find(b"\r\n" + self._delimiter, self._searched)
            if end < 0:
                if len(self._buffer) > MAX_BODY_BYTES:
                    raise MalformedStream(f"no part ends within {MAX_BODY_BYTES} bytes")
                self._searched = max(0, len(self._buffer) - len(self._delimiter) - 1)
                return None
            rest = end + 2
        body = bytes(self._buffer[:end])
        del self._buffer[:rest]
        self._searched = 0
        return body
