"""Keys: none is kept back, and a stop wins over whatever else was pressed."""

import os
import pty
import sys
import termios

import pytest

from edgevla.messages import Event, Instruct, Mode
from edgevla.runtime.keys import Keys
from edgevla.runtime.run import Operator


class Session:
    """Remembers what it was asked."""

    def __init__(self, mode=Mode.HOLDING, instruction=""):
        self.asked = []
        self.status = type("Status", (), {"mode": mode, "instruction": instruction})()

    def request(self, event, why):
        self.asked.append(event)

    def instruct(self, instruct):
        self.asked.append(instruct)


@pytest.fixture
def terminal(monkeypatch):
    master, slave = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(slave, "r"))
    yield master
    os.close(master)


def test_all_keys_of_one_poll_are_heard_at_once_and_nothing_is_left_for_later(terminal):
    with Keys() as keys:
        os.write(terminal, b"eeh ")
        assert keys.pressed() == "eeh "
        assert keys.pressed() == ""


def test_what_was_typed_before_is_not_meant_for_the_arm(terminal):
    os.write(terminal, b"e\n")
    with Keys() as keys:
        assert keys.pressed() == ""


def test_the_terminal_is_left_as_it_was(terminal):
    before = termios.tcgetattr(sys.stdin.fileno())
    with Keys():
        assert termios.tcgetattr(sys.stdin.fileno()) != before
    assert termios.tcgetattr(sys.stdin.fileno()) == before


def test_without_a_terminal_there_are_no_keys(monkeypatch, tmp_path):
    with (tmp_path / "empty").open("w+") as file:
        monkeypatch.setattr(sys, "stdin", file)
        with Keys() as keys:
            assert not keys.available
            assert keys.pressed() == ""


@pytest.mark.parametrize("keys", [" ", "e ", " e", "eeee h"])
def test_a_stop_wins_over_every_other_key(keys):
    session = Session()
    Operator(session, "go").press(keys)
    assert session.asked == [Event.STOP]


def test_a_stop_forgets_an_engagement_that_was_still_waiting_for_its_plan():
    session = Session(instruction="")
    operator = Operator(session, "go")
    operator.press("e")
    operator.press(" ")
    session.status.instruction = "go"
    operator.press("")
    assert Event.ENGAGE not in session.asked


def test_engaging_waits_for_a_plan_for_the_sentence_and_asks_once():
    session = Session(instruction="another")
    operator = Operator(session, "go")
    operator.press("e")
    assert session.asked == [Instruct(text="go"), Event.ARM]
    session.status.instruction = "go"
    for _ in range(5):
        operator.press("")
    assert session.asked[2:] == [Event.ENGAGE]


def test_quitting_stops_and_says_so():
    session = Session()
    assert Operator(session, "go").press("q")
    assert session.asked == [Event.STOP]
