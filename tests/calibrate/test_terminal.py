"""The operator's side of a sweep, at a pseudo-terminal."""

import io
import os
import sys
import threading

import pytest
from rich.console import Console

from edgevla.calibrate.errors import CalibrationError
from edgevla.calibrate.sweep import Sweep
from edgevla.calibrate.terminal import TerminalOperator


@pytest.fixture
def keyboard(monkeypatch):
    """Write here what is typed."""
    master, slave = os.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
    os.close(master)


def test_enter_is_noticed_once_and_other_keys_are_not(keyboard):
    with TerminalOperator(Console(file=io.StringIO())) as operator:
        assert not operator.finished()
        os.write(keyboard, b"x")
        assert not operator.finished()
        os.write(keyboard, b"\r")
        assert operator.finished()
        assert not operator.finished()


def test_a_step_waits_for_enter(keyboard):
    said = io.StringIO()
    with TerminalOperator(Console(file=said)) as operator:
        timer = threading.Timer(0.2, os.write, (keyboard, b"\n"))
        timer.start()
        operator.step("Move it.")
        assert not timer.is_alive()
    assert "Move it." in said.getvalue()


def test_the_table_shows_where_each_joint_has_been(keyboard):
    shown = io.StringIO()
    sweep = Sweep(100)
    sweep.see(90)
    sweep.see(1114)
    with TerminalOperator(Console(file=shown, width=80, force_terminal=True)) as operator:
        operator.show({"elbow_flex": sweep})
    for word in ("elbow_flex", "90", "1114", "lowest", "highest"):
        assert word in shown.getvalue()


def test_without_a_terminal_nobody_can_sweep(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys.stdin, "fileno", lambda: os.open(os.devnull, os.O_RDONLY), raising=False)
    with pytest.raises(CalibrationError, match="needs a person at a terminal"):
        TerminalOperator(Console(file=io.StringIO()))
