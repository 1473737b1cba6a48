"""What surrounds `edgevla serve`: signals ask for one controlled stop, and a log that takes nothing costs nothing."""

import errno
import os
import signal
import sys
import time

import pytest

from edgevla.runtime.serve import Leave, harmless, signals_to_leave


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_asks_for_the_end_once_and_the_next_one_does_not_disturb_the_stop(number):
    before = signal.getsignal(number)
    with pytest.raises(Leave, match=number.name), signals_to_leave():
        try:
            os.kill(os.getpid(), number)
        finally:
            for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(os.getpid(), each)
    assert signal.getsignal(number) is before


def test_a_signal_that_comes_while_a_destructor_runs_is_not_lost(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)

    class Thing:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.0)  # the handler runs here, and what it raises goes nowhere

    with signals_to_leave() as leave_if_told:
        leave_if_told()
        Thing()
        with pytest.raises(Leave, match="SIGTERM"):
            leave_if_told()


def test_under_nohup_the_terminal_s_end_is_not_the_robot_s():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_to_leave():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), BrokenPipeError(), ValueError("closed file")])
def test_a_log_that_takes_nothing_costs_the_line_and_nothing_else(error):
    def say(_line):
        raise error

    harmless(say)("disarmed: just started")


def test_what_somebody_else_has_written_cannot_begin_a_line_of_its_own():
    said = []
    harmless(said.append)("sent away: a\nSTOP by Bob\x1b[2J")
    assert said == ["sent away: a STOP by Bob [2J"]
