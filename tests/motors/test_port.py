"""The serial port over a real pty: exclusive, guarded, patient without spinning, and clear about what is wrong."""

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import pytest
import serial

from edgevla.motors import port as port_module
from edgevla.motors.errors import PortBusy, PortDenied, PortLost, PortMissing, PortUnusable
from edgevla.motors.port import SerialPort

LONG_S = 5.0


def let_pass(frame):
    pass


class Blocked(Exception):
    pass


class Line:
    """A pty; `far` is the servos' end."""

    def __init__(self):
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        self.path = os.ttyname(self._near)

    def heard(self, within_s=0.05):
        os.set_blocking(self.far, False)
        deadline_s = time.monotonic() + within_s
        data = b""
        while time.monotonic() < deadline_s:
            try:
                data += os.read(self.far, 4096)
            except BlockingIOError:
                time.sleep(0.002)
        return data

    def say(self, data):
        os.write(self.far, data)

    def cut(self):
        for fd in (self.far, self._near):
            if fd >= 0:
                os.close(fd)
        self.far = self._near = -1


@pytest.fixture
def line():
    line = Line()
    yield line
    line.cut()


@pytest.fixture
def port(line):
    port = SerialPort(line.path, 1_000_000, let_pass)
    yield port
    port.close()


def in_a_moment(seconds, call, *arguments):
    timer = threading.Timer(seconds, call, arguments)
    timer.start()
    return timer


# Sending


def test_a_frame_goes_out_as_it_is(line, port):
    frame = bytes(range(256))
    port.send(frame)
    assert line.heard() == frame


def test_the_guard_sees_the_very_bytes_and_can_keep_them_from_the_wire(line):
    seen = []

    def guard(frame):
        seen.append(frame)
        raise Blocked

    port = SerialPort(line.path, 1_000_000, guard)
    line.say(b"still here")
    with pytest.raises(Blocked):
        port.send(b"\xff\xffmotion")
    assert seen == [b"\xff\xffmotion"]
    assert line.heard() == b""
    assert port.receive(10, time.monotonic() + LONG_S) == b"still here"
    port.close()


def test_there_is_one_place_that_writes_and_the_guard_stands_before_it():
    source = Path(port_module.__file__).read_text(encoding="utf-8")
    assert source.count("os.write(") == 1
    assert "_serial.write" not in source
    assert 0 < source.index("self._guard(frame)") < source.index("os.write(")


def test_what_was_received_before_a_request_is_forgotten(line, port):
    line.say(b"stale")
    assert port.receive(5, time.monotonic() + LONG_S) == b"stale"
    line.say(b"stale")
    time.sleep(0.05)
    port.send(b"?")
    line.say(b"fresh")
    assert port.receive(5, time.monotonic() + LONG_S) == b"fresh"


def test_a_port_that_takes_no_more_is_lost_not_waited_for(line, port):
    with pytest.raises(PortLost, match="takes no more bytes"):
        for _ in range(1000):
            port.send(bytes(4096))


# Receiving


def test_receiving_ends_with_the_last_byte_awaited(line, port):
    started_s = time.monotonic()
    late = in_a_moment(0.05, line.say, b"cd")
    line.say(b"ab")
    assert port.receive(4, started_s + LONG_S) == b"abcd"
    assert time.monotonic() - started_s < LONG_S / 2
    late.join()


def test_receiving_ends_at_the_deadline_with_what_there_is(line, port):
    line.say(b"ab")
    started_s = time.monotonic()
    assert port.receive(4, started_s + 0.1) == b"ab"
    assert 0.1 <= time.monotonic() - started_s < LONG_S
    assert port.receive(4, started_s) == b""


def test_waiting_does_not_spin_and_is_accounted_for(port):
    cpu_s, waited_s = time.process_time(), port.wait_s
    port.receive(1, time.monotonic() + 0.3)
    assert time.process_time() - cpu_s < 0.1
    assert 0.3 <= port.wait_s - waited_s < LONG_S


# Losing it


