"""The event log says each change once."""

import pytest

from edgevla.console.journal import Journal
from edgevla.console.telling import Teller
from edgevla.messages import Granted, PolicyStatus, Refused


@pytest.fixture
def journal():
    return Journal()


def texts(journal):
    return [entry.text for entry in journal.after(0)]


def policy(detail, blind=()):
    return PolicyStatus(ready=True, detail=detail, blind=blind)


def test_a_detail_that_differs_only_in_its_figures_is_said_once(journal):
    teller = Teller(journal)
    for age_ms in (202, 207.5, 214):
        teller.hear(policy(f"camera front: the newest frame is {age_ms} ms old"))
    teller.hear(policy("touch the red block"))
    first, *_, last = texts(journal)
    assert "202 ms" in first
    assert last == "policy: touch the red block"
    assert sum("ms old" in text for text in texts(journal)) == 1


def test_a_camera_that_is_lost_and_comes_back_is_told(journal):
    teller = Teller(journal)
    for blind in ((), ("wrist",), ("wrist",), ()):
        teller.hear(policy("ready", blind))
    assert [text for text in texts(journal) if "camera" in text or "picture" in text][-2:] == [
        "no fresh picture from wrist",
        "all cameras are back",
    ]


def test_a_robot_that_went_is_told_anew_when_it_is_back(journal):
    teller = Teller(journal)
    granted = Granted(scheduler="other", mlock=False, affinity=(), refused="no SCHED_FIFO")
    for message in (granted, granted, None, granted):
        teller.hear(message)
    assert texts(journal).count("no SCHED_FIFO") == 2


def test_every_refusal_is_told(journal):
    teller = Teller(journal)
    teller.hear(Refused(why="another operator holds the arm"))
    teller.hear(Refused(why="another operator holds the arm"))
    assert len(texts(journal)) == 2
