"""The supervisor between operators and a robot that only remembers what it was asked: who may do what, whoever else
is connected, and whatever they do.
"""

import contextlib
import math
import socket
import threading
import time

import pytest

from edgevla.config.load import load_robot
from edgevla.messages import (
    Confirm,
    Event,
    Heartbeat,
    Hello,
    Instruct,
    Mode,
    Picture,
    Pictures,
    Planned,
    PolicyStatus,
    RecorderStatus,
    Refused,
    Request,
    Shutdown,
    Watch,
)
from edgevla.runtime.arguments import REFERENCE
from edgevla.runtime.clients import MAX_CLIENTS, Clients
from edgevla.runtime.link import Link, socket_pair
from edgevla.runtime.notify import Notifier
from edgevla.runtime.session import ProcessFailed
from edgevla.runtime.sockets import connect, listen
from edgevla.runtime.supervisor import Supervisor
from tests.runtime.conftest import ROBOT_YAML
from tests.runtime.test_holder import status

PATIENCE_S = 5.0


class RememberingSession:
    """Stands for a session: remembers what it is asked, says what the test wants said, moves nothing."""

    def __init__(self):
        self._wake, self._woken = socket_pair()
        self.links = [Link(self._woken, Shutdown)]
        self.asked = []
        self.beats = []
        self.watched = []
        self.sentences = []
        self.said = []
        self.granted = self.policy_status = self.status = None
        self.policy_gone = False
        self.hears = True
        self.failure = None

    def say(self, message):
        self.said.append(message)
        with contextlib.suppress(OSError):
            self._wake.send(b"\x80")

    def poll(self):
        for link in self.links:
            link.drain()
        if self.failure is not None:
            raise self.failure
        said, self.said = self.said, []
        return said

    def heartbeat(self, t_s):
        self.beats.append(t_s)

    def pass_on(self, asked):
        self.asked.append(asked)

    def request(self, event, why=""):
        self.asked.append(Request(t_s=time.monotonic(), event=event, why=why))

    def instruct(self, instruct):
        self.sentences.append(instruct)
        return self.hears

    def watch(self, watch):
        self.watched.append(watch)
        return True

    @property
    def events(self):
        return [each.event for each in self.asked if isinstance(each, Request)]


class Operator:
    """A well-behaved program at the operator socket."""

    def __init__(self, path):
        self.link = connect(path)
        self.heard = []

    def ask(self, event):
        self.link.send(Request(t_s=time.monotonic(), event=event))

    def beat(self):
        self.link.send(Heartbeat(t_s=time.monotonic()))

    def listen(self):
        self.heard += self.link.drain()
        return self.heard

    def hears(self, kind):
        wait_for(lambda: [each for each in self.listen() if isinstance(each, kind)])
        return [each for each in self.heard if isinstance(each, kind)]


def wait_for(condition):
    ends_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_s, "it did not come"
        time.sleep(0.005)


class TalkingRecorder:
    """Stands for a recorder: says what the test wants said."""

    def __init__(self):
        self.status, self.link, self.start_s = RecorderStatus(recording=True, detail="ready"), None, math.inf
        self.said = []

    def tend(self, _now_s):
        said, self.said = self.said, []
        return said


class Served:
    """A supervisor in a thread of its own."""

    def __init__(self, folder, supervision="supervised", recorder=None):
        self.session = RememberingSession()
        self.listener = listen(folder / "arm.sock")
        self.lines = []
        self.ended = None
        robot = load_robot(ROBOT_YAML, {"control.supervision": supervision})
        clients = Clients(self.listener)
        supervisor = Supervisor(robot, REFERENCE, self.session, clients, recorder, Notifier({}), self.lines.append)
        self._thread = threading.Thread(target=self._run, args=(supervisor,), daemon=True)
        self._thread.start()

    def _run(self, supervisor):
        try:
            supervisor.run(lambda: None)
        except ProcessFailed as failed:
            self.ended = failed

    def operator(self):
        operator = Operator(self.listener.path)
        operator.hears(Hello)
        return operator

    def end(self):
        self.session.failure = ProcessFailed("the test is over", 3)
        self.session.say(status(0.0))
        self._thread.join(PATIENCE_S)
        self.listener.close()


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path)
    yield served
    served.end()