def test_a_cut_line_is_a_lost_port(line, port):
    line.cut()
    with pytest.raises(PortLost, match="check the cable"):
        port.receive(1, time.monotonic() + LONG_S)
    with pytest.raises(PortLost, match=port.path):
        port.send(b"?")


def test_a_line_that_is_cut_while_waiting_is_noticed_at_once(line, port):
    started_s = time.monotonic()
    cut = in_a_moment(0.05, line.cut)
    with pytest.raises(PortLost):
        port.receive(1, started_s + LONG_S)
    assert time.monotonic() - started_s < LONG_S / 2
    cut.join()


def test_a_closed_port_is_a_lost_port(port):
    port.close()
    port.close()
    with pytest.raises(PortLost, match="it was closed"):
        port.send(b"?")
    with pytest.raises(PortLost, match="it was closed"):
        port.receive(1, time.monotonic() + LONG_S)


# Opening


def test_a_missing_port_lists_what_there_is(monkeypatch):
    with pytest.raises(PortMissing, match="/dev/ttyNONE9 does not exist - "):
        SerialPort("/dev/ttyNONE9", 1_000_000, let_pass)
    monkeypatch.setattr(Path, "glob", lambda self, kind: [Path("/dev") / kind.replace("*", "0")])
    with pytest.raises(PortMissing, match="one of: /dev/ttyACM0, /dev/ttyUSB0"):
        SerialPort("/dev/ttyNONE9", 1_000_000, let_pass)


def test_what_is_no_serial_port_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    for path in (file, tmp_path):
        with pytest.raises(PortUnusable, match="check port and baud"):
            SerialPort(str(path), 1_000_000, let_pass)


def test_an_impossible_baud_rate_is_refused(line):
    with pytest.raises(PortUnusable, match="at -1 baud"):
        SerialPort(line.path, -1, let_pass)


def test_a_port_without_permission_names_the_group(monkeypatch):
    def denied(*arguments, **settings):
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "Serial", denied)
    with pytest.raises(PortDenied, match="dialout"):
        SerialPort("/dev/ttyACM0", 1_000_000, let_pass)


def test_a_port_is_opened_once_until_it_is_closed(line, port):
    with pytest.raises(PortBusy, match=f"{line.path} is in use"):
        SerialPort(line.path, 1_000_000, let_pass)
    port.close()
    SerialPort(line.path, 1_000_000, let_pass).close()


def test_other_programs_are_kept_out_while_it_is_open(line):
    fd = os.open(line.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    port = SerialPort(line.path, 1_000_000, let_pass)
    assert exclusive(fd)
    port.close()
    assert not exclusive(fd)
    os.close(fd)


def exclusive(fd):
    tiocgexcl = 0x80045440  # not in termios before Python 3.13
    return fcntl.ioctl(fd, tiocgexcl, bytes(4)) != bytes(4)


def test_the_program_that_has_the_port_is_named(line):
    code = "import sys, serial; port = serial.Serial(sys.argv[1], exclusive=True); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, line.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(PortBusy, match=rf"in use by \S+ \(process {other.pid}\) - end the other program"):
            SerialPort(line.path, 1_000_000, let_pass)
        other.communicate()


def test_a_line_that_babbles_does_not_hold_the_caller_beyond_its_deadline(line, port):
    stop = threading.Event()

    def babble():
        while not stop.is_set():
            with contextlib.suppress(BlockingIOError):
                os.write(line.far, b"\xff" * 512)

    os.set_blocking(line.far, False)
    thread = threading.Thread(target=babble)
    thread.start()
    try:
        started_s = time.monotonic()
        deadline_s = started_s + 0.02
        while port.receive(10_000_000, deadline_s):
            assert time.monotonic() - started_s < 2.0
    finally:
        stop.set()
        thread.join()


def test_a_port_that_is_in_use_is_worth_another_try_and_one_that_is_missing_is_not():
    assert (PortBusy.exit_code, PortMissing.exit_code, PortDenied.exit_code) == (3, 2, 2)
