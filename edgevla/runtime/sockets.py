"""The operator socket: where it lies, who may have it, and what is said on it.

Everybody who may open the socket may operate the robot, so the folder and the socket are closed to others.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgevla.errors import EdgeVLAError
from edgevla.messages import (
    Confirm,
    Granted,
    Heartbeat,
    Hello,
    Instruct,
    Pictures,
    Planned,
    PolicyStatus,
    RecorderStatus,
    Refused,
    Request,
    Status,
    Watch,
)
from edgevla.runtime.link import Link

if TYPE_CHECKING:
    from collections.abc import Mapping

FromClient = Request | Heartbeat | Instruct | Confirm | Watch
ToClient = Hello | Status | PolicyStatus | Granted | Planned | Pictures | RecorderStatus | Refused

RUNTIME_FOLDER = "EDGEVLA_RUNTIME_DIR"  # the variable that names the folder of the operator sockets
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_ADDRESS_BYTES = 107  # of sockaddr_un, without its end
_BACKLOG = 16


class SocketRefused(EdgeVLAError):
    """The operator socket cannot be where it should be."""


class AlreadyRunning(EdgeVLAError):
    """This robot is being served already."""

    exit_code = 3


class NotServed(EdgeVLAError):
    """Nobody serves this robot."""

    exit_code = 3


def operator_socket(robot_name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where `edgevla serve` of this robot listens.

    Raises:
        SocketRefused: the name cannot be a file's, or the path is too long for a socket.
    """
    if not _NAME.fullmatch(robot_name):
        raise SocketRefused(
            f'name: "{robot_name}" cannot name a socket; letters, digits, "_", "." and "-" are allowed',
            fix="give the robot another name in robot.yaml",
        )
    path = _folder(environment) / f"{robot_name}.sock"
    if len(os.fsencode(path)) > _ADDRESS_BYTES:
        raise SocketRefused(f"{path}: too long for a socket", fix="set EDGEVLA_RUNTIME_DIR to a shorter folder")
    return path


def _folder(environment: Mapping[str, str]) -> Path:
    if given := environment.get(RUNTIME_FOLDER):
        return Path(given)
    if given := environment.get("XDG_RUNTIME_DIR"):
        return Path(given, "edgevla")
    return Path(f"/tmp/edgevla-{os.getuid()}")


class Listener(NamedTuple):
    """The listening socket, and the lock that keeps others off it for as long as this process lives."""

    socket: socket.socket
    path: Path
    lock_fd: int

    def close(self) -> None:
        """Take the socket away, then let others have its place."""
        self.socket.close()
        self.path.unlink(missing_ok=True)
        os.close(self.lock_fd)


def listen(path: Path) -> Listener:
    """Take the robot's place and listen, without waiting. A socket that a dead process left behind is replaced.

    Raises:
        AlreadyRunning: a living process has it.
        SocketRefused: the folder cannot be made, belongs to somebody else or is open to everybody.
    """
    lock_fd = -1
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        _own_folder(path.parent)
        lock_fd = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        before = os.umask(0o117)
        try:
            end.bind(os.fspath(path))
        finally:
            os.umask(before)
        end.listen(_BACKLOG)
        end.setblocking(False)
    except BlockingIOError:
        _abandon(end, lock_fd)
        raise AlreadyRunning(f"{path.stem} is already being served, see {path}", fix="stop the other one") from None
    except OSError as error:
        _abandon(end, lock_fd)
        raise SocketRefused(f"operator socket {path}: {error.strerror}", fix="set EDGEVLA_RUNTIME_DIR") from None
    except SocketRefused:
        _abandon(end, lock_fd)
        raise
    return Listener(end, path, lock_fd)


def connect(path: Path) -> Link[ToClient]:
    """Become an operator of the robot that is served there. The first message is `Hello`, or `Refused`.

    Raises:
        NotServed: nobody listens, this user may not talk to them, or they may be anybody.
    """
    if _is_squatted(path.parent):
        raise NotServed(f"{path.stem} is not being served: {path.parent} belongs to another user", fix="remove it")
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.setblocking(False)
    try:
        end.connect(os.fspath(path))
    except OSError as error:
        end.close()
        raise NotServed(f"{path.stem} is not being served: {path}: {error.strerror}", fix="edgevla serve") from None
    return Link(end, ToClient)


def _own_folder(folder: Path) -> None:
    """Make the folder, or check that it is ours: in /tmp anybody may have made it before."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.stat(follow_symlinks=False)
    if found.st_uid not in {os.getuid(), 0} or found.st_mode & 0o002:
        raise SocketRefused(
            f"operator socket: {folder} belongs to another user or is open to everybody",
            fix="set EDGEVLA_RUNTIME_DIR to a folder of your own",
        )


def _is_squatted(folder: Path) -> bool:
    """Whether somebody else has made this folder where anybody may make one: they can play a robot in it."""
    try:
        made, place = folder.stat(follow_symlinks=False), folder.parent.stat()
    except OSError:
        return False
    return bool(place.st_mode & 0o002) and made.st_uid not in {os.getuid(), 0}


def _abandon(end: socket.socket, lock_fd: int) -> None:
    end.close()
    if lock_fd >= 0:
        os.close(lock_fd)
