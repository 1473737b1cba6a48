"""The engage lease as the console keeps it: one holder, one socket, a beat every 100 ms.

It is the first of three walls: the supervisor and the control process each have one of their own behind it.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

BEAT_S = 0.1  # how often the page sends one
LEASE_S = 0.4  # how long the arm goes on without


@dataclass(slots=True)
class _Holding:
    secret: str
    session: int
    name: str
    beaten_s: float
    socket: int | None = None


class Lease:
    """At most one holder. Times are CLOCK_MONOTONIC seconds, sockets and sessions go by their numbers."""

    def __init__(self) -> None:
        self._held: _Holding | None = None

    @property
    def holder(self) -> tuple[int, str] | None:
        """The holder's session and name."""
        return (self._held.session, self._held.name) if self._held else None

    def grant(self, session: int, name: str, now_s: float) -> str:
        """A new lease for this session. The first of its sockets that beats with it keeps it.

        Raises:
            ValueError: somebody has it.
        """
        if self._held is not None:
            raise ValueError(f"session {self._held.session} holds the lease")
        self._held = _Holding(secrets.token_urlsafe(16), session, name, now_s)
        return self._held.secret

    def beat(self, secret: str, session: int, socket: int, now_s: float) -> bool:
        """Whether this is a beat of the holder, in time: only then the person is still there."""
        held = self._held
        if held is None or held.session != session or not hmac.compare_digest(held.secret.encode(), secret.encode()):
            return False
        if held.socket not in {None, socket} or now_s - held.beaten_s > LEASE_S:
            return False
        held.socket, held.beaten_s = socket, now_s
        return True

    def overdue(self, now_s: float) -> bool:
        """Whether there is a holder of whom nothing was heard for too long."""
        return self._held is not None and now_s - self._held.beaten_s > LEASE_S

    def on_socket(self, socket: int) -> bool:
        """Whether the lease hangs on this socket."""
        return self._held is not None and self._held.socket == socket

    def of_session(self, session: int) -> bool:
        """Whether this session has it."""
        return self._held is not None and self._held.session == session

    def end(self) -> None:
        """Nobody holds it any more."""
        self._held = None
