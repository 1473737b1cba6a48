"""The multipart parser: any cut of the bytes gives the same parts, and nothing is read without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevla.cameras.multipart import MAX_BODY_BYTES, MalformedStream, Part, Parts, boundary_of

DELIMITER = b"--frame"
BODY = st.binary(max_size=64).filter(lambda body: DELIMITER not in body and not body.endswith(b"\r"))


def stream_of(bodies, with_length):
    chunks = []
    for number, body in enumerate(bodies):
        length = f"Content-Length: {len(body)}\r\n" if with_length else ""
        chunks += [DELIMITER, f"\r\nX-Timestamp: {number}\r\n{length}\r\n".encode(), body, b"\r\n"]
    return b"".join([*chunks, DELIMITER])


@given(st.lists(BODY, max_size=5), st.booleans(), st.integers(1, 50))
def test_every_cut_of_the_stream_gives_the_same_parts(bodies, with_length, step):
    stream = stream_of(bodies, with_length)
    parts = Parts(DELIMITER)
    got = [part for at in range(0, len(stream), step) for part in parts.feed(stream[at : at + step])]
    assert [part.body for part in got] == bodies
    assert [part.headers["x-timestamp"] for part in got] == [str(number) for number in range(len(bodies))]


def test_a_short_part_after_a_long_one_is_found():
    stream = stream_of([b"a" * 1000, b"b", b"c"], with_length=False)
    parts = Parts(DELIMITER)
    assert parts.feed(stream[:900]) == []
    assert [len(part.body) for part in parts.feed(stream[900:] + bytes(2000))] == [1000, 1, 1]


def test_several_parts_at_once_come_oldest_first():
    assert [part.body for part in Parts(DELIMITER).feed(stream_of([b"a", b"b", b"c"], True))] == [b"a", b"b", b"c"]


def test_the_length_wins_over_a_delimiter_inside_the_picture():
    body = b"\xff\xd8 --frame \r\n--frame\r\n\xff\xd9"
    assert Parts(DELIMITER).feed(stream_of([body], True)) == [
        Part({"x-timestamp": "0", "content-length": str(len(body))}, body)
    ]


@pytest.mark.parametrize("declared", [str(MAX_BODY_BYTES + 1), "-1", "many", "", "9" * 3000])
def test_a_part_of_unbelievable_length_is_refused_before_it_is_read(declared):
    with pytest.raises(MalformedStream):
        Parts(DELIMITER).feed(DELIMITER + f"\r\nContent-Length: {declared}\r\n\r\n".encode())


def test_a_part_without_end_is_refused():
    parts = Parts(DELIMITER)
    parts.feed(DELIMITER + b"\r\n\r\n")
    with pytest.raises(MalformedStream, match="no part ends"):
        for _ in range(MAX_BODY_BYTES // (1 << 20) + 1):
            parts.feed(bytes(1 << 20))


@pytest.mark.parametrize(
    "noise", [b"x" * 5000, DELIMITER + b"\r\nA: " + b"a" * 5000, b"x" * 5000 + b"\r\n\r\n" + DELIMITER]
)
def test_noise_before_a_part_is_refused(noise):
    with pytest.raises(MalformedStream, match="no part begins"):
        Parts(DELIMITER).feed(noise)


def test_a_header_line_without_colon_is_refused():
    with pytest.raises(MalformedStream, match="no colon"):
        Parts(DELIMITER).feed(DELIMITER + b"\r\nnonsense\r\n\r\n")


@pytest.mark.parametrize("boundary", ["frame", '"frame"', "--frame"])
def test_the_boundary_is_taken_from_the_content_type(boundary):
    assert boundary_of(f"multipart/x-mixed-replace; boundary={boundary}") == DELIMITER


@pytest.mark.parametrize("content_type", ["", "image/jpeg", "multipart/x-mixed-replace", "text/html; boundary=frame"])
def test_another_content_type_is_no_stream(content_type):
    with pytest.raises(MalformedStream):
        boundary_of(content_type)
