"""The policy's loop: what it is told to plan, what it says about it, and what it shows to whoever watches."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from edgevla.cameras.source import Frame
from edgevla.config.load import load_robot
from edgevla.messages import (
    Chunk,
    Instruct,
    JointState,
    Pictures,
    Planned,
    PolicyStatus,
    Shutdown,
    Watch,
)
from edgevla.policy.language import InstructionError
from edgevla.runtime.link import Link, socket_pair
from edgevla.runtime.policy_process import FromOperator, PolicyProcess
from tests.runtime.conftest import ROBOT_YAML

SENTENCE = "touch the red block"
PICTURE = np.zeros((24, 32, 3), np.uint8)


class LiveCamera:
    """Delivers a new frame whenever it is looked at, until it is covered."""

    def __init__(self):
        self.covered_s = None
        self.fault = None
        self.identical_frames = 0

    def latest(self):
        return Frame(self.covered_s or time.monotonic(), PICTURE, 1)


class CountingPolicy:
    """Knows one sentence, plans to stay, and counts how often it was told to forget."""

    def __init__(self):
        self.resets = 0
        self.done = False

    def reset(self):
        self.resets += 1

    def check_instruction(self, text):
        if text != SENTENCE:
            raise InstructionError(f"{text}: not a sentence this policy knows")

    def act(self, observation, seq):
        row = tuple(observation.state_rad.tolist())
        return Chunk(
            seq=seq,
            t_obs_s=observation.t_obs_s,
            rate_hz=10.0,
            actions_rad=(row, row),
            valid=True,
            done=self.done,
            instruction=observation.instruction,
        )


class RememberingFeed:
    """What was offered to the recording."""

    def __init__(self):
        self.offered = []

    def offer(self, observation, chunk, *, fresh):
        self.offered.append((chunk.instruction, fresh))


class Stage:
    """The loop in a thread, and both its peers."""

    def __init__(self):
        robot = load_robot(ROBOT_YAML, {"control.replan": "50 Hz"})
        (control, ours), (operator, theirs) = socket_pair(), socket_pair()
        self.control, self.operator = Link(control, Chunk), Link(operator, PolicyStatus | Pictures | Planned)
        self.camera, self.policy, self.feed = LiveCamera(), CountingPolicy(), RememberingFeed()
        self.loop = PolicyProcess(
            robot, self.policy, {"front": self.camera}, Link(ours, JointState), Link(theirs, FromOperator), self.feed
        )
        self.chunks, self.heard = [], []
        self._thread = threading.Thread(target=self.loop.run, daemon=True)
        self._thread.start()

    def listen(self):
        self.control.send(JointState(t_s=time.monotonic(), position_rad=(0.1,) * 6, velocity_rad_s=(0.0,) * 6))
        self.chunks += self.control.drain()
        self.heard += self.operator.drain()
        return SimpleNamespace(
            statuses=[each for each in self.heard if isinstance(each, PolicyStatus)],
            planned=[each.chunk for each in self.heard if isinstance(each, Planned)],
            pictures=[each for each in self.heard if isinstance(each, Pictures)],
        )

    def wait(self, condition):
        ends_s = time.monotonic() + 5.0
        while not condition(self.listen()):
            assert time.monotonic() < ends_s, self.heard
            time.sleep(0.005)
        return self.listen()

    def spend(self, seconds):
        ends_s = time.monotonic() + seconds
        return self.wait(lambda _: time.monotonic() > ends_s)

    def end(self):
        self.operator.send(Shutdown(why="the test is over"))
        self._thread.join(5.0)


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.end()


def test_a_sentence_is_planned_again_and_again(stage):
    stage.operator.send(Instruct(text=SENTENCE))
    stage.wait(lambda _: len(stage.chunks) > 3)
    assert [chunk.seq for chunk in stage.chunks] == list(range(1, len(stage.chunks) + 1))


def test_once_is_one_chunk_and_then_it_waits(stage):
    stage.operator.send(Instruct(text=SENTENCE, once=True))
    stage.wait(lambda _: stage.chunks)
    heard = stage.spend(0.3)
    assert len(stage.chunks) == 1
    assert heard.statuses[-1] == PolicyStatus(ready=True, detail=f"planned once: {SENTENCE}")
    stage.operator.send(Instruct(text=SENTENCE, once=True))
    stage.wait(lambda _: len(stage.chunks) == 2)


def test_the_one_plan_is_made_from_a_picture_taken_after_it_was_asked_for(stage):
    stage.camera.covered_s = time.monotonic()
    stage.operator.send(Instruct(text=SENTENCE, once=True))
    stage.spend(0.1)
    assert stage.chunks == []
    asked_s, stage.camera.covered_s = time.monotonic(), None
    stage.wait(lambda _: stage.chunks)
    assert stage.chunks[0].t_obs_s >= asked_s


def test_home_once_is_one_chunk_too(stage):
    stage.operator.send(Instruct(home=True, once=True))
    stage.spend(0.3)
    assert len(stage.chunks) == 1


def test_an_unknown_sentence_is_refused_and_nothing_is_planned(stage):
    stage.operator.send(Instruct(text="make me a coffee", once=True))
    heard = stage.wait(lambda heard: heard.statuses)
    assert heard.statuses[-1].detail.startswith("instruction refused")
    stage.spend(0.1)
    assert stage.chunks == []


def test_plans_are_shown_to_whoever_watches_them(stage):
    stage.operator.send(Instruct(text=SENTENCE))
    stage.wait(lambda _: stage.chunks)
    assert stage.listen().planned == []
    stage.operator.send(Watch(planned=True))
    heard = stage.wait(lambda heard: len(heard.planned) > 2)
    assert {chunk.seq for chunk in heard.planned} <= {chunk.seq for chunk in stage.chunks}
    assert heard.pictures == []


@pytest.mark.parametrize("instruct", [None, Instruct(text=SENTENCE)])
def test_pictures_come_with_and_without_a_sentence_and_stop_when_nobody_watches(stage, instruct):
    if instruct is not None:
        stage.operator.send(instruct)
    stage.operator.send(Watch(pictures_hz=15.0))
    stage.wait(lambda heard: len(heard.pictures) > 2)
    stage.operator.send(Watch())
    stage.spend(0.1)
    count = len(stage.listen().pictures)
    assert len(stage.spend(0.3).pictures) == count


def test_a_camera_that_goes_blind_is_named_and_the_last_word_stays(stage):
    stage.operator.send(Instruct(text=SENTENCE, once=True))
    stage.wait(lambda _: stage.chunks)
    stage.camera.covered_s = time.monotonic()
    heard = stage.wait(lambda heard: heard.statuses[-1].blind)
    assert heard.statuses[-1] == PolicyStatus(ready=True, detail=f"planned once: {SENTENCE}", blind=("front",))
    stage.camera.covered_s = None
    stage.wait(lambda heard: not heard.statuses[-1].blind)


def test_the_recording_is_told_after_which_chunks_the_policy_began_anew(stage):
    stage.operator.send(Instruct(text=SENTENCE))
    stage.wait(lambda _: len(stage.feed.offered) > 2)
    assert [fresh for _, fresh in stage.feed.offered[:3]] == [True, False, False]
    stage.operator.send(Instruct(home=True))
    stage.wait(lambda _: stage.feed.offered[-1][0] == "(home)")
    stage.operator.send(Instruct(text=SENTENCE))
    count = len(stage.feed.offered)
    stage.wait(lambda _: [text for text, _ in stage.feed.offered[count:]].count(SENTENCE) > 1)
    assert [fresh for text, fresh in stage.feed.offered[count:] if text == SENTENCE][:2] == [True, False]


def test_a_policy_that_is_done_plans_no_more(stage):
    stage.policy.done = True
    stage.operator.send(Instruct(text=SENTENCE))
    heard = stage.wait(lambda heard: heard.statuses and heard.statuses[-1].detail.startswith("done"))
    assert heard.statuses[-1].detail == f"done: {SENTENCE}"
