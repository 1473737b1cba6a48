"""The servo bus of the simulated robot: a pty whose far end answers with the timing of a 1 Mbaud half-duplex line."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import termios
import threading
import time
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgevla.sim.capture import Capture
    from edgevla.sim.servos import SimulatedServos

BITS_PER_BYTE = 10  # start, eight, stop
_READ_BYTES = 4096
_HALF_FRAME_S = 0.01  # a servo forgets half a request after a gap like this
_QUIET_S = 1.0


class BusServer:
    """Serves `servos` on a pty from its own thread.

    Args:
        servos: who answers.
        baud: the speed that wire time is reckoned with.
        capture: takes down everything that passes.
    """

    def __init__(self, servos: SimulatedServos, baud: int = 1_000_000, capture: Capture | None = None) -> None:
        self._servos = servos
        self._capture = capture
        self._byte_s = BITS_PER_BYTE / baud
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="servo-bus", daemon=True)
        self._thread.start()
        self.thread_id = self._thread.native_id or 0

    def close(self) -> None:
        """Stop serving; whoever has the port open sees it hang up."""
        os.write(self._wake_write, b"\0")
        self._thread.join()
        for fd in (self._master, self._slave, self._wake_read, self._wake_write):
            os.close(fd)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        line_free_s = 0.0
        quiet_s = _QUIET_S
        while True:
            ready = dict(poll.poll(quiet_s * 1e3))
            if self._wake_read in ready:
                return
            if not ready:
                self._servos.hush()
                if quiet_s == _QUIET_S:
                    self._lift_exclusion()
                quiet_s = _QUIET_S
                continue
            heard_s = time.monotonic()
            request = os.read(self._master, _READ_BYTES)
            answer = self._servos.handle(request)
            wire_s = (len(request) + len(answer.data)) * self._byte_s + answer.delay_s
            line_free_s = max(heard_s, line_free_s) + wire_s
            quiet_s = _QUIET_S if answer.data else _HALF_FRAME_S
            if answer.data:
                time.sleep(max(0.0, line_free_s - time.monotonic()))
                with contextlib.suppress(BlockingIOError):  # nobody reads: a wire does not wait either
                    os.write(self._master, answer.data)
            if self._capture is not None:
                self._capture.add(heard_s, "host", request)
                if answer.data:
                    self._capture.add(line_free_s, "servos", answer.data)

    def _lift_exclusion(self) -> None:
        # A program that was killed leaves its exclusive mark on a pty, which outlives it, unlike an adapter's tty. A
        # program that is alive does not leave the bus quiet, and has its lock besides.
        fcntl.ioctl(self._slave, termios.TIOCNXCL)