@pytest.fixture
def session(served):
    return served.session


def engaged(served):
    """An operator who holds the arm."""
    ann = served.operator()
    ann.ask(Event.ENGAGE)
    wait_for(lambda: Event.ENGAGE in served.session.events)
    served.session.say(status(time.monotonic(), Mode.ENGAGED))
    wait_for(lambda: ann.beat() or any(getattr(each, "mode", None) is Mode.ENGAGED for each in ann.listen()))
    return ann


def test_a_newcomer_hears_what_runs_here_and_how_it_is(served, session):
    session.policy_status = PolicyStatus(ready=True, detail="ready")
    session.status = status(1.0)
    ann = served.operator()
    wait_for(lambda: len(ann.listen()) >= 3)
    hello, *rest = ann.heard
    assert (hello.robot, hello.supervision, hello.recording) == ("so101-tabletop", "supervised", False)
    assert hello.joint_names[0] == "shoulder_pan"
    assert rest == [session.policy_status, session.status]


@pytest.mark.parametrize("event", [Event.STOP, Event.RELEASE, Event.DISARM])
def test_anybody_may_stop_whoever_holds_the_arm(served, session, event):
    engaged(served)
    bob = served.operator()
    bob.ask(event)
    wait_for(lambda: event in session.events)


def test_the_one_who_engages_holds_the_arm_and_only_their_heartbeat_is_passed_on(served, session):
    ann = engaged(served)
    bob = served.operator()
    passed_on = len(session.beats)
    for _ in range(5):
        bob.beat()
    ann.beat()
    wait_for(lambda: len(session.beats) > passed_on)
    assert len(session.beats) == passed_on + 1
    bob.ask(Event.ENGAGE)
    assert bob.hears(Refused)[0].why == "another operator holds the arm"
    assert session.events.count(Event.ENGAGE) == 1


def test_before_control_is_asked_to_engage_it_is_told_that_somebody_is_there(served, session):
    ann = served.operator()
    asked_s = time.monotonic()
    ann.ask(Event.ENGAGE)
    wait_for(lambda: session.asked)
    assert session.beats[0] >= asked_s


def test_nobody_is_there_before_somebody_engages(served, session):
    ann = served.operator()
    ann.beat()
    ann.ask(Event.ARM)
    wait_for(lambda: session.asked)
    assert session.beats == []


def test_a_refusal_reaches_the_one_who_asked_and_another_may_ask_then(served, session):
    ann, bob = served.operator(), served.operator()
    ann.ask(Event.ENGAGE)
    wait_for(lambda: session.asked)
    session.say(status(time.monotonic()))
    ann.hears(Refused)
    assert [each for each in bob.listen() if isinstance(each, Refused)] == []
    bob.ask(Event.ENGAGE)
    wait_for(lambda: session.events.count(Event.ENGAGE) == 2)


def test_losing_the_holder_releases_the_arm_at_once(served, session):
    ann = engaged(served)
    ann.link.close()
    wait_for(lambda: Event.RELEASE in session.events)
    assert session.asked[-1].why == "the operator's program is gone"


def test_a_holder_who_falls_silent_releases_the_arm_after_half_a_second(served, session):
    ann = engaged(served)
    silent_s = session.beats[-1]
    wait_for(lambda: Event.RELEASE in session.events)
    assert session.asked[-1].t_s - silent_s >= 0.5
    assert "said nothing" in session.asked[-1].why
    assert not ann.link.closed


def test_losing_anybody_else_changes_nothing(served, session):
    ann = engaged(served)
    served.operator().link.close()
    ann.beat()
    served.operator()  # the loop has gone round
    assert Event.RELEASE not in session.events


def test_after_the_engagement_the_holder_s_end_releases_nothing(served, session):
    ann = engaged(served)
    session.say(status(time.monotonic(), Mode.STOPPING))
    wait_for(lambda: any(getattr(each, "mode", None) is Mode.STOPPING for each in ann.listen()))
    ann.link.close()
    served.operator()
    assert Event.RELEASE not in session.events


def test_an_autonomous_robot_is_not_released_by_a_page_that_is_closed(tmp_path):
    served = Served(tmp_path, "autonomous")
    ann = served.operator()
    ann.ask(Event.ENGAGE)
    wait_for(lambda: served.session.asked)
    ann.link.close()
    served.operator()
    assert served.session.events == [Event.ENGAGE]
    served.end()


