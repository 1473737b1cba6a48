"""Pictures from outside: only complete ones of an announced size are decoded."""

import numpy as np
import pytest

from edgevla.cameras.jpeg import BadPicture, decode, size_of


def test_the_size_is_read_from_the_headers(picture):
    assert size_of(picture(width=40, height=16)) == (40, 16)


def test_padding_after_the_end_is_harmless(picture):
    assert size_of(picture() + b"\0\0\r\n") == (32, 24)


def test_a_picture_is_decoded_to_rgb(picture):
    image = decode(picture(colour=(200, 30, 90)))
    assert image.dtype == np.uint8
    assert image.shape == (24, 32, 3)
    assert np.abs(image.reshape(-1, 3).mean(0) - (200, 30, 90)).max() < 4


@pytest.mark.parametrize(
    "spoil",
    [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: data[2:], lambda data: b"\xff\xd8\xff\xd9"],
    ids=["empty", "truncated", "beheaded", "hollow"],
)
def test_an_incomplete_picture_is_refused(picture, spoil):
    with pytest.raises(BadPicture):
        size_of(spoil(picture()))


def test_rubbish_between_the_markers_is_refused(picture):
    data = picture()
    header = data[: data.index(b"\xff\xda")]
    with pytest.raises(BadPicture, match="cannot be decoded"):
        decode(header[:20] + b"\xff\xd9")
