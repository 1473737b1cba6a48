"""The serial port: opened exclusively, one place that sends, no spinning, and errors that name the fix."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import serial

from edgevla.motors.errors import PortBusy, PortDenied, PortError, PortLost, PortMissing, PortUnusable

if TYPE_CHECKING:
    from edgevla.motors.bus import Guard

_SEND_TIMEOUT_S = 0.05  # a frame is shorter than any driver's buffer: a port that takes none for so long is stuck
_READ_BYTES = 4096
_GONE = {errno.ENOENT, errno.ENODEV, errno.ENXIO}
_BUSY = {errno.EBUSY, errno.EAGAIN}


class SerialPort:
    """A `Transport` over a tty.

    Args:
        path: the device.
        baud: bits per second.
        guard: sees every frame before it is sent.

    Raises:
        PortMissing, PortDenied, PortBusy, PortUnusable: it cannot be opened.
    """

    def __init__(self, path: str, baud: int, guard: Guard) -> None:
        self.path = path
        self._guard = guard
        self._wait_s = 0.0
        self._serial = _open(path, baud)
        self._fd: int = self._serial.fileno()
        self._readable = select.poll()
        self._readable.register(self._fd, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(self._fd, select.POLLOUT)

    @property
    def wait_s(self) -> float:
        """Total time spent waiting for bytes so far."""
        return self._wait_s

    def send(self, frame: bytes) -> None:
        """Forget what was received so far and send one frame, if the guard lets it pass."""
        self._refuse_closed()
        self._guard(frame)
        try:
            # A late answer to an earlier request must not be taken for the answer to this one.
            termios.tcflush(self._fd, termios.TCIFLUSH)
            while frame:
                if not self._writable.poll(_SEND_TIMEOUT_S * 1e3):
                    raise self._lost("it takes no more bytes")
                frame = frame[os.write(self._fd, frame) :]
        except (OSError, termios.error) as error:
            raise self._lost(_reason(error)) from error

    def receive(self, at_least: int, deadline_s: float) -> bytes:
        """Return what arrived: `at_least` bytes or more, fewer when the monotonic time `deadline_s` came first."""
        self._refuse_closed()
        received = bytearray()
        started_s = time.monotonic()
        now_s = started_s
        try:
            # The time is looked at before every read: a line that babbles must not hold the caller.
            while len(received) < at_least and now_s < deadline_s:
                if not self._readable.poll(max(0.0, deadline_s - now_s) * 1e3):
                    break
                data = os.read(self._fd, _READ_BYTES)
                if not data:
                    raise self._lost("the device hung up")
                received += data
                now_s = time.monotonic()
        except OSError as error:
            raise self._lost(_reason(error)) from error
        finally:
            self._wait_s += time.monotonic() - started_s
        return bytes(received)

    def close(self) -> None:
        """Let go of the port. Sends nothing."""
        if self._fd >= 0:
            # A pty outlives us, unlike an adapter's tty, and would stay exclusive.
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._fd, termios.TIOCNXCL)
            self._fd = -1
            self._serial.close()

    def _refuse_closed(self) -> None:
        if self._fd < 0:  # the number may belong to another file by now
            raise self._lost("it was closed")

    def _lost(self, reason: str) -> PortLost:
        return PortLost(f"serial port {self.path} is lost: {reason}", fix="check the cable and the servo power")


def _open(path: str, baud: int) -> serial.Serial:
    try:
        port = serial.Serial(path, baud, timeout=0, exclusive=True)
    except (OSError, ValueError, termios.error) as error:
        raise _open_error(path, baud, error) from error
    # The lock above is advisory; this one also keeps out programs that do not ask for it.
    fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
    # FTDI adapters hold bytes back for 16 ms unless told not to; CDC-ACM and ptys know no such setting.
    with contextlib.suppress(OSError, ValueError):
        port.set_low_latency_mode(True)
    return port


def _open_error(path: str, baud: int, error: Exception) -> PortError:
    cause = _errno(error)
    if cause in _GONE:
        return PortMissing(f"serial port {path} does not exist", fix=_candidates())
    if cause in {errno.EACCES, errno.EPERM}:
        return PortDenied(
            f"serial port {path}: permission denied",
            fix='join the group that owns it, "sudo usermod -aG dialout $USER", and log in again',
        )
    if cause in _BUSY:
        return PortBusy(f"serial port {path} is in use{_holder(path)}", fix="end the other program")
    return PortUnusable(f"serial port {path} at {baud} baud: {_reason(error)}", fix="check port and baud in robot.yaml")


def _errno(error: BaseException | None) -> int | None:
    """Return the operating system's code; pyserial keeps it only in the error that its own one came from."""
    while error is not None:
        if isinstance(error, (OSError, termios.error)) and isinstance(error.args[0], int):
            return error.args[0]
        error = error.__context__
    return None


def _reason(error: Exception) -> str:
    cause = _errno(error)
    return str(error) if cause is None else os.strerror(cause)


def _candidates() -> str:
    found = sorted(str(port) for kind in ("ttyACM*", "ttyUSB*") for port in Path("/dev").glob(kind))
    return f"set motors.port to one of: {', '.join(found)}" if found else "plug in the servo adapter: no port is there"


def _holder(path: str) -> str:
    """Name a program that has the device open, as far as this user may see it."""
    device = Path(path).resolve()
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            if any(fd.readlink() == device for fd in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f" by {name} (process {process.name})"
    return ""