def test_a_confirmation_is_passed_on_as_an_engagement(served, session):
    ann = served.operator()
    ann.link.send(Confirm(t_s=time.monotonic(), seq=12))
    wait_for(lambda: session.asked)
    assert session.asked[0].seq == 12
    assert session.beats
    bob = served.operator()
    bob.link.send(Confirm(t_s=time.monotonic(), seq=12))
    assert bob.hears(Refused)


@pytest.mark.parametrize("event", [Event.INTERNAL, Event.STOPPED, Event.SERIAL_LOST])
def test_what_only_the_machine_knows_is_not_passed_on(served, session, event):
    ann = served.operator()
    ann.ask(event)
    assert "nobody can ask" in ann.hears(Refused)[0].why
    assert session.asked == []


def test_a_sentence_reaches_the_policy_and_one_without_end_does_not(served, session):
    ann = served.operator()
    ann.link.send(Instruct(text="x" * 501))
    assert "501 letters" in ann.hears(Refused)[0].why
    ann.link.send(Instruct(text="touch the red block", once=True))
    wait_for(lambda: session.sentences)
    assert session.sentences == [Instruct(text="touch the red block", once=True)]


def test_an_arm_that_somebody_holds_follows_their_sentences_only(served, session):
    ann, bob = engaged(served), served.operator()
    bob.link.send(Instruct(text="push the red block left"))
    assert bob.hears(Refused)[0].why == "another operator holds the arm"
    ann.link.send(Instruct(text="touch the red block"))
    wait_for(lambda: session.sentences)
    assert session.sentences == [Instruct(text="touch the red block")]


def test_a_sentence_that_the_policy_does_not_hear_is_said_to_be_lost(served, session):
    session.hears = False
    ann = served.operator()
    ann.link.send(Instruct(text="touch the red block"))
    assert "hears nothing" in ann.hears(Refused)[0].why


def test_pictures_are_made_while_somebody_watches_and_go_to_them_only(served, session):
    ann, bob = served.operator(), served.operator()
    ann.link.send(Watch(pictures_hz=5.0))
    bob.link.send(Watch(pictures_hz=0.0, planned=True))
    wait_for(lambda: session.watched and session.watched[-1] == Watch(pictures_hz=5.0, planned=True))
    picture = Picture(camera="front", t_s=1.0, format="jpeg", data=b"1")
    session.say(Pictures(pictures=(picture,)))
    assert ann.hears(Pictures)[0].pictures == (picture,)
    session.say(status(2.0))
    wait_for(lambda: len(bob.listen()) >= 2)
    assert [each for each in bob.heard if isinstance(each, (Pictures, Planned))] == []
    ann.link.close()
    wait_for(lambda: session.watched[-1] == Watch(pictures_hz=0.0, planned=True))


def test_each_gets_no_more_pictures_than_they_asked_for(served, session):
    ann, bob = served.operator(), served.operator()
    ann.link.send(Watch(pictures_hz=1.0))
    bob.link.send(Watch(pictures_hz=10.0))
    wait_for(lambda: session.watched and session.watched[-1].pictures_hz == 10.0)
    for number in range(9):
        session.say(Pictures(pictures=(Picture(camera="front", t_s=number / 10, format="jpeg", data=b"1"),)))
    wait_for(lambda: len([each for each in bob.listen() if isinstance(each, Pictures)]) == 9)
    assert len([each for each in ann.listen() if isinstance(each, Pictures)]) == 1


def test_a_watch_that_is_no_rate_shows_nothing(served, session):
    ann = served.operator()
    ann.link.send(Watch(pictures_hz=float("nan"), planned=True))
    wait_for(lambda: session.watched)
    assert session.watched[-1] == Watch(pictures_hz=0.0, planned=True)


def test_the_fifth_operator_finds_no_room_and_the_four_go_on(served):
    inside = [served.operator() for _ in range(MAX_CLIENTS)]
    fifth = Operator(served.listener.path)
    assert "connected already" in fifth.hears(Refused)[0].why
    wait_for(lambda: fifth.listen() and fifth.link.closed)
    inside[0].link.close()
    served.operator()


