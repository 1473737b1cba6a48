"""`Link`: typed messages between two processes over a SEQPACKET socket. Neither side can make the other wait.

The kernel keeps the order and the message borders, and a closed socket tells that the peer is gone. A full socket
drops what is being sent, because everything here is superseded by its successor; a reader drains to the newest.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Generic, TypeVar, cast

import msgspec

Incoming = TypeVar("Incoming")

MAX_BYTES = 64 * 1024
_MAX_DRAIN = 64  # messages taken at most in one go: a flood cannot hold a tick


class Link(Generic[Incoming]):
    """One end.

    Args:
        end: a connected SEQPACKET socket; owned from here on.
        incoming: the type (or union of tagged types) that may arrive.
    """

    def __init__(self, end: socket.socket, incoming: object) -> None:
        end.setblocking(False)
        self._socket = end
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Incoming] = msgspec.msgpack.Decoder(cast("Any", incoming))
        self.closed = False
        self.received = 0  # messages, whatever was in them
        self.malformed = ""  # the last message that was not one, until read by `take_malformed`

    def fileno(self) -> int:
        """For select()."""
        return self._socket.fileno()

    def send(self, message: msgspec.Struct) -> bool:
        """Send, or drop it when the peer is slow or gone. True when it went out."""
        if self.closed:
            return False
        try:
            self._socket.send(self._encoder.encode(message))
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self.closed = error.errno != errno.EMSGSIZE  # too large for the kernel: lost, nothing more
            return False
        return True

    def drain(self) -> list[Incoming]:
        """Everything that has arrived, oldest first. What does not decode is left out and noted."""
        return [message for message in map(self._decode, self._receive()) if message is not None]

    def newest(self) -> Incoming | None:
        """The last that has arrived; what it supersedes is not even decoded."""
        received = self._receive()
        return self._decode(received[-1]) if received else None

    def _decode(self, raw: bytes) -> Incoming | None:
        try:
            return self._decoder.decode(raw)
        # Text that is not UTF-8 is a ValueError of its own.
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self.malformed = f"a malformed message: {error}"
            return None

    def _receive(self) -> list[bytes]:
        received: list[bytes] = []
        for _ in range(_MAX_DRAIN):
            try:
                raw, _, flags, _ = self._socket.recvmsg(MAX_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.closed = True
                break
            if not raw:
                self.closed = True
                break
            self.received += 1
            if flags & socket.MSG_TRUNC:
                self.malformed = f"a message of more than {MAX_BYTES} bytes"
                continue
            received.append(raw)
        return received

    def take_malformed(self) -> str:
        """What was wrong with the last undecodable message, once."""
        malformed, self.malformed = self.malformed, ""
        return malformed

    def close(self) -> None:
        """Hang up; the peer sees it as closed."""
        self.closed = True
        self._socket.close()


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, one of which is handed to a child process by its file descriptor."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def inherited(descriptor: int, incoming: object) -> Link[Any]:
    """The link whose end a parent process handed over."""
    return Link(socket.socket(fileno=descriptor), incoming)
