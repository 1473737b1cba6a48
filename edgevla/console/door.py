"""Where somebody who may act as the console's own user on its machine gets another one-time link.

A Unix socket in the state folder. The kernel says who is at the other end: the console's own user or root, nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from edgevla.console.errors import DoorClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_NAME = 40
DOOR = "console.sock"
_ANSWER_S = 2.0
_MAX_BYTES = 1024
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Ask(msgspec.Struct, frozen=True):
    """A link for somebody of this name."""

    name: str


class Given(msgspec.Struct, frozen=True):
    """The link, or why there is none."""

    link: str = ""
    refused: str = ""


async def keep_door(listener: socket.socket, give: Callable[[str], str]) -> None:
    """Answer who knocks, one after the other, until cancelled.

    Args:
        listener: a listening SEQPACKET socket.
        give: makes a link for a name.
    """
    loop = asyncio.get_running_loop()
    while True:
        end, _ = await loop.sock_accept(listener)
        end.setblocking(False)
        with end, contextlib.suppress(OSError, asyncio.TimeoutError):
            raw = await asyncio.wait_for(loop.sock_recv(end, _MAX_BYTES), _ANSWER_S)
            await loop.sock_sendall(end, msgspec.msgpack.encode(_answer(raw, _uid(end), give)))


def _answer(raw: bytes, uid: int, give: Callable[[str], str]) -> Given:
    if uid not in {os.getuid(), 0}:
        return Given(refused=f"user {uid} may not; only the console's own user ({os.getuid()}) and root")
    try:
        name = msgspec.msgpack.decode(raw, type=Ask).name
    except (msgspec.MsgspecError, ValueError):
        return Given(refused="the question cannot be understood")
    if not (0 < len(name) <= MAX_NAME and name.isprintable()):
        return Given(refused=f"a name has 1 to {MAX_NAME} characters")
    return Given(link=give(name))


def _uid(end: socket.socket) -> int:
    raw = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(raw)[1]
    return uid


def door_of(folders: Sequence[Path]) -> Path:
    """The first of these state folders in which a console may be: one that may not be looked into counts."""
    for folder in folders:
        try:
            (folder / DOOR).lstat()
        except PermissionError:
            return folder
        except OSError:
            continue
        return folder
    return folders[0]


def ask_for_link(folder: Path, name: str) -> str:
    """A one-time link of the console whose state is in this folder.

    Raises:
        DoorClosed: no console answers there, or it refuses.
    """
    path = folder / DOOR
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
        end.settimeout(_ANSWER_S)
        try:
            end.connect(os.fspath(path))
            end.send(msgspec.msgpack.encode(Ask(name)))
            given = msgspec.msgpack.decode(end.recv(4 * _MAX_BYTES), type=Given)
        except (OSError, msgspec.MsgspecError) as error:
            why = getattr(error, "strerror", None) or error
            as_its_user = f"as its user: sudo -u edgevla-console edgevla console link {folder.name} --state {folder}"
            fix = as_its_user if isinstance(error, PermissionError) else "start it: edgevla console ROBOT"
            raise DoorClosed(f"no console answers at {path}: {why}", fix=fix) from None
    if given.refused:
        raise DoorClosed(f"the console gives no link: {given.refused}")
    return given.link