def flood(operator):
    while not operator.link.closed:
        operator.beat()
        operator.ask(Event.ARM)


def garbage(operator):
    while True:
        try:
            operator.link._socket.send(b"\xc1 no message")
        except BlockingIOError:
            continue
        except OSError:
            return


def large(operator):
    while True:
        try:
            operator.link._socket.send(b"\x00" * (64 * 1024))
        except BlockingIOError:
            continue
        except OSError:
            return


def crowd(operator):
    for _ in range(1000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
            end.connect(operator.link._socket.getpeername())


def deaf(operator):
    for number in range(90):  # asks for much, and never reads
        operator.link.send(Watch(pictures_hz=15.0, planned=bool(number % 2)))
    time.sleep(0.3)


@pytest.mark.parametrize("attack", [flood, garbage, large, crowd, deaf])
def test_whatever_one_program_does_the_stop_of_another_passes(served, session, attack):
    good, bad = served.operator(), served.operator()
    attacker = threading.Thread(target=attack, args=(bad,), daemon=True)
    attacker.start()
    stops = 0
    while attacker.is_alive() or stops < 20:
        time.sleep(0.03)
        asked_s = time.monotonic()
        good.ask(Event.STOP)
        stops += 1
        wait_for(lambda stops=stops: session.events.count(Event.STOP) >= stops)
        if attack is deaf:
            session.say(Pictures(pictures=(Picture(camera="f", t_s=asked_s, format="jpeg", data=b"1" * 60_000),)))
        assert stops < 500, "it never ended"
    session.say(status(7.0, Mode.FAULT))
    wait_for(lambda: any(getattr(each, "t_s", None) == 7.0 for each in good.listen()))
    assert session.events.count(Event.ARM) <= 400


def test_who_floods_is_sent_away_and_told_why(served):
    bad = served.operator()
    flood(bad)
    assert any("messages a second" in each.why for each in bad.heard + bad.listen() if isinstance(each, Refused))
    assert any("sent away" in line for line in served.lines)


def test_ten_messages_that_are_none_are_enough(served):
    bad = served.operator()
    for number in range(10):
        bad.link._socket.send(b"\xc1")
        assert number == 0 or not bad.link.closed
        time.sleep(0.02)
    wait_for(lambda: bad.listen() and bad.link.closed)
    assert len([each for each in bad.heard if isinstance(each, Refused)]) == 2, "at first, and at the end"


def test_a_stop_repeated_a_thousand_times_is_passed_on_a_few_times(served, session):
    ann = served.operator()
    for _ in range(60):
        ann.ask(Event.STOP)
    ann.ask(Event.ARM)
    ann.ask(Event.STOP)
    wait_for(lambda: Event.ARM in session.events and session.events[-1] is Event.STOP)
    assert 1 < session.events.count(Event.STOP) < 10


def test_a_dead_policy_is_told_and_ends_it_once_the_arm_stands(served, session):
    ann = engaged(served)
    session.policy_gone = True
    session.status = status(time.monotonic(), Mode.STOPPING)
    session.say(session.status)
    assert any("policy process is gone" in each.why for each in ann.hears(Refused))
    assert served.ended is None
    session.status = type(session.status)(
        **{**{name: getattr(session.status, name) for name in session.status.__struct_fields__}, "standing": True}
        | {"mode": Mode.HOLDING}
    )
    session.say(session.status)
    wait_for(lambda: served.ended is not None)
    assert served.ended.exit_code == 3


def test_a_recorder_that_stops_writing_and_goes_on_is_in_the_journal_once_each(tmp_path):
    recorder = TalkingRecorder()
    served = Served(tmp_path, recorder=recorder)
    ann = served.operator()
    words = [(False, "recording paused: the disk is full")] * 3 + [(True, "recording to arm.mcap")] * 3
    for recording, detail in words:
        recorder.said.append(RecorderStatus(recording=recording, detail=detail))
        served.session.say(status(0.0))
        wait_for(lambda: not recorder.said)
    wait_for(lambda: len([each for each in ann.listen() if isinstance(each, RecorderStatus)]) == 1 + len(words))
    served.end()
    assert [line for line in served.lines if "record" in line] == [words[0][1], words[-1][1]]
