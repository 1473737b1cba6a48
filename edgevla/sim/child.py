"""A child process that says in one JSON line where to find it, and ends when its stdin does."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

from edgevla.errors import EdgeVLAError

if TYPE_CHECKING:
    from collections.abc import Sequence

_START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 5.0


class SimulatorError(EdgeVLAError):
    """The simulated robot did not start, is gone, or refused a request."""


class Child:
    """A running `python -m module`. The other end of its stdin closes with us, however we end, and so it ends too.

    Args:
        module: prints a JSON object when it is ready, or one with "error" and ends.
        arguments: of its command line.
        stdin: a file descriptor that it gets as its stdin; by default a pipe of ours.

    Raises:
        SimulatorError: it did not start; the message carries its reason.
    """

    def __init__(self, module: str, arguments: Sequence[str], stdin: int = subprocess.PIPE) -> None:
        # A session of its own keeps a Ctrl-C from reaching it: it has to outlive the runtime's controlled stop.
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._module = module
        assert self._process.stdout is not None
        try:
            self.found = self._first_line(self._process.stdout)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def close(self) -> None:
        """End it. What leads to a stdin that was given must be closed before."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _first_line(self, stdout: IO[bytes]) -> dict[str, Any]:
        if not select.select([stdout], [], [], _START_TIMEOUT_S)[0]:
            raise SimulatorError(f"simulated robot: {self._module} is not ready within {_START_TIMEOUT_S:g} s")
        line = stdout.readline()
        if not line:
            raise SimulatorError(
                f"simulated robot: {self._module} ended with exit code {self._process.wait()} before it was ready",
                fix="run `python -m edgevla.sim` to see why",
            )
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise SimulatorError(found["error"])
        return found
