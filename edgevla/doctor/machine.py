"""What is read of a machine: files below a root, device nodes, and what other programs answer. Nothing is written."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PATIENCE_S = 30.0  # importing TensorRT from a cold SD card takes long


class Denied(Exception):
    """This user may not read it, so nothing is known of it."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


class Node(NamedTuple):
    """A device in /dev."""

    is_character: bool
    owner: str
    group: str
    mode: int  # permission bits
    allowed: bool  # this user may read and write it


class Answer(NamedTuple):
    """How a program ended; `code` is negative when it could not be run, or took too long."""

    code: int
    out: str
    err: str


class Holder(NamedTuple):
    """A process that has a device open."""

    pid: int
    name: str
    is_ours: bool  # a part of EdgeVLA


def ask(words: Sequence[str]) -> Answer:
    """Run a program and hear what it says."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(-1, "", str(error))
    return Answer(done.returncode, done.stdout.strip(), done.stderr.strip())


@dataclass(frozen=True)
class Machine:
    """A machine whose files lie below `root`.

    Args:
        root: where its / is.
        ask: runs a program on it.
    """

    root: Path = Path("/")
    ask: Callable[[Sequence[str]], Answer] = ask

    def path(self, name: str | Path) -> Path:
        """Where a path of the machine lies."""
        return self.root / str(name).lstrip("/")

    def text(self, name: str) -> str:
        """A small file without the white space around it; empty when there is none, or it has no value now.

        Raises:
            Denied: this user may not read it.
        """
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip("\x00\n\t ")
        except PermissionError:
            raise Denied(name) from None
        except OSError:  # not there; or a sensor that is switched off, which answers EAGAIN or EINVAL
            return ""

    def number(self, name: str) -> int | None:
        """A file that holds one number; None without one.

        Raises:
            Denied: this user may not read it.
        """
        try:
            return int(self.text(name))
        except ValueError:
            return None

    def names(self, pattern: str) -> list[str]:
        """What matches a pattern, as paths of the machine, in order."""
        found = sorted(self.root.glob(pattern.lstrip("/")))
        return [f"/{path.relative_to(self.root)}" for path in found]

    def exists(self, name: str) -> bool:
        """Whether it is there."""
        return self.path(name).exists()

    def device(self, name: str) -> str:
        """What a device is really called, behind the links of udev: /dev/ttyUSB0."""
        resolved = self.path(name).resolve()
        root = self.root.resolve()
        return f"/{resolved.relative_to(root)}" if resolved.is_relative_to(root) else str(resolved)

    def node(self, name: str) -> Node | None:
        """The device at a path; None when there is none."""
        path = self.path(name)
        try:
            found = path.stat()
        except OSError:
            return None
        return Node(
            is_character=stat.S_ISCHR(found.st_mode),
            owner=self._named("/etc/passwd", found.st_uid),
            group=self._named("/etc/group", found.st_gid),
            mode=stat.S_IMODE(found.st_mode),
            allowed=os.access(path, os.R_OK | os.W_OK),
        )

    @property
    def user(self) -> str:
        """Who runs this program."""
        return self._named("/etc/passwd", self._status("Uid"))

    @property
    def capabilities(self) -> int:
        """The effective capabilities of this program, as bits."""
        for line in self.text("/proc/self/status").splitlines():
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
        return 0

    def processes(self, name: str) -> list[int]:
        """The processes of that name."""
        found = []
        for path in self.names("/proc/[0-9]*/comm"):
            with contextlib.suppress(Denied):
                if self.text(path) == name[:15]:  # as much of it as the kernel keeps
                    found.append(int(path.split("/")[2]))
        return found

    def holders(self, device: str) -> tuple[list[Holder], int]:
        """Who has a device open, and how many processes this user may not look into."""
        found, closed, target = [], 0, self.path(device).resolve()
        for folder in self.root.glob("proc/[0-9]*/fd"):
            try:
                links = list(folder.iterdir())
            except PermissionError:
                closed += 1
                continue
            except OSError:  # the process has just ended
                continue
            if any(_leads_to(link, {str(target), device}) for link in links):
                found.append(self._holder(int(folder.parent.name)))
        return [each for each in found if each.pid != os.getpid()], closed

    def _holder(self, pid: int) -> Holder:
        words = self.text(f"/proc/{pid}/cmdline").split("\x00")
        return Holder(pid, self.text(f"/proc/{pid}/comm"), is_ours=any("edgevla" in word for word in words[:3]))

    def _status(self, key: str) -> int:
        for line in self.text("/proc/self/status").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[2])  # the effective one
        return os.geteuid()

    def _named(self, table: str, number: int) -> str:
        """The name of a user or group; its number where only the network knows it."""
        for line in self.text(table).splitlines():
            fields = line.split(":")
            if len(fields) > 2 and fields[2] == str(number):
                return fields[0]
        return str(number)


def _leads_to(link: Path, targets: set[str]) -> bool:
    """Whether a link names one of the targets; one that is gone by now does not."""
    try:
        return str(link.readlink()) in targets
    except OSError:
        return False
