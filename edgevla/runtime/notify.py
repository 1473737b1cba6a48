"""Tells the service manager how the robot is: sd_notify(3), without a library.

Whoever is not started by a service manager has no NOTIFY_SOCKET, and everything here does nothing. Sending never waits:
a manager that does not read loses messages, and the loop keeps its time.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARE = 0.5  # of the watchdog's time after which it is fed again, as sd_watchdog_enabled(3) recommends


class NotifyError(EdgeVLAError):
    """The environment names something that is no notification socket."""


class Notifier:
    """One sender.

    The watchdog is meant for the control loop, which is a child of the service's main process. WATCHDOG_PID names that
    main process and is therefore not looked at; the unit allows its children to speak (NotifyAccess=all).

    Args:
        environment: NOTIFY_SOCKET (a path, or @ and an abstract name) and WATCHDOG_USEC (microseconds) are read.

    Raises:
        NotifyError: NOTIFY_SOCKET or WATCHDOG_USEC cannot be understood.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self.watchdog_interval_s = _SHARE * _watchdog_s(environment.get("WATCHDOG_USEC", "0"))
        self._fed_s = float("-inf")
        self._status = ""

    def ready(self, status: str) -> None:
        """Everything is loaded and has been tried once."""
        self._status = status
        self._send(f"READY=1\nSTATUS={one_line(status)}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; the same line again is not sent."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={one_line(text)}")

    def stopping(self) -> None:
        """The controlled stop has begun."""
        self._send("STOPPING=1")

    def feed(self, now_s: float) -> None:
        """Keep the watchdog quiet. Call it after every good tick, and after no other: it sends when it is time to.

        Args:
            now_s: CLOCK_MONOTONIC, s.
        """
        if self.watchdog_interval_s > 0.0 and now_s - self._fed_s >= self.watchdog_interval_s:
            self._fed_s = now_s
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Free the socket; nothing is sent any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:  # full, or gone: the manager's own time limits deal with both
            return


def _address(name: str) -> str:
    """The socket's address as the kernel wants it, empty without one."""
    if name and name[0] not in "/@":
        raise NotifyError(
            f'NOTIFY_SOCKET: "{name}" is neither an absolute path nor an abstract name that begins with @',
            fix="unset NOTIFY_SOCKET, or start under a service manager",
        )
    return "\0" + name[1:] if name.startswith("@") else name


def _watchdog_s(microseconds: str) -> float:
    if not microseconds.isdecimal():
        raise NotifyError(
            f'WATCHDOG_USEC: "{microseconds}" is not a whole number of microseconds',
            fix="unset WATCHDOG_USEC, or start under a service manager",
        )
    return int(microseconds) * 1e-6


def one_line(text: str) -> str:
    """What somebody else has written, without line breaks and what else a terminal or a log would act on."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
