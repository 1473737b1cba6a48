"""Who may use the console: one-time links, the sessions they open, and the token that every change has to carry.

Secrets are 256 random bits. Only their hashes are kept, and they are compared in constant time; a copy of this
process' memory, a log or a screenshot of the address bar opens no session.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgevla.console.rates import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

LINK_LIFE_S = 15 * 60.0
IDLE_S = 30 * 60.0
LIFE_S = 12 * 3600.0
MAX_SESSIONS = 16
MAX_LINKS = 16


@dataclass(slots=True)
class Session:
    """One browser that was let in."""

    number: int
    name: str
    digest: bytes = field(repr=False)
    opened_s: float
    seen_s: float
    reads: Rate = field(default_factory=lambda: Rate(100.0, 200.0))  # what it may ask for a second, and at once
    changes: Rate = field(default_factory=lambda: Rate(20.0, 40.0))


@dataclass(frozen=True, slots=True)
class _Link:
    name: str
    digest: bytes
    until_s: float


class Sessions:
    """All links and sessions of a console.

    Args:
        clock: seconds that never go backwards.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._links: list[_Link] = []
        self._sessions: list[Session] = []
        self._key = secrets.token_bytes(32)
        self._opened = 0

    def new_link(self, name: str) -> str:
        """A key that opens one session for `name`, once, within LINK_LIFE_S. Of too many the oldest is void."""
        key = secrets.token_urlsafe(32)
        self._links = [*self._links, _Link(name, _hash(key), self._clock() + LINK_LIFE_S)][-MAX_LINKS:]
        return key

    def log_in(self, key: str) -> tuple[Session, str] | None:
        """Open a session, and return it with its secret; None when the key is unknown, used or too old.

        Of too many sessions the one that was silent for longest ends.
        """
        now_s, digest = self._clock(), _hash(key)
        self._links = [link for link in self._links if link.until_s > now_s]
        found = [link for link in self._links if hmac.compare_digest(link.digest, digest)]
        if not found:
            return None
        self._links.remove(found[0])
        self._opened += 1
        secret = secrets.token_urlsafe(32)
        session = Session(self._opened, found[0].name, _hash(secret), now_s, now_s)
        alive = sorted(self._alive(), key=lambda each: each.seen_s)
        self._sessions = [*alive[-(MAX_SESSIONS - 1) :], session]
        return session, secret

    def find(self, secret: str) -> Session | None:
        """The session of this secret, which is not idle from here on; None when there is none or it is over."""
        digest, found = _hash(secret), None
        self._sessions = self._alive()
        for session in self._sessions:  # all of them, whichever it is
            if hmac.compare_digest(session.digest, digest):
                found = session
        if found is not None:
            found.seen_s = self._clock()
        return found

    def alive(self, session: Session) -> bool:
        """Whether this session, which has a page open, is still one; an open page is not idle."""
        self._sessions = self._alive()
        if session not in self._sessions:
            return False
        session.seen_s = self._clock()
        return True

    def token(self, session: Session) -> str:
        """What changes of this session carry in their header. A page of another site cannot read it."""
        return hmac.new(self._key, session.digest, hashlib.sha256).hexdigest()

    def is_token(self, session: Session, token: str) -> bool:
        """Whether `token` is that of this session."""
        return hmac.compare_digest(self.token(session).encode(), token.encode())

    def _alive(self) -> list[Session]:
        now_s = self._clock()
        return [each for each in self._sessions if now_s < min(each.opened_s + LIFE_S, each.seen_s + IDLE_S)]


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
