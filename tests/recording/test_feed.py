"""The policy's side: what it hands over arrives whole, and it never waits for whoever takes it."""

import threading
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.messages import Chunk, Observation, Picture, Planned
from edgevla.runtime.link import MAX_BYTES, Link, socket_pair
from edgevla.runtime.recording import feed as feeding
from edgevla.runtime.recording.feed import Nothing, ObservationFeed, RememberedClock
from edgevla.runtime.recording.pictures import decode
from edgevla.runtime.recording.wire import Fed, Joiner, Observed, Part, cut


def observed(seq=1, size=200_000):
    data = np.random.default_rng(seq).bytes(size)
    picture = Picture(camera="front", t_s=1.0, format="png", data=data)
    return Observed(seq=seq, t_obs_s=1.0, instruction="go", state_rad=(0.1,), fresh=False, pictures=(picture,))


def seen(side=300, t_obs_s=1.0):
    noise = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    return Observation(t_obs_s, {"front": noise, "wrist": noise[::-1]}, np.array([0.1, 1 / 3]), "go left")


def chunk(seq):
    return Chunk(seq=seq, t_obs_s=1.0, rate_hz=10.0, actions_rad=((0.0, 0.1),), valid=True)


@pytest.fixture
def line():
    ours, theirs = socket_pair()
    taking = Link(theirs, Fed)
    feed = ObservationFeed(Link(ours, Nothing))
    yield feed, taking
    feed.close()
    taking.close()


def take(taking, until, timeout_s=10.0):
    joiner, planned, whole = Joiner(), [], []
    deadline_s = time.monotonic() + timeout_s
    while not until(planned, whole):
        assert time.monotonic() < deadline_s, (planned, whole)
        for message in taking.drain():
            if isinstance(message, Planned):
                planned.append(message.chunk.seq)
            elif (joined := joiner.add(message)) is not None:
                whole.append(joined)
        time.sleep(0.001)
    return planned, whole, joiner


@given(size=st.integers(0, 200_000))
def test_parts_fit_a_message_and_join_to_what_was_cut(size):
    whole = observed(size=size)
    parts, joiner = list(cut(whole, 0)), Joiner()
    assert all(len(msgspec.msgpack.encode(part)) <= MAX_BYTES for part in parts)
    assert [joiner.add(part) for part in parts] == [None] * (len(parts) - 1) + [whole]
    assert joiner.broken == 0


@given(gone=st.sets(st.integers(0, 9), min_size=1))
def test_what_lost_a_part_is_left_out_and_the_next_is_whole(gone):
    first, second = list(cut(observed(1), 0)), list(cut(observed(2), 3))
    assert len(first) == len(second) == 5
    joiner, arrived = Joiner(), []
    for number, part in enumerate([*first, *second]):
        if number not in gone and (joined := joiner.add(part)) is not None:
            arrived.append(joined.seq)
    whole = {1: set(range(5)), 2: set(range(5, 10))}
    assert arrived == [seq for seq, parts in whole.items() if not parts & gone]
    assert joiner.broken == 0


SENSELESS = st.builds(
    Part, **{name: st.integers(-3, 5000) for name in ("seq", "index", "count", "dropped")}, data=st.binary(max_size=40)
)


@given(st.lists(SENSELESS))
def test_parts_that_make_no_sense_make_nothing(parts):
    joiner = Joiner()
    assert all(joiner.add(part) is None for part in parts)
    assert joiner.add(next(cut(observed(size=0), 0))) == observed(size=0)


def test_pictures_larger_than_a_message_arrive_to_the_last_pixel(line):
    feed, taking = line
    observation = seen()
    feed.offer(observation, chunk(7), fresh=True)
    planned, (whole,), _ = take(taking, lambda planned, whole: whole)
    assert planned == [7]
    assert (whole.seq, whole.fresh, whole.instruction, whole.state_rad) == (7, True, "go left", (0.1, 1 / 3))
    for picture in whole.pictures:
        np.testing.assert_array_equal(decode(picture.data), observation.images[picture.camera])


def test_what_cannot_be_encoded_in_time_is_dropped_and_nobody_waits_for_it(line, monkeypatch):
    feed, taking = line
    started = threading.Event()
    monkeypatch.setattr(feeding, "encode", lambda image, kind: started.wait() and b"")
    for seq in range(50):
        feed.offer(seen(8), chunk(seq), fresh=False)
    assert feed.dropped >= 48, "one is being encoded, one waits"
    started.set()
    planned, _, joiner = take(taking, lambda planned, whole: len(planned) == 50 and len(whole) + feed.dropped == 50)
    assert planned == list(range(50)), "chunks are small: all of them arrive"
    assert joiner.dropped == feed.dropped


def test_a_picture_that_finds_no_room_is_dropped_and_the_next_one_comes(line, monkeypatch):
    feed, taking = line
    monkeypatch.setattr(feeding, "_ROOM_S", 0.02)
    feed.offer(seen(600), chunk(1), fresh=False)
    deadline_s = time.monotonic() + 5.0
    while not feed.dropped and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert feed.dropped == 1
    taking.drain()
    feed.offer(seen(8), chunk(2), fresh=False)
    _, (whole,), joiner = take(taking, lambda planned, whole: whole)
    assert whole.seq == 2
    assert joiner.dropped == 1


def test_a_recorder_that_is_gone_is_no_matter(line):
    feed, taking = line
    taking.close()
    for seq in range(3):
        feed.offer(seen(8), chunk(seq), fresh=False)


def test_what_was_offered_last_is_sent_before_it_closes():
    ours, theirs = socket_pair()
    taking = Link(theirs, Fed)
    feed = ObservationFeed(Link(ours, Nothing))
    feed.offer(seen(8), chunk(1), fresh=False)
    feed.close()
    assert take(taking, lambda planned, whole: whole)[0] == [1]


def test_jpeg_is_jpeg():
    ours, theirs = socket_pair()
    taking = Link(theirs, Fed)
    feed = ObservationFeed(Link(ours, Nothing), "jpeg")
    feed.offer(seen(8), chunk(1), fresh=False)
    feed.close()
    _, (whole,), _ = take(taking, lambda planned, whole: whole)
    assert {picture.format for picture in whole.pictures} == {"jpeg"}
    assert all(picture.data.startswith(b"\xff\xd8") for picture in whole.pictures)


def test_the_clock_remembers_what_it_said_since_the_picture():
    times = iter([1.0, 2.0, 3.0, 4.0, 5.0])
    clock = RememberedClock(lambda: next(times))
    assert [clock(), clock(), clock()] == [1.0, 2.0, 3.0]
    assert clock.since(1.5) == (2.0, 3.0)
    assert clock() == 4.0
    assert clock.since(0.0) == (4.0,)
