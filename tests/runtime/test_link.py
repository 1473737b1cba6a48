"""Links: typed, ordered, never blocking, and honest about a peer that is gone or talks nonsense."""

import msgspec
import pytest

from edgevla.messages import Event, Heartbeat, Request, Shutdown
from edgevla.runtime.link import MAX_BYTES, Link, socket_pair

INCOMING = Request | Heartbeat | Shutdown


@pytest.fixture
def ends():
    ours, theirs = socket_pair()
    pair = Link(ours, INCOMING), Link(theirs, INCOMING)
    yield pair
    for link in pair:
        link.close()


def test_messages_arrive_whole_typed_and_in_order(ends):
    left, right = ends
    sent = [Request(t_s=1.0, event=Event.ARM), Heartbeat(t_s=1.5), Shutdown(why="done")]
    assert all(left.send(message) for message in sent)
    assert right.drain() == sent
    assert right.drain() == []


def test_a_peer_that_does_not_read_never_blocks_the_sender(ends):
    left, _ = ends
    results = [left.send(Heartbeat(t_s=float(n))) for n in range(5000)]
    assert results[0] is True
    assert results[-1] is False
    assert not left.closed


def test_a_peer_that_is_gone_is_noticed_on_both_sides(ends):
    left, right = ends
    left.close()
    assert right.drain() == []
    assert right.closed
    assert right.send(Heartbeat(t_s=0.0)) is False


@pytest.mark.parametrize(
    "raw",
    [
        b"\xc1",
        b"not msgpack",
        msgspec.msgpack.encode({"type": "Request", "event": "fly"}),
        msgspec.msgpack.encode({"type": "Heartbeat", "t_s": "noon"}),
        msgspec.msgpack.encode([1, 2, 3]),
        b"\x00" * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_message_is_left_out_and_noted_once(ends, raw):
    left, right = ends
    left._socket.send(raw)
    left.send(Heartbeat(t_s=1.0))
    assert right.drain() == [Heartbeat(t_s=1.0)]
    assert right.take_malformed()
    assert right.take_malformed() == ""


def test_a_flood_is_taken_in_bounded_helpings(ends):
    left, right = ends
    while left.send(Heartbeat(t_s=0.0)):
        pass
    assert 0 < len(right.drain()) <= 64


def test_text_that_is_not_utf_8_is_noted_and_does_not_end_the_process(ends):
    left, right = ends
    good = msgspec.msgpack.encode(Request(t_s=0.0, event=Event.STOP, why="0123456789"))
    left._socket.send(good.replace(b"0123456789", b"\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9"))
    assert right.drain() == []
    assert "malformed" in right.take_malformed()


def test_of_many_messages_only_the_newest_is_decoded(ends):
    left, right = ends
    left._socket.send(b"not msgpack")
    left.send(Heartbeat(t_s=1.0))
    left.send(Heartbeat(t_s=2.0))
    assert right.newest() == Heartbeat(t_s=2.0)
    assert right.take_malformed() == ""
    assert right.newest() is None


def test_a_message_larger_than_the_kernel_takes_is_lost_and_nothing_else(ends):
    left, right = ends
    assert left.send(Shutdown(why="x" * 4_000_000)) is False
    assert not left.closed
    assert left.send(Heartbeat(t_s=1.0))
    assert right.drain() == [Heartbeat(t_s=1.0)]


def test_everything_that_arrives_is_counted_whatever_it_is(ends):
    left, right = ends
    left._socket.send(b"not msgpack")
    left._socket.send(b"\x00" * (MAX_BYTES + 1))
    left.send(Heartbeat(t_s=1.0))
    right.drain()
    assert right.received == 3
