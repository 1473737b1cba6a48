"""Those who are connected to the operator socket. Nothing that one of them does delays another.

A client that floods, talks nonsense or is gone is dropped; one that does not read loses messages.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgevla.messages import Pictures, Planned, Refused, Watch
from edgevla.runtime.budget import Budget
from edgevla.runtime.link import Link
from edgevla.runtime.previews import MAX_HZ
from edgevla.runtime.sockets import FromClient

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    import msgspec

    from edgevla.runtime.sockets import Listener

MAX_CLIENTS = 4
_ACCEPTS = 8  # in one go, so that a crowd at the door does not keep those inside waiting
_BURST, _RATE_HZ = 100, 100  # messages of one client; a page sends ten heartbeats a second
_NONSENSE = 10


class Client:
    """One operator's program."""

    def __init__(self, end: socket.socket) -> None:
        self.link: Link[FromClient] = Link(end, FromClient)
        self.watch = Watch()
        self._budget = Budget(_BURST, _RATE_HZ)
        self._counted = 0
        self._nonsense = 0
        self._shown_s: dict[str, float] = {}

    def hear(self, now_s: float) -> tuple[list[FromClient], str]:
        """What it says, and why it has to go after that, if it has to."""
        messages = self.link.drain()
        count, self._counted = self.link.received - self._counted, self.link.received
        if nonsense := self.link.take_malformed():
            self._nonsense += 1
            if self._nonsense == 1:
                self.link.send(Refused(why=nonsense))
            if self._nonsense >= _NONSENSE:
                return messages, f"{_NONSENSE} messages that are none; the last: {nonsense}"
        if not self._budget.take(now_s, count):
            return messages, f"more than {_RATE_HZ} messages a second"
        return messages, ""

    def tell(self, message: msgspec.Struct) -> None:
        """Send what it wants to see, if it has room."""
        if isinstance(message, Planned) and not self.watch.planned:
            return
        if isinstance(message, Pictures):
            message = Pictures(pictures=tuple(each for each in message.pictures if self._due(each.camera, each.t_s)))
            if not message.pictures:
                return
        self.link.send(message)

    def _due(self, camera: str, t_s: float) -> bool:
        """Whether this client wants another picture of this camera already."""
        if not self.watch.pictures_hz > 0.0:
            return False
        if t_s - self._shown_s.get(camera, -math.inf) < 0.9 / min(self.watch.pictures_hz, MAX_HZ):
            return False
        self._shown_s[camera] = t_s
        return True


class Clients:
    """All of them, and the door.

    Args:
        listener: where new ones come in.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._inside: list[Client] = []

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._inside))

    @property
    def waiting_on(self) -> list[Link[FromClient] | socket.socket]:
        """For select()."""
        return [self._listener.socket, *(client.link for client in self._inside)]

    def admit(self) -> list[Client]:
        """Let in who is at the door; who finds no room is told so and sent away."""
        admitted = []
        for _ in range(_ACCEPTS):
            try:
                end, _address = self._listener.socket.accept()
            except OSError:  # nobody is there, is gone again, or there are no file descriptors left
                break
            client = Client(end)
            if len(self._inside) < MAX_CLIENTS:
                self._inside.append(client)
                admitted.append(client)
            else:
                client.link.send(Refused(why=f"{MAX_CLIENTS} operators are connected already"))
                client.link.close()
        return admitted

    def drop(self, client: Client, why: str) -> None:
        """Send one away."""
        client.link.send(Refused(why=why))
        client.link.close()
        self._inside.remove(client)

    def tell(self, message: msgspec.Struct) -> None:
        """Tell everybody."""
        for client in self._inside:
            client.tell(message)

    @property
    def watch(self) -> Watch:
        """What must be shown for everybody to see what they want."""
        rates = [client.watch.pictures_hz for client in self._inside if client.watch.pictures_hz > 0.0]
        planned = any(client.watch.planned for client in self._inside)
        return Watch(pictures_hz=min(max(rates, default=0.0), MAX_HZ), planned=planned)

    def close(self, why: str) -> None:
        """Send everybody away."""
        for client in self:
            self.drop(client, why)
